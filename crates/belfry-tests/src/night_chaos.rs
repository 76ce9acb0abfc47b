//! A night of bad providers in which the server is killed again and again, and the audit of what it promised: each
//! (notification, address) ends in exactly one way, and none is lost. What a provider took twice it took because the
//! first answer was lost, on its way or with a killed server, whose lease had run out by then; and both carry the same
//! collapse id or `Message-ID`.

pub mod audit;
pub mod weather;

use crate::caller::Caller;
use crate::house::time_passes;
use crate::process::Process;
use crate::providers::{Addresses, DEVICES, Providers};
use audit::{Heard, Kill, MAILBOX, Night, Taken};
use belfry_server::clock;
use belfry_server::config::Config;
use belfry_store::Store;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use weather::{Call, Weather};

/// How long nothing is answered before the server is killed: what is taken meanwhile it never learns of.
const HUSH: Duration = Duration::from_millis(300);
/// How much of a lease passes while a server is down whose waits are skipped: some of it is left.
const MOST_OF_A_LEASE: Duration = Duration::from_secs(58);

/// How bad a night.
#[derive(Debug, Clone, Copy)]
pub struct NightOptions {
    /// People, each with three devices, a mailbox and one alert.
    pub people: u32,
    /// How often the server is killed.
    pub kills: usize,
    /// How long it lives at most before it is killed.
    pub life: Duration,
    /// Leases and retries are not waited for: stored times are moved while the server is down.
    pub skip_waits: bool,
    /// How long the night may take once the providers are well again.
    pub settle: Duration,
    /// Decides about addresses that are gone, what becomes of each call, and when the server is killed.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct NightReport {
    /// Pairs of notification and address.
    pub addresses: usize,
    /// Of them, those that their provider took.
    pub accepted: usize,
    /// Taken once more after a kill had cut the answer off, beyond the lease.
    pub after_kills: usize,
    /// Taken once more because the answer was lost on its way.
    pub unanswered: usize,
    /// Of both, mails.
    pub mails_again: usize,
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
        let Self { addresses, accepted, after_kills, unanswered, mails_again, calls, kills, took, faults } =
            self;
        write!(
            f,
            "{addresses} addresses, {calls} calls, {accepted} accepted; taken once more: {after_kills} beyond the lease \
             of a killed server and {unanswered} after an answer that was lost, {mails_again} of both mails; {kills} \
             kills, in {:.1} s: {} faults",
            took.as_secs_f64(),
            faults.len()
        )?;
        faults.iter().take(20).try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// One night.
pub async fn run(options: NightOptions) -> NightReport {
    let began = clock::now().instant;
    let mut random = fastrand::Rng::with_seed(options.seed);
    let providers = Providers::start().await;
    let weather = Weather::new(options.seed);
    weather.over(&providers);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("data");
    let people: Vec<String> = (0..options.people).map(|number| format!("user-{number}")).collect();
    std::fs::create_dir_all(&data_dir).expect("a folder in a temporary directory");
    let mut config = Config::default();
    config.server.data_dir = data_dir.clone();
    let owners = move_in(&providers, &config, &people).await;
    let settings = providers.settings();
    let mut settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("BELFRY__LOG__LEVEL", "error,belfry_server::cli=info"));
    let mut process = Process::on(dir, data_dir.clone(), &settings);

    let mut publisher = JoinSet::new();
    publisher.spawn(publish(process.caller(), people.clone(), options.life));
    let mut kills = Vec::new();
    for kill in 1..=options.kills {
        let life = options.life.mul_f64(0.4 + 0.6 * random.f64());
        // How long a life lasts is what is being tried, not a condition to wait for.
        tokio::time::sleep(life.saturating_sub(HUSH)).await;
        weather.hush(true);
        // The same: the end of it.
        tokio::time::sleep(HUSH).await;
        process.kill();
        silence(&weather).await;
        weather.hush(false);
        if options.skip_waits {
            time_passes(&data_dir, MOST_OF_A_LEASE);
            // Calls that nobody answers have been cut: no later one hangs for its fifteen seconds.
            weather.clear(kill == options.kills);
        }
        let leases = audit::leases(&data_dir).expect("a dead server's store can be read");
        kills.push(Kill { at: clock::now().unix_ms().0, leases });
        process.restart();
    }
    publisher.join_all().await;
    weather.clear(true);
    let night = settle(&mut process, &data_dir, options).await;

