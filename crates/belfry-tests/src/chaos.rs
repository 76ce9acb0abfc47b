//! `kill -9` of the real binary under load, again and again, and the audit of what it promised: every alert that was
//! answered `202` reaches its user's subscriber exactly once, in order.

use crate::caller::{Caller, numbered};
use crate::process::Process;
use belfry_client::{Backoff, Connection, Event, Subscriber, SubscriberOptions};
use belfry_server::clock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Users the alerts are spread over.
const USERS: u64 = 8;
/// For the whole run to come to its end, once everything was published.
const SETTLE: Duration = Duration::from_secs(30);

/// How much chaos.
#[derive(Debug, Clone, Copy)]
pub struct ChaosOptions {
    /// Publishes in all.
    pub alerts: u64,
    /// Publishes at the same time.
    pub in_flight: u64,
    /// How often the server is killed.
    pub rounds: u64,
    /// Decides when.
    pub seed: u64,
}

/// An alert that was answered `202`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Whose.
    pub user: String,
    /// Its number in their stream.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// The publisher's own number of it.
    pub number: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Alerts that were answered `202`.
    pub accepted: u64,
    /// Publishes without an answer, which may or may not be stored.
    pub unanswered: u64,
    /// Alerts that reached a subscriber.
    pub delivered: u64,
    /// How often the server was killed.
    pub kills: u64,
    /// How long it took.
    pub took: Duration,
    /// What was not as promised; the first few.
    pub faults: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, unanswered, delivered, kills, took, faults } = self;
        write!(
            f,
            "{accepted} alerts accepted, {unanswered} publishes cut off, {delivered} alerts delivered over {kills} \
             kills in {:.1} s: {} faults",
            took.as_secs_f64(),
            faults.len()
        )?;
        faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// What one user's subscriber was given.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Seq, id and the publisher's number, in the order they came.
    pub alerts: Vec<(u64, String, u64)>,
    /// Resets: the subscriber never asks for one.
    pub resets: u64,
}

/// Compares what was promised with what was delivered.
pub fn audit(promises: &[Promise], delivered: &BTreeMap<String, Delivered>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut places: HashMap<(&str, &str), u64> = HashMap::new();
    for (user, delivered) in delivered {
        if delivered.resets > 0 {
            faults.push(format!("{user}: {} resets", delivered.resets));
        }
        let mut last = 0;
        let mut numbers = BTreeSet::new();
        for (seq, id, number) in &delivered.alerts {
            if *seq <= last {
                faults.push(format!("{user}: seq {seq} came after {last}"));
            }
            last = *seq;
            if places.insert((user, id), *seq).is_some() {
                faults.push(format!("{user}: the alert {id} came twice"));
            }
            if !numbers.insert(number) {
                faults.push(format!("{user}: number {number} was stored twice"));
            }
        }
    }
    for promise in promises {
        match places.get(&(promise.user.as_str(), promise.id.as_str())) {
            None => faults.push(format!("{}: {} (seq {}) is lost", promise.user, promise.id, promise.seq)),
            Some(seq) if *seq != promise.seq => {
                faults.push(format!(
                    "{}: {} came as {seq}, promised as {}",
                    promise.user, promise.id, promise.seq
                ));
            }
            Some(_) => {}
        }
    }
    faults.truncate(20);
    faults
}

