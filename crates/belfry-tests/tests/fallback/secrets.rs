//! No secret, token, endpoint, address or text of an alert stands in the log, however much is logged.

use belfry_server::clock;
use belfry_server::config::Config;
use belfry_store::Store;
use belfry_tests::fakes::{answer, apns, fcm, smtp};
use belfry_tests::providers::Providers;
use belfry_tests::{Process, eventually};
use secrecy::ExposeSecret;
use serde_json::json;

const TITLE: &str = "Your parcel waits at the corner shop";
const BODY: &str = "Bring the secret word marzipan";

/// Everything that whoever reads the log must not learn.
fn secrets(
    providers: &Providers,
    process: &Process,
    addresses: &belfry_tests::providers::Addresses,
) -> Vec<String> {
    let web_push = &addresses.web_push;
    let path = web_push.endpoint.rsplit('/').next().expect("an endpoint has a path").to_owned();
    let mut secrets = vec![
        addresses.fcm.clone(),
        addresses.apns.clone(),
        web_push.endpoint.clone(),
        path,
        web_push.p256dh.clone(),
        web_push.auth.clone(),
        "ann@example.com".to_owned(),
        "open sesame".to_owned(),
        "marzipan".to_owned(),
        TITLE.to_owned(),
        process.api_key.clone(),
        process.secret.clone(),
        "ya29.".to_owned(),
        providers.vapid_key().expose_secret().to_owned(),
    ];
    // The lines of the private keys.
    for pem in [providers.apns.key().to_owned(), providers.fcm.service_account().replace("\\n", "\n")] {
        let lines =
            pem.lines().filter(|line| line.len() > 40 && !line.contains("-----") && !line.contains('"'));
        secrets.extend(lines.map(str::to_owned));
    }
    for token in providers.web_push.pushes().into_iter().map(|push| push.token) {
        secrets.push(token);
    }
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn at_trace_the_log_holds_no_secret_token_address_or_text() {
    let providers = Providers::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("data");
    std::fs::create_dir_all(&data_dir).expect("a folder in a temporary directory");
    let mut config = Config::default();
    config.server.data_dir.clone_from(&data_dir);
    let store = Store::open(config.store_options(), clock::now().unix_ms()).await.expect("a new store opens");
    let addresses = providers.settle(&store, "ann", 1).await;
    store.close().await.expect("the store closes");
    let settings = providers.settings();
    let mut settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("BELFRY__LOG__LEVEL", "trace"));
    let mut process = Process::on(dir, data_dir, &settings);

    let ladder = json!([{"channel": "push", "wait": "1s", "until": "seen"}, {"channel": "email"}]);
    let publish = async |number: usize| {
        let body = json!({
            "to": {"user": "ann"}, "kind": "parcel", "title": TITLE, "body": BODY,
            "data": {"word": "marzipan", "number": number}, "ladder": ladder,
        });
        process.publish(&body).await.expect(202);
    };
    // Everything goes well.
    publish(1).await;
    eventually("all three pushes and the mail", || async {
        let pushes = [
            providers.fcm.taken().len(),
            providers.apns.taken().len(),
            providers.web_push.pushes().len(),
            providers.smtp.mails().len(),
        ];
        (pushes == [1; 4]).then_some(())
    })
    .await;
    // Providers that repeat in their answers what they were told.
    let repeat = |text: &str| format!("no: {text}");
    providers.fcm.answer_next(
        &addresses.fcm,
        fcm::error(400, "INVALID_ARGUMENT", &repeat(&addresses.fcm), Some("INVALID_ARGUMENT")),
    );
    providers.apns.answer_next(&addresses.apns, apns::reason(400, &repeat(&addresses.apns)));
    providers.web_push.once(answer::Act::status(400, repeat(&addresses.web_push.endpoint)));
    providers
        .smtp
        .once(smtp::Step::Rcpt, smtp::Act::Say("550 5.1.1 <ann@example.com> is not here".to_owned()));
    publish(2).await;
    eventually("the refusals", || async {
        let calls = [
            providers.fcm.read().len(),
            providers.apns.read().len(),
            providers.web_push.requests(),
            providers.smtp.count(smtp::Step::Rcpt),
        ];
        (calls.iter().all(|calls| *calls >= 2)).then_some(())
    })
    .await;
    process.terminate();
    process.ended().await;

    let log = process.output();
    assert!(log.contains("TRACE"), "it was logged at trace");
    for secret in secrets(&providers, &process, &addresses) {
        assert!(secret.len() >= 5, "too short to be looked for: {secret}");
        if let Some(line) = log.lines().find(|line| line.contains(&secret)) {
            panic!("`{secret}` stands in the log: {line}");
        }
    }
}