    let (heard, taken) = heard(&providers, &weather, &owners, &kills);
    let mut faults = match night {
        Some(night) => {
            let devices: Vec<&str> = DEVICES.into_iter().chain([MAILBOX]).collect();
            audit::faults(&night, (&heard, &taken), &kills, (&people, &devices))
        }
        None => vec!["the night did not come to its end".to_owned()],
    };
    let violations = providers.web_push.violations().into_iter().chain(providers.smtp.violations());
    faults.extend(violations.map(|violation| format!("a provider objects: {violation}")));
    let again = audit::again(&taken, &kills);
    NightReport {
        addresses: people.len() * (DEVICES.len() + 1),
        accepted: taken.len() - again.after_kills.len() - again.unanswered.len(),
        mails_again: again.of(MAILBOX),
        after_kills: again.after_kills.len(),
        unanswered: again.unanswered.len(),
        calls: heard.len(),
        kills: options.kills,
        took: clock::now().instant.saturating_duration_since(began),
        faults,
    }
}

/// Whose each address is.
pub type Owners = HashMap<String, (String, &'static str)>;

/// Gives each of these people three devices and a mailbox, in a store that no server has open.
pub async fn move_in(providers: &Providers, config: &Config, people: &[String]) -> Owners {
    let opened = Store::open(config.store_options(), clock::now().unix_ms()).await;
    let store = opened.expect("a new store opens");
    let mut owners = Owners::new();
    for (number, user) in people.iter().enumerate() {
        let number = u32::try_from(number).expect("people are counted in 32 bits");
        let Addresses { fcm, apns, web_push } = providers.settle(&store, user, number).await;
        let mailbox = format!("{user}@example.com");
        for (address, device) in
            [(fcm, "android"), (web_push.id, "browser"), (apns, "iphone"), (mailbox, MAILBOX)]
        {
            owners.insert(address, (user.clone(), device));
        }
    }
    store.close().await.expect("the store closes");
    owners
}

/// Publishes to each person once, however often it takes: the key makes a repetition harmless.
pub(crate) async fn publish(caller: Caller, people: Vec<String>, over: Duration) {
    let pause = over / u32::try_from(people.len()).unwrap_or(u32::MAX).max(1);
    for user in people {
        let ladder = json!([{"channel": "push", "wait": "2s", "until": "seen"}, {"channel": "email"}]);
        let body = json!({
            "to": {"user": user}, "kind": "deal", "title": "Milk", "data": {"for": user}, "ladder": ladder
        });
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

/// Waits until what a dead server had sent has been read.
async fn silence(weather: &Weather) {
    let count = || weather.calls().values().map(Vec::len).sum::<usize>();
    let (mut before, mut same) = (count(), 0);
    while same < 5 {
        // Between two looks.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = count();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
}

/// Everything that providers heard, and of that what they took, with the name it went under.
pub(crate) fn heard(
    providers: &Providers,
    weather: &Weather,
    owners: &Owners,
    kills: &[Kill],
) -> (Vec<Heard>, Vec<Taken>) {
    let owner = |address: &str| {
        let (user, device) = owners.get(address).cloned().unwrap_or((address.to_owned(), "unknown"));
        (user, device.to_owned())
    };
    let calls = weather.calls();
    let killed_before = |call: &Call| kills.iter().filter(|kill| kill.at <= call.at).count();
    let mut heard = Vec::new();
    for (address, calls) in &calls {
        let (user, device) = owner(address);
        heard.extend(calls.iter().map(|call| Heard {
            user: user.clone(),
            device: device.clone(),
            at: call.at,
            kills: killed_before(call),
        }));
    }
    let taking = |(address, calls): (String, Vec<Call>)| {
        (address, calls.into_iter().filter(|call| call.took).collect::<VecDeque<Call>>())
    };
    let mut taking: HashMap<String, VecDeque<Call>> = calls.into_iter().map(taking).collect();
    let mut taken = Vec::new();
    for (address, tag) in names(providers) {
        let (user, device) = owner(&address);
        // One that the weather let through unseen would count as known to the server, and come again as a fault.
        let call = taking.get_mut(&address).and_then(VecDeque::pop_front);
        let call = call.unwrap_or(Call { at: 0, took: true, answered: true });
        taken.push(Taken {
            user,
            device,
            tag,
            at: call.at,
            kills: killed_before(&call),
            answered: call.answered,
        });
    }
    (heard, taken)
}

/// Addresses and collapse ids of all that was taken, in the order of each address.
fn names(providers: &Providers) -> Vec<(String, String)> {
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
    let mails = providers.smtp.mails().into_iter().map(|mail| {
        let id = mail.message_id().unwrap_or_default();
        let tag = id.split('@').next().unwrap_or_default().to_owned();
        (mail.to.join(" "), tag)
    });
    fcm.chain(apns).chain(web_push).chain(mails).collect()
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
