//! Who is there while nodes and engines suffer: people with two devices each at different nodes, and back ends that
//! publish to them and do not give up.

use crate::cable::Cable;
use crate::caller::{Caller, numbered};
use crate::chaos::{Delivered, Promise};
use crate::nodes::Nodes;
use belfry_client::{
    Backoff, Connection, Event, PublishError, Publisher, PublisherOptions, RetryPolicy, Subscriber,
    SubscriberOptions,
};
use belfry_protocol::{NewAlert, Stream};
use belfry_server::clock;
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Devices of one person.
pub const DEVICES: usize = 2;
/// One alert in so many is read, at whichever node.
const READ_EVERY: u64 = 5;
/// A back end's patience with one try.
const TRY: Duration = Duration::from_secs(3);
/// Before a call that nobody answered is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What was promised to whom, and what came of it.
#[derive(Debug, Default)]
pub struct Ledger {
    promises: Mutex<Vec<Promise>>,
    /// Ids of alerts that were read, and answered so.
    reads: Mutex<BTreeMap<String, BTreeSet<String>>>,
    delivered: Mutex<BTreeMap<String, Delivered>>,
    unread: Mutex<BTreeMap<String, u64>>,
    /// Answers of a kind that nobody should get.
    objections: Mutex<Vec<String>>,
    next: AtomicU64,
    /// Publishes that a whole publisher's patience was not enough for: made again under the same key.
    pub given_up: AtomicU64,
    /// The longest that a publish took, in milliseconds.
    pub longest_ms: AtomicU64,
    /// How often a device came to be connected.
    pub connections: AtomicU64,
    over: AtomicBool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Publishers end with the alert that they are about.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether they were told to.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All promises so far.
    pub fn promises(&self) -> Vec<Promise> {
        lock(&self.promises).clone()
    }

    /// Ids of alerts that a person has read.
    pub fn reads(&self, user: &str) -> BTreeSet<String> {
        lock(&self.reads).get(user).cloned().unwrap_or_default()
    }

    /// What a device was given.
    pub fn with_delivered<T>(&self, look: impl FnOnce(&BTreeMap<String, Delivered>) -> T) -> T {
        look(&lock(&self.delivered))
    }

    /// How many alerts are on the screens of one device each.
    pub fn shown(&self) -> usize {
        lock(&self.delivered).values().map(|one| one.alerts.len()).sum::<usize>() / DEVICES
    }

    /// The count that a device shows.
    pub fn unread(&self, device: &str) -> Option<u64> {
        lock(&self.unread).get(device).copied()
    }

    /// What nobody should have been answered.
    pub fn objections(&self) -> Vec<String> {
        lock(&self.objections).clone()
    }

    fn objects(&self, what: String) {
        lock(&self.objections).push(what);
    }
}

/// A person's name.
pub fn person(number: u64) -> String {
    format!("user-{number}")
}

/// What a person's device is called.
pub fn device(user: &str, number: usize) -> String {
    format!("{user}'s device {number}")
}

/// People with their devices, connected.
pub struct Crowd {
    /// Devices and back ends go before their ways.
    devices: JoinSet<()>,
    back_ends: JoinSet<()>,
    ways: Vec<Cable>,
}

impl Crowd {
    /// Connects all devices of so many people, the second of each at another node than the first.
    pub async fn connect(nodes: &Nodes, people: u64, ledger: &Arc<Ledger>) -> Self {
        let mut crowd = Self { devices: JoinSet::new(), back_ends: JoinSet::new(), ways: Vec::new() };
        let (live_tx, mut live_rx) = mpsc::channel(1);
        for number in 0..people {
            for place in 0..DEVICES {
                let (way, caller) = nodes.way(usize::try_from(number).unwrap_or(0) + place).await;
                crowd.ways.push(way);
                let user = person(number);
                let name = device(&user, place);
                crowd.devices.spawn(subscribe(caller, user, name, Arc::clone(ledger), live_tx.clone()));
            }
        }
        for _ in 0..crowd.ways.len() {
            crate::within("a live device", live_rx.recv()).await;
        }
        crowd
    }

    /// Lets so many back ends publish, all together so many alerts per second.
    pub async fn publish(&mut self, nodes: &Nodes, load: Load, ledger: &Arc<Ledger>) {
        for number in 0..load.back_ends {
            let (way, caller) = nodes.way(number as usize).await;
            self.ways.push(way);
            let back_end = BackEnd { caller, load, ledger: Arc::clone(ledger) };
            self.back_ends.spawn(back_end.run());
        }
    }

    /// Waits until every publish that was begun has its answer.
    pub async fn back_ends_end(&mut self) {
        while let Some(ended) = self.back_ends.join_next().await {
            ended.expect("a back end does not panic");
        }
    }
}

/// How much is published.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// To whom.
    pub people: u64,
    /// By how many.
    pub back_ends: u32,
    /// All together.
    pub per_second: f64,
    /// What idempotency keys begin with.
    pub seed: u64,
    /// Tries of one publish, before its publisher gives up on it.
    pub attempts: u32,
}

