//! Several nodes and their engines, hurt one after the other under load, and the audit of what they promised: no alert
//! that was answered `202` is lost or shown twice, numbers have no gap, every node and every device counts the same, and
//! each ladder of somebody who is away ends once.

pub mod audit;
pub mod crowd;
mod harm;
mod ladders;
pub mod plan;

use crate::engines::Kind;
use crate::night_chaos::audit::{self as ladder_audit, Kill, MAILBOX};
use crate::night_chaos::weather::Weather;
use crate::night_chaos::{self, Owners};
use crate::nodes::{Nodes, name};
use crate::providers::{DEVICES, Providers};
use audit::{Inbox, Listed};
use belfry_server::clock;
use belfry_server::config::{Config, DatabaseUrl};
use crowd::{Crowd, Ledger, Load};
use plan::{Fault, Ground, Planned};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// No call to a provider begins with less of its lease left, in milliseconds.
const LEASE_LEFT_MIN: i64 = 20_000;
/// How long nothing is answered by providers before a node is killed: what is taken meanwhile it never learns of.
const HUSH: Duration = Duration::from_millis(300);

/// How much chaos.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// How many nodes.
    pub nodes: usize,
    /// What their bus is.
    pub bus: Kind,
    /// Of a node.
    pub lease: Duration,
    /// How long faults go on; `None`: until each kind of them was there once.
    pub over: Option<Duration>,
    /// People who are there.
    pub people: u64,
    /// People who are away, and get one alert each, with a ladder.
    pub away: u32,
    /// Alerts per second for those who are there.
    pub per_second: f64,
    /// Providers lose the answers that a node is killed over, and some more. What they took then comes again a minute
    /// later.
    pub hush: bool,
    /// How long all may take to be well again.
    pub settle: Duration,
    /// Decides about faults, their victims and their times.
    pub seed: u64,
    /// Where the nodes' logs are put.
    pub logs: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct ClusterReport {
    /// Alerts that were answered `202`.
    pub accepted: usize,
    /// Alerts on screens.
    pub shown: usize,
    /// Times that a device connected.
    pub connections: u64,
    /// Publishes that needed a second publisher's patience.
    pub given_up: u64,
    /// Pushes and mails that were taken.
    pub taken: usize,
    /// Of them, once more: beyond a dead node's lease, or after an answer that was lost.
    pub again: usize,
    /// What went wrong on purpose.
    pub harm: usize,
    /// From the first fault's second to the last look.
    pub took: Duration,
    /// How long it took after the last fault until all was well.
    pub settled_in: Duration,
    /// What was not as promised.
    pub faults: Vec<String>,
}

impl std::fmt::Display for ClusterReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, shown, connections, given_up, taken, again, harm, took, settled_in, faults } =
            self;
        write!(
            f,
            "{accepted} alerts accepted, {shown} shown on {} devices each over {connections} connections, {given_up} \
             publishes begun anew; {taken} pushes and mails taken, {again} of them once more; {harm} things went wrong \
             in {:.1} s, all was well {:.1} s after: {} faults",
            crowd::DEVICES,
            took.as_secs_f64(),
            settled_in.as_secs_f64(),
            faults.len()
        )?;
        faults.iter().take(20).try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Who is away, and those who reach them.
struct Away {
    providers: Providers,
    weather: Weather,
    people: Vec<String>,
    owners: Owners,
    publisher: JoinSet<()>,
    kills: Vec<Kill>,
}

