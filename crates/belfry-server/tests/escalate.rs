//! The night watch in a whole house, with ways out that only write down what they are given.

use belfry_channels::{Action, Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::device::PushAddress;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{Provider, UserId};
use belfry_server::app::App;
use belfry_server::clock;
use belfry_server::config::{Config, Mode};
use belfry_server::publish::Posted;
use belfry_store::NewDevice;
use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Answer = fn() -> Result<Receipt, SendError>;

/// What went out: provider, shortened address, title, tag.
type Log = Arc<Mutex<Vec<(Provider, String, String)>>>;

#[derive(Debug)]
struct Recorder {
    provider: Provider,
    answer: Answer,
    log: Log,
}

impl Channel for Recorder {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        let entry = (self.provider, address.shortened(), notice.title.clone());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        std::future::ready((self.answer)()).boxed()
    }

    fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        std::future::ready(Ok(String::new())).boxed()
    }
}

struct House {
    app: App,
    log: Log,
    _dir: tempfile::TempDir,
}

fn accepts() -> Result<Receipt, SendError> {
    Ok(Receipt::default())
}

fn refuses() -> Result<Receipt, SendError> {
    Err(SendError::new(Action::Rejected, "PAYLOAD", "no"))
}

async fn house(push: Answer, email: Answer) -> House {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.data_dir = dir.path().to_owned();
    config.live.linger_after_start = Duration::ZERO;
    let log = Log::default();
    let way = |provider, answer| -> Arc<dyn Channel> {
        Arc::new(Recorder { provider, answer, log: Arc::clone(&log) })
    };
    let ways = vec![way(Provider::Fcm, push), way(Provider::Smtp, email)];
    let app = Box::pin(App::open_with(config, ways)).await.expect("the house opens");
    House { app, log, _dir: dir }
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("is an id")
}

impl House {
    async fn settle_in(&self, id: &str, devices: usize) {
        let (store, now) = (&self.app.services().store, clock::now().unix_ms());
        let profile = UserProfile { email: Some(format!("{id}@example.com")), ..UserProfile::default() };
        store.put_user(&user(id), profile, now).await.expect("is stored");
        for number in 0..devices {
            let token = format!("token-of-{id}-{number:06}");
            let mut address_hash = [0; 32];
            address_hash[..token.len().min(32)].copy_from_slice(&token.as_bytes()[..token.len().min(32)]);
            let device = NewDevice {
                id: format!("phone-{number}"),
                address: PushAddress::Fcm { token: Some(token), installation_id: None },
                address_hash,
                locale: None,
                time_zone: None,
                app_version: None,
            };
            store.put_device(&user(id), device, now).await.expect("is stored");
        }
    }

    async fn publish(&self, body: &str) {
        let alert = serde_json::from_str(body).expect("is an alert");
        let posted = Posted { alert, idempotency: None };
        self.app.services().publish(posted, clock::now()).await.expect("is accepted");
    }

    fn sent(&self) -> Vec<(Provider, String, String)> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nothing is watched and no delivery or leg is open.
    async fn at_rest(&self) {
        let services = self.app.services();
        let deadline = clock::now().instant + Duration::from_secs(10);
        loop {
            let gauges = services.store.gauges();
            if services.watch.is_empty() && gauges.deliveries == 0 && gauges.pending_legs == 0 {
                return;
            }
            assert!(clock::now().instant < deadline, "still at work: {gauges:?}");
            // Polls a condition: nothing says when it comes true.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

const ALERT: &str = r#"{"to":{"user":"ann"},"kind":"deal","title":"Milk","data":{}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_gets_one_push_per_device_and_no_mail() {
    let house = house(accepts, accepts).await;
    house.settle_in("ann", 2).await;
    house.publish(ALERT).await;
    house.at_rest().await;
    let mut sent = house.sent();
    sent.sort();
    let push = |device: &str| (Provider::Fcm, device.to_owned(), "Milk".to_owned());
    assert_eq!(sent, [push("…000000"), push("…000001")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_is_followed_by_one_mail() {
    let house = house(refuses, accepts).await;
    house.settle_in("ann", 1).await;
    house.publish(ALERT).await;
    house.at_rest().await;
    let providers: Vec<Provider> = house.sent().into_iter().map(|sent| sent.0).collect();
    assert_eq!(providers, [Provider::Fcm, Provider::Smtp]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_address_ends_in_a_dead_letter() {
    let house = house(accepts, accepts).await;
    house.publish(ALERT).await;
    house.at_rest().await;
    assert_eq!(house.sent(), []);
    assert_eq!(house.app.services().store.gauges().dead_letters, 1);
}
