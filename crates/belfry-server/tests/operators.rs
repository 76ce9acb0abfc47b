//! What operators do when alerts do not get out of the house: by the API, and by the command line that calls it.

use belfry_channels::{Action, Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::device::PushAddress;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{Provider, UserId};
use belfry_server::app::App;
use belfry_server::clock;
use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Config, Mode, Scope};
use belfry_store::NewDevice;
use futures_util::future::{BoxFuture, FutureExt};
use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// May do everything.
const KEY: &str = "bk_0123456789abcdef0123456789abcdef";
/// May publish.
const PUBLISHER: &str = "bk_fedcba9876543210fedcba9876543210";
/// Ann's phone, which nobody is shown.
const TOKEN: &str = "the-whole-token-of-the-phone-of-ann-x7Qk2A";

type Answer = Result<Receipt, SendError>;

/// A provider whose answer the test chooses, and which counts what it accepted.
#[derive(Debug, Clone)]
struct Provided {
    provider: Provider,
    answer: Arc<Mutex<Answer>>,
    accepted: Arc<Mutex<u32>>,
}

impl Provided {
    fn new(provider: Provider, answer: Answer) -> Self {
        Self { provider, answer: Arc::new(Mutex::new(answer)), accepted: Arc::default() }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    fn accepted(&self) -> u32 {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for Provided {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn send<'a>(&'a self, _: &'a Notice, _: &'a Address, _: Timestamp) -> BoxFuture<'a, Answer> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) += u32::from(answer.is_ok());
        std::future::ready(answer).boxed()
    }

    fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        std::future::ready(Ok(String::new())).boxed()
    }
}

fn accepts() -> Answer {
    Ok(Receipt { said: "Ok: queued".to_owned(), ..Receipt::default() })
}

fn refuses() -> Answer {
    Err(SendError::new(Action::Rejected, "INVALID_ARGUMENT", "The message is too big."))
}

fn misconfigured() -> Answer {
    Err(SendError::new(Action::Misconfigured, "SENDER_ID_MISMATCH", "SenderId mismatch"))
}

struct House {
    app: App,
    url: String,
    push: Provided,
    mail: Provided,
    http: reqwest::Client,
    dir: tempfile::TempDir,
    _served: JoinSet<std::io::Result<()>>,
}

fn config(dir: &Path) -> Config {
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.data_dir = dir.to_owned();
    config.live.linger_after_start = Duration::ZERO;
    let key = |name: &str, scopes: &[Scope], key: &str| ApiKeyOptions {
        name: name.to_owned(),
        scopes: scopes.to_vec(),
        secret: ApiKeySecret::Plain(SecretString::from(key)),
    };
    config.api_keys = vec![key("all", &Scope::ALL, KEY), key("publisher", &[Scope::Publish], PUBLISHER)];
    config
}

async fn house(push: Answer, mail: Answer) -> House {
    house_in(tempfile::tempdir().expect("a temporary directory"), push, mail).await
}

async fn house_in(dir: tempfile::TempDir, push: Answer, mail: Answer) -> House {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (push, mail) = (Provided::new(Provider::Fcm, push), Provided::new(Provider::Smtp, mail));
    let ways: Vec<Arc<dyn Channel>> = vec![Arc::new(push.clone()), Arc::new(mail.clone())];
    let app = Box::pin(App::open_with(config(dir.path()), ways)).await.expect("the house opens");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let router = app.router();
    let mut served = JoinSet::new();
    served.spawn(async move { axum::serve(listener, router).await });
    House { app, url, push, mail, http: reqwest::Client::new(), dir, _served: served }
}

impl House {
    async fn settle_in(&self, id: &str) {
        let (store, now) = (&self.app.services().store, clock::now().unix_ms());
        let user: UserId = id.parse().expect("is an id");
        let profile = UserProfile { email: Some(format!("{id}@example.com")), ..UserProfile::default() };
        store.put_user(&user, profile, now).await.expect("is stored");
        let mut address_hash = [0; 32];
        address_hash[..id.len()].copy_from_slice(id.as_bytes());
        let device = NewDevice {
            id: "phone".to_owned(),
            address: PushAddress::Fcm { token: Some(TOKEN.to_owned()), installation_id: None },
            address_hash,
            locale: None,
            time_zone: None,
            app_version: None,
        };
        store.put_device(&user, device, now).await.expect("is stored");
    }

    async fn ask_as(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the house answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer is whole");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask_as(KEY, Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask_as(KEY, Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn publish(&self, user: &str, kind: &str) -> String {
        let alert =
            json!({"to": {"user": user}, "kind": kind, "title": "Milk", "category": kind, "data": {}});
        self.post("/v1/alerts", alert).await["id"].as_str().expect("has an id").to_owned()
    }