#[derive(Default)]
struct Ledger {
    promises: Mutex<Vec<Promise>>,
    delivered: Mutex<BTreeMap<String, Delivered>>,
    next: AtomicU64,
    accepted: AtomicU64,
    unanswered: AtomicU64,
    moved: Notify,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Publishes, kills, restarts, resumes, and audits.
pub async fn run(options: ChaosOptions) -> Report {
    let began = clock::now().instant;
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut process = Process::start(&[("BELFRY__LOG__LEVEL", "warn,belfry_server::cli=info")]);
    let (caller, ledger) = (process.caller(), Arc::new(Ledger::default()));

    let mut subscribers = JoinSet::new();
    let (live_tx, mut live_rx) = tokio::sync::mpsc::channel(USERS as usize);
    for user in (0..USERS).map(user_name) {
        subscribers.spawn(subscribe(caller.clone(), user, Arc::clone(&ledger), live_tx.clone()));
    }
    for _ in 0..USERS {
        crate::within("a live subscriber", live_rx.recv()).await;
    }

    let mut publishers = JoinSet::new();
    for _ in 0..options.in_flight {
        publishers.spawn(publish(caller.clone(), Arc::clone(&ledger), options.alerts));
    }
    let mut kills: Vec<u64> = (0..options.rounds).map(|_| random.u64(1..options.alerts.max(2))).collect();
    kills.sort_unstable();
    for at in &kills {
        // Counted in publishes begun, so that the end comes although kills cut many off.
        while ledger.next.load(Ordering::Relaxed) < *at {
            ledger.moved.notified().await;
        }
        process.kill();
        process.restart();
    }
    while publishers.join_next().await.is_some() {}
    let faults = settle(&ledger).await;
    drop(subscribers);

    // Counted in a statement of its own: the lock is held to a statement's end.
    let delivered = lock(&ledger.delivered).values().map(|delivered| delivered.alerts.len() as u64).sum();
    let faults = faults.into_iter().chain(inbox_faults(&caller, &ledger).await).collect();
    drop(process);
    Report {
        accepted: ledger.accepted.load(Ordering::Relaxed),
        unanswered: ledger.unanswered.load(Ordering::Relaxed),
        delivered,
        kills: options.rounds,
        took: clock::now().instant.saturating_duration_since(began),
        faults,
    }
}

fn user_name(number: u64) -> String {
    format!("user-{}", number % USERS)
}

/// Publishes until all are begun. A publish that was cut off is not repeated: without a key that would be another one.
async fn publish(caller: Caller, ledger: Arc<Ledger>, alerts: u64) {
    loop {
        let number = ledger.next.fetch_add(1, Ordering::Relaxed);
        ledger.moved.notify_one();
        if number >= alerts {
            return;
        }
        let user = user_name(number);
        let request = caller.as_back_end(http::Method::POST, "/v1/alerts").json(&numbered(&user, number));
        let answer = match request.send().await {
            Ok(response) if response.status() == 202 => response.json::<serde_json::Value>().await.ok(),
            _ => None,
        };
        let Some(answer) = answer else {
            ledger.unanswered.fetch_add(1, Ordering::Relaxed);
            until_up(&caller).await;
            continue;
        };
        let seq = answer["notifications"][0]["seq"].as_u64();
        let id = answer["id"].as_str().map(str::to_owned);
        let (Some(seq), Some(id)) = (seq, id) else { panic!("a 202 without seq or id: {answer}") };
        lock(&ledger.promises).push(Promise { user, seq, id, number });
        ledger.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

async fn until_up(caller: &Caller) {
    crate::eventually("the restarted server", || async {
        let answer = caller.http.get(caller.at("/healthz")).send().await;
        answer.ok().filter(|answer| answer.status() == 200).map(|_| ())
    })
    .await;
}

async fn subscribe(
    caller: Caller,
    user: String,
    ledger: Arc<Ledger>,
    live_tx: tokio::sync::mpsc::Sender<()>,
) {
    let backoff =
        Backoff { ladder: vec![Duration::from_millis(50)], offline_after: u32::MAX, ..Backoff::default() };
    let options = SubscriberOptions::new(caller.url.clone(), caller.token(&user)).backoff(backoff);
    let (_subscriber, mut events) = Subscriber::connect(options).expect("the address is valid");
    lock(&ledger.delivered).insert(user.clone(), Delivered::default());
    while let Some(event) = events.next().await {
        let mut all = lock(&ledger.delivered);
        let delivered = all.entry(user.clone()).or_default();
        match event {
            Event::Alert(item, _) => {
                let data: serde_json::Value = serde_json::from_str(item.data.get()).unwrap_or_default();
                let number = data["n"].as_u64().unwrap_or(u64::MAX);
                delivered.alerts.push((item.seq.0, item.id.to_string(), number));
            }
            Event::Reset(_) => delivered.resets += 1,
            Event::Connection(Connection::Live(_)) => {
                // Only the first one is waited for.
                let _ = live_tx.try_send(());
            }
            _ => {}
        }
    }
}

/// Waits until everything promised has come, or the deadline; what is left are the faults.
async fn settle(ledger: &Ledger) -> Vec<String> {
    let complete = async {
        loop {
            if audit(&lock(&ledger.promises), &lock(&ledger.delivered)).is_empty() {
                return;
            }
            // Between two looks; the deadline is below.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(SETTLE, complete).await;
    audit(&lock(&ledger.promises), &lock(&ledger.delivered))
}

/// The inbox holds what was delivered, no more and no less.
async fn inbox_faults(caller: &Caller, ledger: &Ledger) -> Vec<String> {
    let mut faults = Vec::new();
    for user in (0..USERS).map(user_name) {
        let items = caller.inbox(&user).await;
        let stored: BTreeSet<String> =
            items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
        let all = lock(&ledger.delivered);
        let delivered: BTreeSet<String> = all
            .get(&user)
            .into_iter()
            .flat_map(|delivered| delivered.alerts.iter().map(|(_, id, _)| id.clone()))
            .collect();
        if stored != delivered {
            let (missing, foreign) =
                (stored.difference(&delivered).count(), delivered.difference(&stored).count());
            faults.push(format!(
                "{user}: {missing} stored alerts were not delivered, {foreign} are not stored"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(seq: u64, id: &str) -> Promise {
        Promise { user: "ann".to_owned(), seq, id: id.to_owned(), number: seq }
    }

    fn delivered(alerts: &[(u64, &str)]) -> BTreeMap<String, Delivered> {
        let alerts = alerts.iter().map(|(seq, id)| (*seq, (*id).to_owned(), *seq)).collect();
        BTreeMap::from([("ann".to_owned(), Delivered { alerts, resets: 0 })])
    }

    #[test]
    fn the_audit_finds_what_is_lost_doubled_or_out_of_order() {
        let promises = [promise(1, "a"), promise(2, "b")];
        assert_eq!(audit(&promises, &delivered(&[(1, "a"), (2, "b")])), Vec::<String>::new());
        assert_eq!(audit(&promises, &delivered(&[(1, "a"), (2, "b"), (4, "unanswered")])).len(), 0);
        assert_eq!(audit(&promises, &delivered(&[(1, "a")])).len(), 1, "lost");
        assert_eq!(audit(&promises, &delivered(&[(2, "b"), (1, "a")])).len(), 1, "out of order");
        assert_eq!(audit(&promises, &delivered(&[(1, "b"), (2, "a")])).len(), 2, "renumbered");
        assert!(!audit(&promises, &delivered(&[(1, "a"), (2, "b"), (3, "b")])).is_empty(), "twice");
    }
}