struct BackEnd {
    caller: Caller,
    load: Load,
    ledger: Arc<Ledger>,
}

impl BackEnd {
    async fn run(self) {
        let mut options = PublisherOptions::new(self.caller.url.clone(), self.caller.api_key.clone());
        options.timeout = TRY;
        options.retry = RetryPolicy { attempts: self.load.attempts, ..options.retry };
        let publisher = Publisher::with_options(options).expect("the address and the key are valid");
        let pause = Duration::from_secs_f64(f64::from(self.load.back_ends) / self.load.per_second);
        let mut beat = tokio::time::interval(pause);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.ledger.is_over() {
            beat.tick().await;
            let number = self.ledger.next.fetch_add(1, Ordering::Relaxed);
            let user = person(number % self.load.people);
            let Some(promise) = self.publish(&publisher, &user, number).await else { continue };
            let id = promise.id.clone();
            lock(&self.ledger.promises).push(promise);
            if number.is_multiple_of(READ_EVERY) {
                self.read(&user, id).await;
            }
        }
    }

    /// Under one key until it is answered; `None`: the answer was one that no alert should get.
    async fn publish(&self, publisher: &Publisher, user: &str, number: u64) -> Option<Promise> {
        let mut alert = numbered(user, number);
        // They are there, so nothing else is to come of it; those who are away have ladders.
        alert["ladder"] = json!([{"channel": "live"}]);
        let mut alert: NewAlert = serde_json::from_value(alert).expect("an alert");
        alert.idempotency_key = Some(format!("{}-{number}", self.load.seed));
        let began = clock::now().instant;
        loop {
            match publisher.publish(&alert).await {
                Ok(answer) => {
                    let took = clock::now().instant.saturating_duration_since(began).as_millis();
                    self.ledger.longest_ms.fetch_max(took.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
                    let one = answer.notifications.first().expect("an answer for one person names them");
                    let (user, id) = (user.to_owned(), answer.id.to_string());
                    return Some(Promise { user, seq: one.seq.0, id, number });
                }
                Err(PublishError::Unavailable { .. }) => {
                    self.ledger.given_up.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    self.ledger.objects(format!("number {number} was answered with: {error}"));
                    return None;
                }
            }
        }
    }

    async fn read(&self, user: &str, id: String) {
        let body = json!({"ids": [&id], "state": "read"});
        loop {
            let request = self.caller.as_user(user, Method::POST, "/v1/inbox/state").timeout(TRY);
            match request.json(&body).send().await {
                Ok(answer) if answer.status() == 200 => break,
                Ok(answer) if answer.status().is_client_error() => {
                    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                    return self.ledger.objects(format!("{user} cannot read {id}: {status} {text}"));
                }
                // A node that is gone or has no store; any other one will do.
                _ => tokio::time::sleep(AGAIN_AFTER).await,
            }
        }
        lock(&self.ledger.reads).entry(user.to_owned()).or_default().insert(id);
    }
}

async fn subscribe(
    caller: Caller,
    user: String,
    device: String,
    ledger: Arc<Ledger>,
    live_tx: mpsc::Sender<()>,
) {
    let backoff =
        Backoff { ladder: vec![Duration::from_millis(200)], offline_after: u32::MAX, ..Backoff::default() };
    let options = SubscriberOptions::new(caller.url.clone(), caller.token(&user)).backoff(backoff);
    let options = options.connect_timeout(Duration::from_secs(2));
    let (_subscriber, mut events) = Subscriber::connect(options).expect("the address is valid");
    lock(&ledger.delivered).insert(device.clone(), Delivered::default());
    let mut live_tx = Some(live_tx);
    while let Some(event) = events.next().await {
        match event {
            // Alerts for everyone are counted elsewhere.
            Event::Alert(item, _) if item.stream == Stream::All => {}
            Event::Alert(item, _) => {
                let data: Value = serde_json::from_str(item.data.get()).unwrap_or_default();
                let number = data["n"].as_u64().unwrap_or(u64::MAX);
                let alert = (item.seq.0, item.id.to_string(), number);
                lock(&ledger.delivered).entry(device.clone()).or_default().alerts.push(alert);
            }
            Event::Reset(_) => lock(&ledger.delivered).entry(device.clone()).or_default().resets += 1,
            Event::Unread(unread) => drop(lock(&ledger.unread).insert(device.clone(), unread.into())),
            Event::Connection(Connection::Live(_)) => {
                ledger.connections.fetch_add(1, Ordering::Relaxed);
                if let Some(live_tx) = live_tx.take() {
                    // Nobody waits for it any more where the run was given up.
                    let _ = live_tx.send(()).await;
                }
            }
            Event::Connection(Connection::Stopped(why)) => ledger.objects(format!("{device} stopped: {why}")),
            _ => {}
        }
    }
}