/// Runs the plan under load, and audits. `say` is told each fault as it happens. `None`: an engine is not on this machine.
pub async fn run(options: ClusterOptions, say: impl Fn(&str)) -> Option<ClusterReport> {
    let mut nodes = Nodes::prepare(options.bus).await?;
    let mut away = move_in(&nodes, &options).await;
    nodes.start(options.nodes, &settings(&options, &away.providers)).await;
    let ledger = Arc::new(Ledger::default());
    let ground = Ground { nodes: options.nodes, bus: options.bus, lease: options.lease, over: options.over };
    let plan = plan::plan(options.seed, ground);
    let ends = plan.last().map(|last| last.at + last.lasts).unwrap_or_default();

    let mut crowd = Crowd::connect(&nodes, options.people, &ledger).await;
    let load = Load {
        people: options.people,
        back_ends: 4,
        per_second: options.per_second,
        seed: options.seed,
        attempts: 6,
    };
    crowd.publish(&nodes, load, &ledger).await;
    let (_way, caller) = nodes.way(0).await;
    away.publisher.spawn(night_chaos::publish(caller, away.people.clone(), ends));

    let began = clock::now().instant;
    let mut faults = Vec::new();
    for planned in &plan {
        tokio::time::sleep_until((began + planned.at).into()).await;
        say(&format!(
            "{:6.1} s  {}, for {:.1} s",
            seconds(planned.at),
            planned.fault,
            seconds(planned.lasts)
        ));
        if let Err(fault) = suffer(&mut nodes, *planned, &mut away, options.hush).await {
            faults.push(format!("{}: {fault}", planned.fault));
        }
    }
    ledger.end();
    let healed = clock::now().instant;
    crowd.back_ends_end().await;
    let report = settle(&nodes, &ledger, &mut away, &options).await;
    let now = clock::now().instant;
    keep_logs(&nodes, options.logs.as_deref());
    faults.extend(report.faults);
    Some(ClusterReport {
        connections: ledger.connections.load(Ordering::Relaxed),
        given_up: ledger.given_up.load(Ordering::Relaxed),
        harm: plan.len(),
        took: now.saturating_duration_since(began),
        settled_in: now.saturating_duration_since(healed),
        faults,
        ..report
    })
}

fn seconds(of: Duration) -> f64 {
    of.as_secs_f64()
}

/// A short temper, so that what takes minutes in production takes seconds here.
fn settings(options: &ClusterOptions, providers: &Providers) -> Vec<(String, String)> {
    let own = [
        ("CLUSTER__LEASE", format!("{}ms", options.lease.as_millis())),
        ("LIVE__HEARTBEAT_INTERVAL", "2s".to_owned()),
        ("LIVE__HEARTBEAT_TIMEOUT", "2s".to_owned()),
        ("LIVE__LINGER", "1s".to_owned()),
        ("BUS__PROBE_EVERY", "1s".to_owned()),
        ("BUS__PROBE_WITHIN", "1s".to_owned()),
        ("DATABASE__CONNECT_TIMEOUT", "2s".to_owned()),
        ("DRAIN__WINDOW", "500ms".to_owned()),
        ("LOG__LEVEL", "info".to_owned()),
    ];
    let own = own.into_iter().map(|(name, value)| (format!("BELFRY__{name}"), value));
    providers.settings().into_iter().chain(own).collect()
}

async fn move_in(nodes: &Nodes, options: &ClusterOptions) -> Away {
    let providers = Providers::start().await;
    let weather = if options.hush { Weather::new(options.seed) } else { Weather::fair(options.seed) };
    weather.clear(true);
    weather.over(&providers);
    let mut config = Config::default();
    config.database.url = DatabaseUrl::Postgres(SecretString::from(nodes.store.url()));
    let people: Vec<String> = (0..options.away).map(|number| format!("away-{number}")).collect();
    let owners = night_chaos::move_in(&providers, &config, &people).await;
    Away { providers, weather, people, owners, publisher: JoinSet::new(), kills: Vec::new() }
}

/// One fault from its begin to its end.
async fn suffer(nodes: &mut Nodes, planned: Planned, away: &mut Away, hush: bool) -> Result<(), String> {
    let fells_a_node =
        matches!(planned.fault, Fault::Killed(_) | Fault::PausedBriefly(_) | Fault::PausedBeyondItsLease(_));
    if fells_a_node && hush {
        away.weather.hush(true);
        // The end of a node's life as providers see it is what is being tried, not a condition to wait for.
        tokio::time::sleep(HUSH).await;
    }
    let begun = harm::begin(nodes, planned.fault).await;
    if fells_a_node {
        let kill = ladders::kill(&nodes.store.url()).await;
        away.kills.push(kill.map_err(|error| format!("PostgreSQL does not answer: {error}"))?);
        away.weather.hush(false);
    }
    // So is how long a fault lasts.
    tokio::time::sleep(planned.lasts).await;
    harm::end(nodes, planned.fault).await;
    begun
}

