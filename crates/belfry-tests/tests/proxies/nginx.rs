//! `deploy/nginx/belfry.conf`: one origin for an application and Belfry.

use crate::neighbours::application;
use crate::shipped::{answers, free_port, path, with_other};
use belfry_tests::shim::skipped;
use belfry_tests::{Events, Opening, Socket, TestServer, eventually, numbered};
use http::Method;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Debian has it beside root's programs.
const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "nginx"];

/// nginx with the shipped configuration, in front of a server and an application.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) url: String,
    dir: TempDir,
}

impl Nginx {
    /// In front of one server and an application; `http` stands before the shipped file, in the same block.
    async fn start(server: &TestServer, application: u16, http: &str) -> Option<Self> {
        let nodes = [
            ("127.0.0.1:8787", server.address().to_string()),
            ("127.0.0.1:3000", format!("127.0.0.1:{application}")),
        ];
        Self::start_with("nginx/belfry.conf", &nodes, http).await
    }

    /// Starts it where it is installed.
    pub(crate) async fn start_with(file: &str, nodes: &[(&str, String)], http: &str) -> Option<Self> {
        let Some(program) = PROGRAMS.into_iter().find(|name| answers(name, "-v")) else {
            skipped("there is no nginx; `cargo xtask test` installs it");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let mut other = nodes.to_vec();
        other.push(("listen 80;", format!("listen 127.0.0.1:{port};")));
        other.push(("/var/log/nginx/belfry.log", path(dir.path(), "access.log")));
        let conf = write_files(dir.path(), http, &with_other(file, &other));
        let child = Command::new(program)
            .args(["-p", &path(dir.path(), ""), "-e", &path(dir.path(), "error.log"), "-c"])
            .arg(conf)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, url: format!("http://127.0.0.1:{port}"), dir };
        eventually("nginx", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
        Some(nginx)
    }

    /// Everything it wrote.
    fn logs(&self) -> String {
        ["access.log", "error.log"]
            .map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers with it only on a signal that it can handle.
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !ended.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// The shipped file and a frame around it that runs in the foreground in a folder of its own.
fn write_files(dir: &Path, http: &str, site: &str) -> PathBuf {
    fs::write(dir.join("belfry.conf"), site).expect("is written");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", path(dir, what)));
    let frame = format!(
        "daemon off;\nworker_processes 1;\nuser {};\npid {};\nevents {{}}\nhttp {{\n{}{http}\ninclude {};\n}}\n",
        user(),
        path(dir, "nginx.pid"),
        temporary.concat(),
        path(dir, "belfry.conf"),
    );
    let conf = dir.join("nginx.conf");
    fs::write(&conf, frame).expect("is written");
    conf
}

/// Whoever runs the tests: as root the workers would else be someone who may not read the folder.
fn user() -> String {
    let name = Command::new("id").arg("-un").output().expect("`id` is everywhere").stdout;
    String::from_utf8(name).expect("a name").trim().to_owned()
}

#[tokio::test]
async fn one_origin_serves_the_application_and_belfry() {
    let origin = "https://app.example.com";
    let server = TestServer::with(|config| config.auth.allowed_origins = vec![origin.to_owned()]).await;
    let Some(nginx) = Nginx::start(&server, application().await, "").await else { return };
    let token = server.token("ann");

    let page =
        server.send(server.http.get(format!("{}/deals", nginx.url)).header("cookie", "accessToken=x")).await;
    assert!(page.expect(200).text.contains("the application, cookie Some(\"accessToken=x\")"));
    server.send(server.http.get(format!("{}/v1/inbox", nginx.url)).bearer_auth(&token)).await.expect(200);
    let sdk = server.send(server.http.get(format!("{}/sdk/nothing.js", nginx.url))).await;
    sdk.expect_problem(404, "not-found");

    for path in ["/ws", "/ws/alerts"] {
        let opening = Opening::v1(&nginx.url).path(path).origin(origin).cookie(&token);
        let mut socket = Socket::open(opening).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {"cursor": null}})).await;
        socket.settle().await;
        let id = server.alert("ann", 1).await;
        assert_eq!(socket.next_alert().await["id"], id);
        socket.close().await;
    }
    let refused =
        Socket::try_open(Opening::naive(&nginx.url).origin("https://elsewhere.example").cookie(&token)).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(403), "the origin reaches the server");
}

#[tokio::test]
async fn events_and_batches_stream_through_it() {
    let server = TestServer::start().await;
    let Some(nginx) = Nginx::start(&server, application().await, "").await else { return };
    let url = format!("{}/v1/events?protocol=belfry.v1", nginx.url);
    let mut events = Events::open(server.http.get(url).bearer_auth(server.token("ann"))).await;
    events.next_of_type("connection-established").await;
    let lines: String = (1..=200).map(|number| format!("{}\n", numbered("ann", number))).collect();
    let batch = server
        .http
        .request(Method::POST, format!("{}/v1/alerts/batch", nginx.url))
        .bearer_auth(&server.api_key)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    assert_eq!(server.send(batch).await.expect(200).lines().len(), 200);
    events.next_of_type("numbered").await;
}

#[tokio::test]
async fn a_token_in_the_query_is_in_no_log_and_the_client_keeps_its_address() {
    let mut server = TestServer::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a net")];
        config.limits.connections_per_second_per_address = 1;
    })
    .await;
    let Some(nginx) = Nginx::start(&server, application().await, "").await else { return };
    let token = server.token("ann");
    let from =
        |address: &str| Opening::naive(&nginx.url).query("token", &token).header("x-forwarded-for", address);
    // nginx appends the peer it sees; who is trusted is passed over, so the next one counts.
    Socket::open(from("192.0.2.1")).await.close().await;
    Socket::open(from("192.0.2.2")).await.close().await;
    let refused = Socket::try_open(from("192.0.2.2")).await.err().map(|(status, _)| status);
    assert!(matches!(refused, Some(429 | 503)), "the limit counts the client's address: {refused:?}");
    server.stop().await;
    // Where the server is away, nginx complains: not with the token either.
    let away = reqwest::get(format!("{}/ws?token={token}", nginx.url)).await.expect("nginx answers");
    assert_eq!(away.status().as_u16(), 502);
    let logs = nginx.logs();
    assert!(logs.contains("/ws"), "it did log: {logs}");
    assert!(!logs.contains(&token), "{logs}");
}

#[tokio::test]
async fn k15_an_idle_connection_outlives_the_proxys_patience() {
    // The default's proportions in a fraction of its time: 60 s of patience, a word every 30.
    let patience = "proxy_read_timeout 1s; proxy_send_timeout 1s;";
    let server = TestServer::with(|config| config.live.heartbeat_interval = Duration::from_millis(500)).await;
    let Some(nginx) = Nginx::start(&server, application().await, patience).await else { return };
    let mut socket = Socket::open(Opening::v1(&nginx.url).bearer(&server.token("ann"))).await;
    for _ in 0..6 {
        let ping = socket.next_of_type("ping").await;
        socket.send(json!({"type": "pong", "data": ping["data"]})).await;
    }
    socket.close().await;

    let silent = TestServer::with(|config| config.live.heartbeat_interval = Duration::from_secs(30)).await;
    let Some(nginx) = Nginx::start(&silent, application().await, patience).await else { return };
    let mut socket = Socket::open(Opening::naive(&nginx.url).bearer(&silent.token("ann"))).await;
    socket.next_of_type("connection-established").await;
    assert_eq!(
        socket.next().await,
        belfry_tests::socket::Received::Cut,
        "a silent server is cut: the test can fail"
    );
}
