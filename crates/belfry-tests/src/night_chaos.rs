//! A night of bad providers in which the server is killed again and again, and the audit of what it promised: each
//! (notification, address) ends in exactly one way, none is lost, and what a provider took twice it took after a kill,
//! under the same collapse id.

pub mod audit;

use crate::caller::Caller;
use crate::fakes::{answer, apns, fcm, http2};
use crate::house::time_passes;
use crate::process::Process;
use crate::providers::{Addresses, DEVICES, Providers};
use audit::{Night, Taken};
use belfry_server::clock;
use belfry_server::config::Config;
use belfry_store::Store;
use serde_json::json;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How bad a night.
#[derive(Debug, Clone, Copy)]
pub struct NightOptions {
    /// People, each with three devices and one alert.
    pub people: u32,
    /// How often the server is killed.
    pub kills: usize,
    /// How long it lives at most before it is killed.
    pub life: Duration,
    /// Leases and retries are not waited for: stored times are moved while the server is down.
    pub skip_waits: bool,
    /// How long the night may take once the providers are well again.
    pub settle: Duration,
    /// Decides about phones that are gone, and when the server is killed.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct NightReport {
    /// Pairs of notification and address.
    pub addresses: usize,
    /// Legs that their provider took.
    pub accepted: usize,
    /// Pushes that were taken once more after a kill.
    pub repeated: usize,
    /// Calls that providers heard.
    pub calls: usize,
    /// How often the server was killed.
    pub kills: usize,
    /// How long it took.
    pub took: Duration,
    /// What was not as promised.
    pub faults: Vec<String>,
}

impl std::fmt::Display for NightReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { addresses, accepted, repeated, calls, kills, took, faults } = self;
        write!(
            f,
            "{addresses} addresses, {calls} calls, {accepted} accepted, {repeated} of them once more after one of \
             {kills} kills, in {:.1} s: {} faults",
            took.as_secs_f64(),
            faults.len()
        )?;
        faults.iter().take(20).try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// What a provider does with a push.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Busy,
    Broken,
    Gone,
    Silent,
}

#[derive(Debug, Clone)]
struct Weather {
    clear: Arc<AtomicBool>,
    seed: u64,
}

impl Weather {
    /// Some phones are gone, always the same ones; everything else is chance, until the weather clears.
    fn trouble(&self, address: &str) -> Option<Trouble> {
        let mut hasher = DefaultHasher::new();
        (self.seed, address).hash(&mut hasher);
        if hasher.finish().is_multiple_of(10) {
            return Some(Trouble::Gone);
        }
        if self.clear.load(Ordering::Relaxed) {
            return None;
        }
        match fastrand::u32(0..100) {
            0..3 => Some(Trouble::Busy),
            3..40 => Some(Trouble::Broken),
            40..48 => Some(Trouble::Silent),
            _ => None,
        }
    }

    fn over(&self, providers: &Providers) {
        let weather = self.clone();
        providers.fcm.script(move |message| {
            Some(match weather.trouble(&message.target)? {
                Trouble::Busy => {
                    fcm::error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", Some("QUOTA_EXCEEDED"))
                }
                Trouble::Broken => fcm::error(500, "INTERNAL", "Internal error", Some("INTERNAL")),
                Trouble::Gone => {
                    fcm::error(404, "NOT_FOUND", "Requested entity was not found.", Some("UNREGISTERED"))
                }
                Trouble::Silent => http2::Act::Hang,
            })
        });
        let weather = self.clone();
        providers.apns.script(move |push| {
            Some(match weather.trouble(&push.token)? {
                Trouble::Busy => apns::reason(429, "TooManyRequests"),
                Trouble::Broken => apns::reason(500, "InternalServerError"),
                Trouble::Gone => apns::gone("Unregistered", clock::now().at),
                Trouble::Silent => http2::Act::Hang,
            })
        });
        let weather = self.clone();
        providers.web_push.script(move |subscription| {
            Some(match weather.trouble(subscription)? {
                Trouble::Busy => answer::Act::status(429, ""),
                Trouble::Broken => answer::Act::status(500, ""),
                Trouble::Gone => answer::Act::status(410, ""),
                Trouble::Silent => answer::Act::Hang,
            })
        });
    }
}

