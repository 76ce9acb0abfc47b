//! What every store has to do: each test runs on each engine.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it has to be")]

#[path = "contract/harness.rs"]
mod harness;
#[path = "contract/night_model.rs"]
mod night_model;
#[path = "contract/nights.rs"]
mod nights;

/// Makes a test of each function for each engine; the function gets a fresh store.
macro_rules! contract {
    ($(async fn $name:ident($store:ident: TestStore) $body:block)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::harness::TestStore::new(crate::harness::Engine::Sqlite).await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if crate::harness::there_is_a_server() {
                        super::$name(crate::harness::TestStore::new(crate::harness::Engine::Postgres).await).await;
                    }
                }
            )*
        }
        $(async fn $name($store: crate::harness::TestStore) $body)*
    };
}

/// The same for what only a file does.
macro_rules! contract_of_files {
    ($(async fn $name:ident($store:ident: TestStore) $body:block)*) => {
        mod file {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::harness::TestStore::new(crate::harness::Engine::Sqlite).await).await;
                }
            )*
        }
        $(async fn $name($store: crate::harness::TestStore) $body)*
    };
}

#[path = "contract/announcements.rs"]
mod announcements;
#[path = "contract/cancellations.rs"]
mod cancellations;
#[path = "contract/crashes.rs"]
mod crashes;
#[path = "contract/dead_letters.rs"]
mod dead_letters;
#[path = "contract/deliveries.rs"]
mod deliveries;
#[path = "contract/devices.rs"]
mod devices;
#[path = "contract/fanouts.rs"]
mod fanouts;
#[path = "contract/faults.rs"]
mod faults;
#[path = "contract/heads.rs"]
mod heads;
#[path = "contract/idempotency.rs"]
mod idempotency;
#[path = "contract/imports.rs"]
mod imports;
#[path = "contract/inboxes.rs"]
mod inboxes;
#[path = "contract/interleavings.rs"]
mod interleavings;
#[path = "contract/ladders_for_everyone.rs"]
mod ladders_for_everyone;
#[path = "contract/legs.rs"]
mod legs;
#[path = "contract/model.rs"]
mod model;
#[path = "contract/nodes.rs"]
mod nodes;
#[path = "contract/operation.rs"]
mod operation;
#[path = "contract/preferences.rs"]
mod preferences;
#[path = "contract/presence.rs"]
mod presence;
#[path = "contract/publishing.rs"]
mod publishing;
#[path = "contract/receipts.rs"]
mod receipts;
#[path = "contract/retention.rs"]
mod retention;
#[path = "contract/shared.rs"]
mod shared;
#[path = "contract/told_levels.rs"]
mod told_levels;
#[path = "contract/users.rs"]
mod users;
#[path = "contract/watches.rs"]
mod watches;
#[path = "contract/webhooks.rs"]
mod webhooks;
