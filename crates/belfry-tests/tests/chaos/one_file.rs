//! A store that is a file has one server.

use belfry_tests::Process;
use belfry_tests::process::binary;
use std::process::Command;

#[tokio::test]
async fn a_second_server_on_the_same_file_does_not_start_and_says_why() {
    let first = Process::start(&[]);
    first.alert("ann", 1).await;
    let second = Command::new(binary())
        .arg("serve")
        .env("BELFRY_LISTEN", "127.0.0.1:0")
        .env("BELFRY_DATA_DIR", first.data_dir())
        .env("BELFRY_JWT_SECRET", &first.secret)
        .env("BELFRY_API_KEY", &first.api_key)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    let file = first.data_dir().join("belfry.db");
    assert!(
        said.contains(&format!("the store at `{}` is in use by another process", file.display())),
        "{said}"
    );
    assert!(said.contains("give this one its own `data_dir`"), "it names the remedy: {said}");
    assert!(!said.contains("listening on"), "{said}");
    // The first one did not notice.
    first.alert("ann", 2).await;
    assert_eq!(first.unread("ann").await, 2);
}