/// Waits until everything is as it should be, or the time is over; what is left are the faults.
async fn settle(
    nodes: &Nodes,
    ledger: &Arc<Ledger>,
    away: &mut Away,
    options: &ClusterOptions,
) -> ClusterReport {
    let deadline = clock::now().instant + options.settle;
    loop {
        let report = look(nodes, ledger, away, options).await;
        if report.faults.is_empty() || clock::now().instant >= deadline {
            return report;
        }
        // Between two looks; the deadline is above.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn look(nodes: &Nodes, ledger: &Ledger, away: &mut Away, options: &ClusterOptions) -> ClusterReport {
    let mut report = ClusterReport { accepted: ledger.promises().len(), ..ClusterReport::default() };
    report.faults = look_at_people(nodes, ledger, options.people).await;
    report.shown = ledger.shown();
    look_at_ladders(nodes, away, &mut report).await;
    report
}

/// What is not as it was promised to those who are there.
pub(crate) async fn look_at_people(nodes: &Nodes, ledger: &Ledger, people: u64) -> Vec<String> {
    let promises = ledger.promises();
    let mut faults = ledger.objections();
    faults.extend(ledger.with_delivered(|delivered| audit::screens(&promises, delivered)));
    for user in (0..people).map(crowd::person) {
        match inbox(nodes, ledger, &user).await {
            Ok(inbox) => faults.extend(audit::list(&user, &inbox, &promises, &ledger.reads(&user))),
            Err(fault) => faults.push(format!("{user}: {fault}")),
        }
    }
    faults
}

/// A person's list by one node, and the counts of all of them.
async fn inbox(nodes: &Nodes, ledger: &Ledger, user: &str) -> Result<Inbox, String> {
    let mut inbox = Inbox::default();
    let mut before = String::new();
    loop {
        let page = get(nodes, 0, user, &format!("/v1/inbox?limit=200{before}")).await?;
        let items = page["items"].as_array().into_iter().flatten();
        let (all, own): (Vec<&Value>, Vec<&Value>) = items.partition(|item| item["stream"] == "all");
        inbox.announcements += all.len() as u64;
        inbox.items.extend(own.into_iter().map(listed));
        if before.is_empty() {
            let head = page["complete_to"].as_str().and_then(|cursor| cursor.split('.').nth(1));
            inbox.head = head.and_then(|head| head.parse().ok()).ok_or("a page has a cursor")?;
        }
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    for number in 0..nodes.nodes.len() {
        let count = get(nodes, number, user, "/v1/inbox/unread-count").await?;
        inbox.unread.push(count["unread"].as_u64().ok_or("a count is a number")?);
    }
    inbox.shown = (0..crowd::DEVICES).map(|place| ledger.unread(&crowd::device(user, place))).collect();
    Ok(inbox)
}

fn listed(item: &Value) -> Listed {
    let number = |field: &str| item[field].as_u64().unwrap_or_default();
    Listed {
        id: item["id"].as_str().unwrap_or_default().to_owned(),
        seq: number("seq"),
        version: number("version"),
        read: item["state"]["read"] == true,
    }
}

async fn get(nodes: &Nodes, node: usize, user: &str, path: &str) -> Result<Value, String> {
    let request = nodes.nodes[node].process.as_user(user, http::Method::GET, path);
    let answer = request.timeout(Duration::from_secs(5)).send().await;
    let answer = answer.map_err(|error| format!("{} does not answer: {error}", name(node)))?;
    match answer.status().as_u16() {
        200 => answer.json().await.map_err(|error| format!("{} breaks off: {error}", name(node))),
        status => Err(format!("{} answers {path} with {status}", name(node))),
    }
}

async fn look_at_ladders(nodes: &Nodes, away: &mut Away, report: &mut ClusterReport) {
    while away.publisher.try_join_next().is_some() {}
    if !away.publisher.is_empty() {
        return report.faults.push("not everybody who is away was published to".to_owned());
    }
    let night = match ladders::read(&nodes.store.url()).await {
        Ok(night) => night,
        Err(error) => return report.faults.push(format!("ladders cannot be read: {error}")),
    };
    let (_, taken) = night_chaos::heard(&away.providers, &away.weather, &away.owners, &away.kills);
    let devices: Vec<&str> = DEVICES.into_iter().chain([MAILBOX]).collect();
    let faults = ladder_audit::faults(&night, (&[], &taken), &away.kills, (&away.people, &devices));
    report.faults.extend(faults);
    report.faults.extend(audit::taken_twice(&taken, &away.kills, LEASE_LEFT_MIN));
    let addresses: BTreeSet<(&str, &str)> =
        taken.iter().map(|one| (one.user.as_str(), one.device.as_str())).collect();
    report.taken = taken.len();
    report.again = taken.len() - addresses.len();
}

fn keep_logs(nodes: &Nodes, folder: Option<&std::path::Path>) {
    let Some(folder) = folder else { return };
    std::fs::create_dir_all(folder).expect("the folder for logs can be made");
    for (number, node) in nodes.nodes.iter().enumerate() {
        std::fs::write(folder.join(format!("{}.log", name(number))), node.process.output())
            .expect("the folder for logs can be written to");
    }
}