/// One night.
pub async fn run(options: NightOptions) -> NightReport {
    let began = clock::now().instant;
    let mut random = fastrand::Rng::with_seed(options.seed);
    let providers = Providers::start().await;
    let weather = Weather { clear: Arc::default(), seed: options.seed };
    weather.over(&providers);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("data");
    let people: Vec<String> = (0..options.people).map(|number| format!("user-{number}")).collect();
    let owners = move_in(&providers, &data_dir, &people).await;
    let settings = providers.settings();
    let mut settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("BELFRY__LOG__LEVEL", "error,belfry_server::cli=info"));
    let mut process = Process::on(dir, data_dir.clone(), &settings);

    let mut publisher = JoinSet::new();
    publisher.spawn(publish(process.caller(), people.clone(), options.life));
    // How many pushes each provider had taken at each kill.
    let mut marks = Vec::new();
    for kill in 1..=options.kills {
        let life = options.life.mul_f64(0.4 + 0.6 * random.f64());
        // How long a life lasts is what is being tried, not a condition to wait for.
        tokio::time::sleep(life).await;
        process.kill();
        marks.push(silence(&providers).await);
        if options.skip_waits {
            time_passes(&data_dir, Duration::from_secs(90));
            // Calls that nobody answers have been cut: no later one hangs for its fifteen seconds.
            weather.clear.store(kill == options.kills, Ordering::Relaxed);
        }
        process.restart();
    }
    publisher.join_all().await;
    weather.clear.store(true, Ordering::Relaxed);
    let night = settle(&mut process, &data_dir, options).await;

    let taken = taken(&providers, &owners, &marks);
    let mut faults = match night {
        Some(night) => audit::faults(&night, &taken, &people, &DEVICES),
        None => vec!["the night did not come to its end".to_owned()],
    };
    faults.extend(
        providers.web_push.violations().into_iter().map(|violation| format!("Web Push: {violation}")),
    );
    let distinct: std::collections::HashSet<(&str, &str)> =
        taken.iter().map(|push| (push.user.as_str(), push.device.as_str())).collect();
    NightReport {
        addresses: people.len() * DEVICES.len(),
        accepted: distinct.len(),
        repeated: taken.len() - distinct.len(),
        calls: providers.fcm.read().len() + providers.apns.read().len() + providers.web_push.requests(),
        kills: options.kills,
        took: clock::now().instant.saturating_duration_since(began),
        faults,
    }
}

/// Whose each address is.
type Owners = HashMap<String, (String, &'static str)>;

async fn move_in(providers: &Providers, data_dir: &Path, people: &[String]) -> Owners {
    std::fs::create_dir_all(data_dir).expect("a folder in a temporary directory");
    let mut config = Config::default();
    config.server.data_dir = data_dir.to_owned();
    let opened = Store::open(config.store_options(), clock::now().unix_ms()).await;
    let store = opened.expect("a new store opens");
    let mut owners = Owners::new();
    for (number, user) in people.iter().enumerate() {
        let number = u32::try_from(number).expect("people are counted in 32 bits");
        let Addresses { fcm, apns, web_push } = providers.settle(&store, user, number).await;
        for (address, device) in [(fcm, "android"), (web_push.id, "browser"), (apns, "iphone")] {
            owners.insert(address, (user.clone(), device));
        }
    }
    store.close().await.expect("the store closes");
    owners
}

/// Publishes to each person once, however often it takes: the key makes a repetition harmless.
async fn publish(caller: Caller, people: Vec<String>, over: Duration) {
    let pause = over / u32::try_from(people.len()).unwrap_or(u32::MAX).max(1);
    for user in people {
        let body = json!({"to": {"user": user}, "kind": "deal", "title": "Milk", "data": {"for": user}});
        loop {
            let request = caller
                .as_back_end(http::Method::POST, "/v1/alerts")
                .header("Idempotency-Key", &user)
                .timeout(Duration::from_secs(5));
            match request.json(&body).send().await {
                Ok(answer) if answer.status() == 202 => break,
                // Killed, or not up again.
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        // The rate of the load.
        tokio::time::sleep(pause).await;
    }
}

fn counts(providers: &Providers) -> [usize; 3] {
    [providers.fcm.taken().len(), providers.apns.taken().len(), providers.web_push.pushes().len()]
}

/// Waits until what a dead server had sent has been read.
async fn silence(providers: &Providers) -> [usize; 3] {
    let (mut before, mut same) = (counts(providers), 0);
    while same < 5 {
        // Between two looks.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = counts(providers);
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    before
}

/// Everything that was taken, with whose it was and how often the server had been killed by then.
fn taken(providers: &Providers, owners: &Owners, marks: &[[usize; 3]]) -> Vec<Taken> {
    let fcm = providers.fcm.taken().into_iter().map(|message| {
        let tag = message.message["android"]["notification"]["tag"].as_str().unwrap_or_default().to_owned();
        (message.target, tag)
    });
    let apns = providers.apns.taken().into_iter().map(|push| {
        let tag = push.header("apns-collapse-id").to_owned();
        (push.token, tag)
    });
    let web_push = providers.web_push.pushes().into_iter();
    let web_push = web_push.map(|push| (push.subscription, push.topic.unwrap_or_default()));
    let all: [Vec<(String, String)>; 3] = [fcm.collect(), apns.collect(), web_push.collect()];
    let mut taken = Vec::new();
    for (provider, pushes) in all.into_iter().enumerate() {
        for (index, (address, tag)) in pushes.into_iter().enumerate() {
            let kills = marks.iter().filter(|mark| mark[provider] <= index).count();
            let (user, device) = owners.get(&address).cloned().unwrap_or((address, "unknown"));
            taken.push(Taken { user, device: device.to_owned(), tag, kills });
        }
    }
    taken
}

/// Waits until nothing is left to be done; `None`: that never came.
async fn settle(process: &mut Process, data_dir: &Path, options: NightOptions) -> Option<Night> {
    let deadline: Instant = clock::now().instant + options.settle;
    while clock::now().instant < deadline {
        let night = audit::read(data_dir).expect("the store can be read beside its server");
        if audit::is_over(&night, options.people as usize) {
            return Some(night);
        }
        if options.skip_waits && audit::idle(data_dir).expect("the store can be read beside its server") {
            process.terminate();
            process.ended().await;
            time_passes(data_dir, Duration::from_secs(1_600));
            process.restart();
        }
        // Between two looks; the deadline is above.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
