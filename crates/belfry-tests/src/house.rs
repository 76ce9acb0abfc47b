//! A house with ways out: the real server, people with phones and mailboxes, and what became of their alerts.

use crate::caller::Caller;
use crate::deadline::eventually;
use crate::recorder::Recorder;
use crate::server::TestServer;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::device::PushAddress;
use belfry_protocol::{AlertId, Provider, UserId};
use belfry_server::clock;
use belfry_server::config::Config;
use belfry_store::{DeliveryTraceRow, NewDevice, Store};
use http::Method;
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A server with a push service and a mail server that write down what they are given.
pub struct House {
    server: TestServer,
    /// Every push goes here.
    pub push: Arc<Recorder>,
    /// Every mail goes here.
    pub mail: Arc<Recorder>,
}

impl Deref for House {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl DerefMut for House {
    fn deref_mut(&mut self) -> &mut TestServer {
        &mut self.server
    }
}

impl House {
    /// A house that has been up for long: who is not connected is away.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (push, mail) = (Recorder::new(Provider::Fcm), Recorder::new(Provider::Smtp));
        let server = TestServer::with_channels(vec![push.clone(), mail.clone()], |config| {
            config.live.linger_after_start = Duration::ZERO;
            change(config);
        })
        .await;
        Self { server, push, mail }
    }

    /// Gives a person a mailbox and so many phones.
    pub async fn settle(&self, user: &str, phones: usize) {
        mailbox(&self.server, user).await;
        for number in 0..phones {
            fcm_phone(&self.services().store, user, &format!("phone-{number}")).await;
        }
    }

    /// Waits until nothing is watched, to be decided or to be sent: what has not gone out by then never will.
    pub async fn at_rest(&self) {
        at_rest(&self.server).await;
    }

    /// Waits until somebody's delivery of an alert stands like this.
    pub async fn until(&self, alert: &str, user: &str, what: &str, is: impl Fn(&DeliveryTraceRow) -> bool) {
        eventually(what, || async { delivery(&self.server, alert, user).await.filter(|row| is(row)) }).await;
    }

    /// How the delivery of an alert to one person ended: its state, and each leg's. `None`: there is none.
    pub async fn outcome(&self, alert: &str, user: &str) -> Option<(DeliveryState, Vec<LegState>)> {
        let row = delivery(&self.server, alert, user).await?;
        Some((row.state, row.legs.iter().map(|leg| leg.state).collect()))
    }
}

/// Gives a person a mailbox.
pub async fn mailbox(caller: &Caller, user: &str) {
    let profile = json!({"email": format!("{user}@example.com")});
    let answer = caller.call(Method::PUT, &format!("/v1/users/{user}"), &profile).await;
    assert!(answer.status < 300, "{}: {}", answer.status, answer.text);
}

/// Gives a person a phone that is reached by FCM.
pub async fn fcm_phone(store: &Store, user: &str, device: &str) {
    let token = format!("fcm-token-of-{user}-{device}");
    let mut address_hash = [0_u8; 32];
    for (index, byte) in token.bytes().enumerate() {
        address_hash[index % 32] = address_hash[index % 32].wrapping_mul(31).wrapping_add(byte);
    }
    let device = NewDevice {
        id: device.to_owned(),
        address: PushAddress::Fcm { token: Some(token), installation_id: None },
        address_hash,
        locale: None,
        time_zone: None,
        app_version: None,
    };
    let user = user.parse().expect("a test's user id is valid");
    store.put_device(&user, device, clock::now().unix_ms()).await.expect("the device is stored");
}

/// Waits until nothing is watched, to be decided or to be sent.
pub async fn at_rest(server: &TestServer) {
    let services = server.services();
    eventually("an end of all that is under way", || async {
        let gauges = services.store.gauges();
        let opened = services.watch.is_empty() && gauges.ladder_fanouts == 0;
        (opened && gauges.deliveries == 0 && gauges.pending_legs == 0).then_some(())
    })
    .await;
}

/// Somebody's delivery of an alert; `None`: nobody thought of one yet.
pub async fn delivery(server: &TestServer, alert: &str, user: &str) -> Option<DeliveryTraceRow> {
    let alert: AlertId = alert.parse().expect("an alert's id");
    let user: UserId = user.parse().expect("a test's user id is valid");
    let found = server.services().store.deliveries_of(alert, &[user]).await.expect("the store answers");
    found.into_iter().next().map(|(_, row)| row)
}

/// An alert with a title and a ladder of its own.
pub fn alert(user: &str, title: &str, ladder: &Value) -> Value {
    json!({"to": {"user": user}, "kind": "deal", "title": title, "data": {}, "ladder": ladder})
}

/// Lets a stopped server's nights, leases and retries be so much nearer, as if it had been down for as long.
pub fn time_passes(data_dir: &Path, by: Duration) {
    let by = by.as_millis();
    let sql = format!(
        "UPDATE deliveries SET due_at = due_at - {by}, claim_at = claim_at - {by}; \
         UPDATE legs SET next_at = next_at - {by}, claim_at = claim_at - {by}"
    );
    crate::shared::execute(data_dir, &sql);
}
