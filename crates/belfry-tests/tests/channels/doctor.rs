//! `belfry doctor` asks the push services and says what they say.

use belfry_tests::fakes::{apns, fcm};
use belfry_tests::process::binary;
use std::process::{Command, Stdio};

/// What `belfry doctor` prints with this configuration, and whether it found nothing to mend there.
async fn doctor(configuration: String) -> String {
    let run = move || {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("belfry.toml"), configuration).expect("is written");
        let output = Command::new(binary())
            // Nobody listens on port 1.
            .args(["doctor", "--url", "http://127.0.0.1:1"])
            .current_dir(folder.path())
            .env("BELFRY_DATA_DIR", folder.path().join("data"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // The services run on this thread.
    tokio::task::spawn_blocking(run).await.expect("does not panic")
}

fn configuration(fcm: &fcm::Fcm, apns: &apns::Apns, key: &str) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "[fcm]\nservice_account = {}\nbase_url = {}\nca_file = {}\n\
         [apns]\nkey = {}\nkey_id = \"{}\"\nteam_id = \"{}\"\ntopic = \"{}\"\nproduction_url = {}\nsandbox_url = {}\nca_file = {}\n",
        text(&fcm.service_account()),
        text(&fcm.url()),
        text(&fcm.ca_file().to_string_lossy()),
        text(key),
        apns::KEY_ID,
        apns::TEAM_ID,
        apns::TOPIC,
        text(&apns.production.url()),
        text(&apns.sandbox.url()),
        text(&apns.ca_file().to_string_lossy()),
    )
}

#[tokio::test]
async fn the_doctor_says_which_push_service_refuses_what_and_sends_nothing() {
    let (fcm, apns) = (fcm::Fcm::start().await, apns::Apns::start().await);
    let text = doctor(configuration(&fcm, &apns, apns.key())).await;
    assert!(text.contains("ok   fcm             FCM lets push@shop-1234"), "{text}");
    assert!(text.contains("ok   apns            APNs lets the key ABC1234567"), "{text}");

    let other = apns::Apns::start().await;
    fcm.script(|_| Some(fcm::error(403, "PERMISSION_DENIED", "The caller does not have permission", None)));
    let text = doctor(configuration(&fcm, &apns, other.key())).await;
    assert!(
        text.contains("fail fcm             PERMISSION_DENIED: the service account may not send"),
        "{text}"
    );
    assert!(text.contains("fail apns            InvalidProviderToken: Apple does not accept"), "{text}");
    assert!(text.contains("see docs/guides/push.md"), "{text}");
    assert!(!text.contains("PRIVATE KEY") && !text.contains("eyJ"), "{text}");

    fcm.script(|_| Some(fcm::error(503, "UNAVAILABLE", "The service is currently unavailable.", None)));
    let text = doctor(configuration(&fcm, &apns, apns.key())).await;
    assert!(text.contains("warn fcm             UNAVAILABLE"), "{text}");
    assert!(fcm.taken().is_empty() && apns.taken().is_empty());
}
