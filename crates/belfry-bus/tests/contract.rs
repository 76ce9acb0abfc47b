//! What every bus has to do: each test runs on each engine that is there.
//!
//! `BELFRY_TEST_POSTGRES`, `BELFRY_TEST_REDIS` and `BELFRY_TEST_NATS` say where the servers are. An engine without
//! its address is left out with a line that says so, and fails where `CI` or `BELFRY_TEST_ALL` is set.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it has to be")]

#[path = "contract/harness.rs"]
mod harness;
#[path = "contract/proxy.rs"]
mod proxy;
#[path = "contract/servers.rs"]
mod servers;

/// Makes a test of each function for each engine it names; the function gets ground of its own.
macro_rules! contract {
    (on $engines:tt $(async fn $name:ident($ground:ident: Ground) $body:block)*) => {
        $(contract!(@test $engines $name);)*
        $(async fn $name($ground: crate::harness::Ground) $body)*
    };
    (@test [$($engine:ident)*] $name:ident) => {
        mod $name {
            $(
                #[tokio::test]
                #[expect(non_snake_case, reason = "the engine's name")]
                async fn $engine() {
                    if let Some(ground) = crate::harness::Ground::new(crate::harness::Engine::$engine) {
                        super::$name(ground).await;
                    }
                }
            )*
        }
    };
}

#[path = "contract/carrying.rs"]
mod carrying;
#[path = "contract/certificates.rs"]
mod certificates;
#[path = "contract/connecting.rs"]
mod connecting;
#[path = "contract/limits.rs"]
mod limits;
#[path = "contract/losing.rs"]
mod losing;
#[path = "contract/nats_cluster.rs"]
mod nats_cluster;
#[path = "contract/redis_cluster.rs"]
mod redis_cluster;
#[path = "contract/redis_sentinel.rs"]
mod redis_sentinel;
#[path = "contract/strangers.rs"]
mod strangers;
