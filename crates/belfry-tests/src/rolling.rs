//! A rolling restart under load: node after node ends gently and starts again, while everybody is connected and back ends
//! publish. Nothing is lost, nobody comes back in a herd, and no publish needs more than one second try.

mod light;

use crate::cluster_chaos::crowd::{Crowd, Ledger, Load};
use crate::cluster_chaos::look_at_people;
use crate::engines::Kind;
use crate::nodes::{Nodes, name};
use belfry_server::clock;
use light::{Crew, Light};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two alerts for everyone.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// How many plain connections are made at the same time.
const CONNECTING: usize = 64;

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct RollingOptions {
    /// Plain connections, each of a person of its own.
    pub connections: usize,
    /// People with two whole subscribers each, whose screens are audited.
    pub people: u64,
    /// Alerts per second for these.
    pub per_second: f64,
    /// `drain.window` of each node.
    pub window: Duration,
    /// How long all may take to be back and complete after one restart.
    pub settle: Duration,
}

/// One node's restart.
#[derive(Debug, Clone, Default)]
pub struct Restart {
    /// How many plain connections it had.
    pub had: usize,
    /// How many came back in each second after its signal, anywhere.
    pub per_second: Vec<usize>,
    /// From its signal to its end.
    pub ended_in: Duration,
    /// From its signal until all were connected again.
    pub whole_in: Duration,
}