    /// Waits until something is so.
    async fn until(&self, what: &str, mut is: impl AsyncFnMut(&Self) -> bool) {
        let deadline = clock::now().instant + Duration::from_secs(15);
        while !is(self).await {
            assert!(clock::now().instant < deadline, "not in time: {what}");
            // Polls a condition: nothing says when it comes true.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is watched and no delivery or leg is open.
    async fn at_rest(&self) {
        self.until("rest", async |house| {
            let services = house.app.services();
            let gauges = services.store.gauges();
            services.watch.is_empty() && gauges.deliveries == 0 && gauges.pending_legs == 0
        })
        .await;
    }

    /// The binary, called from an empty folder.
    async fn belfry(&self, arguments: &[&str]) -> Output {
        let mut all = arguments.to_vec();
        all.extend(["--url", &self.url, "--api-key", KEY]);
        belfry(self.dir.path(), &all).await
    }
}

async fn belfry(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("is not cut");
    output.expect("the binary was built for this test")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ids(page: &Value) -> Vec<String> {
    let letters = page["dead_letters"].as_array().expect("is a list");
    letters.iter().map(|letter| letter["id"].as_str().expect("is text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_says_why_and_arrives_once_when_it_is_replayed() {
    let house = house(refuses(), refuses()).await;
    house.settle_in("ann").await;
    house.settle_in("bob").await;
    let alert = house.publish("ann", "deal").await;
    house.publish("bob", "news").await;
    house.at_rest().await;
    let page = house.get("/v1/dead-letters").await;
    assert_eq!((ids(&page).len(), &page["next"]), (2, &Value::Null), "{page}");
    let page = house.get("/v1/dead-letters?user=ann&kind=deal&category=deal&channel=email").await;
    let letter = &page["dead_letters"][0];
    assert_eq!(
        (&letter["alert"], &letter["user"], &letter["reason"], &letter["step"]),
        (&json!(alert), &json!("ann"), &json!("INVALID_ARGUMENT"), &json!(2)),
        "{page}"
    );
    for none in ["user=cyd", "channel=push", "reason=x", "until=2020-01-01T00:00:00Z", "kind=x", "category=x"]
    {
        assert_eq!(ids(&house.get(&format!("/v1/dead-letters?{none}")).await), [""; 0], "{none}");
    }
    house.push.answers(accepts());
    let filter = json!({"filter": {"kind": "deal"}});
    assert_eq!(
        house.post("/v1/dead-letters/replay", filter.clone()).await,
        json!({"replayed": 1, "more": false})
    );
    house.at_rest().await;
    assert_eq!(
        house.post("/v1/dead-letters/replay", filter).await,
        json!({"replayed": 0, "more": false}),
        "twice is once"
    );
    house.at_rest().await;
    assert_eq!((house.push.accepted(), house.mail.accepted()), (1, 0));
    assert_eq!(house.get("/v1/dead-letters").await["dead_letters"][0]["user"], "bob");
    let delivery = &house.get(&format!("/v1/alerts/{alert}")).await["trace"][0]["delivery"];
    assert_eq!((&delivery["state"], &delivery["replays"]), (&json!("sent"), &json!(1)), "{delivery}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_come_in_pages_and_are_replayed_by_id() {
    let house = house(refuses(), refuses()).await;
    house.settle_in("ann").await;
    for _ in 0..3 {
        house.publish("ann", "deal").await;
    }
    house.at_rest().await;
    let first = house.get("/v1/dead-letters?limit=2").await;
    let next = first["next"].as_str().expect("there is one more").to_owned();
    let second = house.get(&format!("/v1/dead-letters?limit=2&after={next}")).await;
    assert_eq!((ids(&first).len(), ids(&second).len(), &second["next"]), (2, 1, &Value::Null));
    house.mail.answers(accepts());
    let unknown = "999999";
    let replay = json!({"ids": [ids(&second)[0], unknown]});
    assert_eq!(house.post("/v1/dead-letters/replay", replay).await["replayed"], 1);
    house.at_rest().await;
    assert_eq!(ids(&house.get("/v1/dead-letters").await), ids(&first));
    assert_eq!(house.mail.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_tells_every_step_in_the_providers_own_words() {
    let house = house(refuses(), accepts()).await;
    house.settle_in("ann").await;
    let alert = house.publish("ann", "deal").await;
    house.at_rest().await;
    let trace = house.get(&format!("/v1/alerts/{alert}")).await;
    let delivery = &trace["trace"][0]["delivery"];
    assert_eq!(delivery["state"], "sent", "{trace}");
    assert!(delivery["ended_at"].is_string() && delivery["due_at"].is_null(), "{trace}");
    let (push, mail) = (&delivery["legs"][0], &delivery["legs"][1]);
    assert_eq!(
        (&push["provider"], &push["device"], &push["address"], &push["state"], &push["reason"]),
        (&json!("fcm"), &json!("phone"), &json!("…x7Qk2A"), &json!("failed"), &json!("INVALID_ARGUMENT"))
    );
    assert_eq!(push["attempts"][0]["said"], "The message is too big.");
    assert_eq!(
        (&mail["channel"], &mail["address"], &mail["state"]),
        (&json!("email"), &json!("a…@example.com"), &json!("accepted"))
    );
    assert_eq!(mail["attempts"][0]["node"], house.app.services().config.server.node);
    let text = trace.to_string();
    assert!(!text.contains(TOKEN) && !text.contains("ann@example.com"), "{text}");

    let told = printed(&house.belfry(&["trace", &alert]).await);
    for part in
        ["the fallback begins", "step 1 push fcm phone …x7Qk2A  INVALID_ARGUMENT", "a…@example.com  accepted"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.trim_end().ends_with("sent"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_provider_says_why_keeps_what_waits_and_can_be_resumed() {
    let house = house(misconfigured(), accepts()).await;
    house.settle_in("ann").await;
    house.publish("ann", "deal").await;
    house
        .until("the pause", async |house| {
            house.get("/v1/providers").await["providers"][0]["paused"].is_object()
        })
        .await;
    let providers = house.get("/v1/providers").await;
    assert_eq!(providers["providers"][0]["paused"]["reason"], "SENDER_ID_MISMATCH", "{providers}");
    assert_eq!(
        providers["providers"][1],
        json!({"provider": "smtp", "paused": null, "held": false, "keeps_gone": false})
    );
    let told = printed(&house.belfry(&["providers"]).await);
    assert!(told.contains("paused since") && told.contains("belfry providers resume fcm"), "{told}");
    assert_eq!(house.app.services().store.gauges().pending_legs, 1, "nothing is lost");
    assert_eq!(house.mail.accepted(), 0, "no other way is taken because of it");

    house.push.answers(accepts());
    let resumed = house.post("/v1/providers/fcm/resume", json!({})).await;
    assert_eq!(resumed, json!({"provider": "fcm", "paused": null, "held": false, "keeps_gone": false}));
    for unknown in ["apns", "fax"] {
        let path = format!("/v1/providers/{unknown}/resume");
        let (status, problem) = house.ask_as(KEY, Method::POST, &path, None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("provider-not-configured")), "{problem}");
    }
    let told = printed(&house.belfry(&["providers", "resume", "fcm"]).await);
    assert!(told.contains("fcm      ok"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_metrics_show_how_deep_the_queues_are() {
    let house = house(refuses(), accepts()).await;
    house.settle_in("ann").await;
    house.publish("ann", "deal").await;
    house.publish("nobody", "deal").await;
    house.at_rest().await;
    let stats = house.get("/v1/stats").await;
    let queues = &stats["queues"];
    for (queue, depth) in
        [("dead_letters", 1), ("deliveries", 0), ("pending_legs", 0), ("held_deliveries", 0), ("watched", 0)]
    {
        assert_eq!(queues[queue], depth, "{queue}: {stats}");
    }
    assert_eq!(stats["delivery_lag_ms"], 0);
    let metrics = house.get("/metrics").await;
    let metrics = metrics.as_str().expect("is no JSON");
    for line in [
        "belfry_dead_letters 1",
        "belfry_deliveries_ended_total{state=\"sent\"} 1",
        "belfry_deliveries_ended_total{state=\"dead_lettered\"} 1",
        "belfry_provider_held{provider=\"fcm\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_may_and_faults_are_named() {
    let house = house(accepts(), accepts()).await;
    for (method, path) in [
        (Method::GET, "/v1/dead-letters"),
        (Method::POST, "/v1/dead-letters/replay"),
        (Method::POST, "/v1/deliveries/resume"),
        (Method::GET, "/v1/providers"),
        (Method::POST, "/v1/providers/fcm/resume"),
    ] {
        let (status, problem) = house.ask_as(PUBLISHER, method, path, None).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{path}: {problem}");
    }
    for query in [
        "channel=fax",
        "after=0",
        "after=x",
        "since=yesterday",
        "alert=1",
        "limit=0",
        "limit=1001",
        "state=x",
    ] {
        let path = format!("/v1/dead-letters?{query}");
        let (status, problem) = house.ask_as(KEY, Method::GET, &path, None).await;
        assert_eq!((status, &problem["code"]), (400, &json!("query-invalid")), "{query}: {problem}");
    }
    let many: Vec<String> = (1..=1_001).map(|id| id.to_string()).collect();
    for (body, pointer) in [
        (json!({}), "/ids"),
        (json!({"ids": many}), "/ids"),
        (json!({"ids": ["1"], "filter": {}}), "/filter"),
        (json!({"ids": ["one"]}), "/ids/0"),
        (json!({"filter": {"chanel": "email"}}), "/filter/chanel"),
    ] {
        let (status, problem) = house.ask_as(KEY, Method::POST, "/v1/dead-letters/replay", Some(body)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    let (status, problem) =
        house.ask_as(KEY, Method::POST, "/v1/deliveries/resume", Some(json!({"held": "x"}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/held")), "{problem}");
}

/// A house whose backup, restored, has one delivery that is held.
async fn restored() -> tempfile::TempDir {
    let house = house(misconfigured(), accepts()).await;
    house.settle_in("ann").await;
    house.publish("ann", "deal").await;
    house
        .until("a leg that waits", async |house| house.app.services().store.gauges().pending_legs == 1)
        .await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = config(dir.path()).database_path().expect("it is a file");
    std::fs::create_dir_all(database.parent().expect("lies in a folder")).expect("can be made");
    house.app.services().store.backup(&database, |_, _| ()).await.expect("is copied");
    house.app.close().await.expect("ends");
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_store_holds_waits_for_a_word_and_then_goes_out() {
    let house = house_in(restored().await, accepts(), accepts()).await;
    assert_eq!(house.get("/v1/stats").await["queues"]["held_deliveries"], 1);
    assert_eq!(house.push.accepted(), 0);
    assert_eq!(house.post("/v1/deliveries/resume", json!({"held": "send"})).await, json!({"resumed": 1}));
    house.at_rest().await;
    assert_eq!(house.push.accepted() + house.mail.accepted(), 1);
    let told = printed(&house.belfry(&["resume-deliveries", "--send"]).await);
    assert_eq!(told, "no delivery is held\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_held_deliveries_are_dropped_on_the_file() {
    let dir = restored().await;
    let data_dir = dir.path().to_str().expect("is UTF-8").to_owned();
    // A port that was just free; nobody listens on it.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
    std::fs::write(dir.path().join("belfry.toml"), format!("[server]\nlisten = \"127.0.0.1:{port}\"\n"))
        .expect("is written");
    let arguments = ["resume-deliveries", "--drop", "--data-dir", &data_dir];
    assert_eq!(printed(&belfry(dir.path(), &arguments).await), "1 held deliveries were dropped\n");
    let house = house_in(dir, accepts(), accepts()).await;
    house.at_rest().await;
    assert_eq!((house.push.accepted(), house.mail.accepted()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_holds_deliveries_as_a_backup_does() {
    let house = house(misconfigured(), accepts()).await;
    house.settle_in("ann").await;
    house.publish("ann", "deal").await;
    house
        .until("a leg that waits", async |house| house.app.services().store.gauges().pending_legs == 1)
        .await;
    house.app.close().await.expect("ends");
    let dir = house.dir;
    let data_dir = dir.path().to_str().expect("is UTF-8").to_owned();
    let told = printed(&belfry(dir.path(), &["epoch", "new", "--data-dir", &data_dir]).await);
    assert!(told.contains("deliveries wait"), "{told}");
    let house = house_in(dir, accepts(), accepts()).await;
    assert_eq!(house.get("/v1/stats").await["queues"]["held_deliveries"], 1);
    let after = house.publish("ann", "deal").await;
    // What is published afterwards goes out, and its answer is written down.
    let path = format!("/v1/alerts/{after}");
    house
        .until("the next alert", async |house| {
            house.get(&path).await["trace"][0]["delivery"]["state"] == "sent"
        })
        .await;
    assert_eq!(house.push.accepted(), 1);
    assert_eq!(house.get("/v1/stats").await["queues"]["held_deliveries"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_and_replays() {
    let house = house(refuses(), refuses()).await;
    house.settle_in("ann").await;
    house.publish("ann", "deal").await;
    house.publish("ann", "news").await;
    house.at_rest().await;
    let told = printed(&house.belfry(&["dead-letters", "list", "--kind", "deal"]).await);
    assert!(told.lines().count() == 1 && told.contains("email: INVALID_ARGUMENT"), "{told}");
    let told = printed(&house.belfry(&["dead-letters", "list", "--json"]).await);
    assert!(told.lines().all(|line| line.starts_with('{')) && told.lines().count() == 2, "{told}");
    let output = house.belfry(&["dead-letters", "replay"]).await;
    assert_eq!(output.status.code(), Some(2), "not all by accident: {output:?}");
    house.push.answers(accepts());
    let told = printed(&house.belfry(&["dead-letters", "replay", "--category", "news"]).await);
    assert_eq!(told, "1 is on its way again\n");
    let told = printed(&house.belfry(&["dead-letters", "replay", "--all", "--json"]).await);
    assert_eq!(told, "{\"replayed\":1,\"more\":false}\n");
    house.at_rest().await;
    assert_eq!(house.push.accepted(), 2);
    assert_eq!(ids(&house.get("/v1/dead-letters").await), [""; 0]);
}