impl Restart {
    /// The most that came in one second.
    pub fn peak(&self) -> usize {
        self.per_second.iter().copied().max().unwrap_or(0)
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct RollingReport {
    /// Each node's restart, in their order.
    pub restarts: Vec<Restart>,
    /// Alerts for people that were answered `202`.
    pub accepted: usize,
    /// Alerts for everyone.
    pub announced: usize,
    /// Of those, on plain connections.
    pub heard: usize,
    /// Publishes that needed more than one second try.
    pub given_up: u64,
    /// The longest that a publish took.
    pub longest: Duration,
    /// What was not as promised.
    pub faults: Vec<String>,
}

impl std::fmt::Display for RollingReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, restart) in self.restarts.iter().enumerate() {
            writeln!(
                f,
                "{} with {} connections ended in {:.1} s, all were back in {:.1} s, at most {} in a second: {:?}",
                name(number),
                restart.had,
                restart.ended_in.as_secs_f64(),
                restart.whole_in.as_secs_f64(),
                restart.peak(),
                restart.per_second
            )?;
        }
        let Self { accepted, announced, heard, given_up, longest, faults, .. } = self;
        write!(
            f,
            "{accepted} alerts to people, {announced} to everyone, heard {heard} times; {given_up} publishes needed a \
             third try, the longest took {} ms: {} faults",
            longest.as_millis(),
            faults.len()
        )?;
        faults.iter().take(20).try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Restarts each of three nodes in turn. `None`: an engine is not on this machine.
pub async fn run(options: RollingOptions, say: impl Fn(&str)) -> Option<RollingReport> {
    let mut nodes = Nodes::prepare(Kind::Redis).await?;
    let window = format!("{}ms", options.window.as_millis());
    let settings = [("DRAIN__WINDOW", window.as_str()), ("LOG__LEVEL", "warn,belfry_server::cli=info")];
    let mut settings = settings.map(|(name, value)| (format!("BELFRY__{name}"), value.to_owned())).to_vec();
    // Without cables: thousands of clients are in this process, and what nodes say to their store should not be behind them.
    settings.push(("BELFRY_DATABASE_URL".to_owned(), nodes.store.url()));
    settings.extend(nodes.bus.as_ref().map(|bus| ("BELFRY_BUS_URL".to_owned(), bus.url())));
    nodes.start(3, &settings).await;
    let ledger = Arc::new(Ledger::default());
    let mut crowd = Crowd::connect(&nodes, options.people, &ledger).await;
    let crew = Arc::new(Crew::default());
    let mut lights = connect(&nodes, options.connections, &crew).await;
    say(&format!("{} plain connections are made: {:?} at each node", options.connections, crew.at()));

    // One more try than the first, and no further patience.
    let (people, per_second) = (options.people, options.per_second);
    let load = Load { people, back_ends: 4, per_second, seed: 0, attempts: 2 };
    crowd.publish(&nodes, load, &ledger).await;
    let (_way, caller) = nodes.way(0).await;
    let announcing = Arc::clone(&ledger);
    let mut announcer = JoinSet::new();
    announcer.spawn(async move {
        let mut announced = Vec::new();
        while !announcing.is_over() {
            let alert = json!({"to": {"everyone": true}, "kind": "news", "title": "News", "data": {}});
            let key = format!("news-{}", announced.len());
            let request = caller.as_back_end(http::Method::POST, "/v1/alerts").header("Idempotency-Key", key);
            let answer = request.json(&alert).send().await.ok().filter(|answer| answer.status() == 202);
            let Some(answer) = answer else { continue };
            let answer: serde_json::Value = answer.json().await.unwrap_or_default();
            announced.extend(answer["id"].as_str().map(str::to_owned));
            // The rate of the load.
            tokio::time::sleep(ANNOUNCE_EVERY).await;
        }
        announced
    });

    let mut report = RollingReport::default();
    for number in 0..nodes.nodes.len() {
        match restart(&mut nodes, number, &crew, options).await {
            Ok(restart) => report.restarts.push(restart),
            Err(fault) => report.faults.push(format!("{}: {fault}", name(number))),
        }
        say(&format!("{} is back: {:?} at each node", name(number), crew.at()));
    }
    ledger.end();
    crowd.back_ends_end().await;
    let announced = announcer.join_next().await.expect("it was spawned").expect("it does not panic");
    let faults = settle(&nodes, &ledger, (&crew, &announced), options).await;
    lights.shutdown().await;
    report.faults.extend(faults);
    Some(RollingReport {
        accepted: ledger.promises().len(),
        announced: announced.len(),
        heard: crew.heard(&announced),
        given_up: ledger.given_up.load(Ordering::Relaxed),
        longest: Duration::from_millis(ledger.longest_ms.load(Ordering::Relaxed)),
        ..report
    })
}

async fn connect(nodes: &Nodes, count: usize, crew: &Arc<Crew>) -> JoinSet<()> {
    let (addresses, caller) = (nodes.addresses(), nodes.nodes[0].process.caller());
    let mut lights = JoinSet::new();
    for number in 0..count {
        // So many at a time: a queue of connections that nobody accepts yet has its end.
        while crew.connected() + CONNECTING <= number {
            // Between two looks; the run as a whole has a deadline.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let user = format!("plain-{number}");
        let token = caller.token(&user);
        let light = Light { number, token, addresses: addresses.clone(), crew: Arc::clone(crew) };
        lights.spawn(light.run());
    }
    crate::eventually("all plain connections", || async { (crew.connected() == count).then_some(()) }).await;
    lights
}

async fn restart(
    nodes: &mut Nodes,
    number: usize,
    crew: &Crew,
    options: RollingOptions,
) -> Result<Restart, String> {
    let had = crew.at()[number];
    let process = &mut nodes.nodes[number].process;
    let began = clock::now().instant;
    crew.count_from(began);
    process.terminate();
    let status = process.ended_within(options.window * 2 + options.settle).await;
    let ended_in = clock::now().instant.saturating_duration_since(began);
    process.restart();
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    while crew.connected() < options.connections {
        if clock::now().instant > began + options.settle {
            return Err(format!("{} of {} came back", crew.connected(), options.connections));
        }
        // Between two looks; the deadline is above.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let whole_in = clock::now().instant.saturating_duration_since(began);
    Ok(Restart { had, per_second: crew.returned(), ended_in, whole_in })
}

async fn settle(
    nodes: &Nodes,
    ledger: &Ledger,
    (crew, announced): (&Crew, &[String]),
    options: RollingOptions,
) -> Vec<String> {
    let deadline = clock::now().instant + options.settle;
    loop {
        let mut faults = look_at_people(nodes, ledger, options.people).await;
        let (heard, due) = (crew.heard(announced), announced.len() * options.connections);
        if heard != due {
            faults.push(format!("of {due} alerts for everyone on plain connections {heard} came"));
        }
        faults.extend(crew.objections());
        if faults.is_empty() || clock::now().instant >= deadline {
            return faults;
        }
        // Between two looks; the deadline is above.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
