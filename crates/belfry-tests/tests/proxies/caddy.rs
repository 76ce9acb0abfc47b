//! `deploy/caddy/Caddyfile`: one origin for an application and Belfry.

use crate::neighbours::application;
use belfry_tests::engines::free_port;
use belfry_tests::shim::skipped;
use belfry_tests::shipped::{answers, path, with_other};
use belfry_tests::{Events, Opening, Socket, TestServer, eventually, numbered};
use http::Method;
use serde_json::json;
use std::fs;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Caddy with the shipped configuration, in front of servers and an application.
struct Caddy {
    child: Child,
    url: String,
    dir: TempDir,
}

impl Caddy {
    /// Starts it where it is installed.
    async fn start(servers: &[String], application: u16, also: &[(&str, String)]) -> Option<Self> {
        if !answers("caddy", "version") {
            skipped("there is no caddy; `cargo xtask test` installs it");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (port, url) = free_url();
        let mut other = also.to_vec();
        other.push(("app.example.com {", format!("{url} {{\n\tbind 127.0.0.1")));
        other.push(("reverse_proxy 127.0.0.1:8787 {", format!("reverse_proxy {} {{", servers.join(" "))));
        other.push(("127.0.0.1:3000", format!("127.0.0.1:{application}")));
        other.push(("/var/log/caddy/belfry.log", path(dir.path(), "belfry.log")));
        // Its own port for administration would be everybody's.
        other.push(("\tservers {", "\tadmin off\n\tservers {".to_owned()));
        let file = dir.path().join("Caddyfile");
        fs::write(&file, with_other("caddy/Caddyfile", &other)).expect("is written");
        let child = Command::new("caddy")
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file)
            .env("XDG_DATA_HOME", dir.path())
            .env("XDG_CONFIG_HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("caddy starts");
        let caddy = Self { child, url, dir };
        eventually("caddy", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
        Some(caddy)
    }

    /// Everything it wrote.
    fn logs(&self) -> String {
        fs::read_to_string(self.dir.path().join("belfry.log")).unwrap_or_default()
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        // One process that holds nothing which outlives it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_url() -> (u16, String) {
    let port = free_port();
    (port, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
async fn one_origin_serves_the_application_and_belfry() {
    let origin = "https://app.example.com";
    let server = TestServer::with(|config| config.auth.allowed_origins = vec![origin.to_owned()]).await;
    let nodes = [server.address().to_string()];
    let Some(caddy) = Caddy::start(&nodes, application().await, &[]).await else { return };
    let token = server.token("ann");

    let request = server.http.get(format!("{}/deals", caddy.url)).header("cookie", "accessToken=x");
    let page = server.send(request.header("x-forwarded-for", "192.0.2.9")).await.expect(200).text;
    assert!(page.contains("cookie Some(\"accessToken=x\")"), "{page}");
    assert!(page.contains("for Some(\"127.0.0.1\")"), "the peer's address, not what it claims: {page}");
    server.send(server.http.get(format!("{}/v1/inbox", caddy.url)).bearer_auth(&token)).await.expect(200);
    let sdk = server.send(server.http.get(format!("{}/sdk/nothing.js", caddy.url))).await;
    sdk.expect_problem(404, "not-found");

    for path in ["/ws", "/ws/alerts"] {
        let opening = Opening::v1(&caddy.url).path(path).origin(origin).cookie(&token);
        let mut socket = Socket::open(opening).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {"cursor": null}})).await;
        socket.settle().await;
        let id = server.alert("ann", 1).await;
        assert_eq!(socket.next_alert().await["id"], id);
        socket.close().await;
    }
    let refused =
        Socket::try_open(Opening::naive(&caddy.url).origin("https://elsewhere.example").cookie(&token)).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(403), "the origin reaches the server");
}

#[tokio::test]
async fn events_and_batches_stream_through_it() {
    let server = TestServer::start().await;
    let nodes = [server.address().to_string()];
    let Some(caddy) = Caddy::start(&nodes, application().await, &[]).await else { return };
    let url = format!("{}/v1/events?protocol=belfry.v1", caddy.url);
    let mut events = Events::open(server.http.get(url).bearer_auth(server.token("ann"))).await;
    events.next_of_type("connection-established").await;
    let lines: String = (1..=200).map(|number| format!("{}\n", numbered("ann", number))).collect();
    let batch = server
        .http
        .request(Method::POST, format!("{}/v1/alerts/batch", caddy.url))
        .bearer_auth(&server.api_key)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    assert_eq!(server.send(batch).await.expect(200).lines().len(), 200);
    events.next_of_type("numbered").await;
    server.until_connections(1).await;
    drop(events);
    server.until_connections(0).await;
}

#[tokio::test]
async fn a_token_is_in_no_log_wherever_it_travels_and_the_client_keeps_its_address() {
    let origin = "https://app.example.com";
    let mut server = TestServer::with(|config| {
        config.auth.allowed_origins = vec![origin.to_owned()];
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a net")];
        config.limits.connections_per_second_per_address = 1;
    })
    .await;
    let nodes = [server.address().to_string()];
    // The client is the balancer here.
    let balancer = [("# trusted_proxies 10.0.0.0/8", "trusted_proxies 127.0.0.1/32".to_owned())];
    let Some(caddy) = Caddy::start(&nodes, application().await, &balancer).await else { return };
    let token = server.token("ann");
    let from = |address: &str| Opening::naive(&caddy.url).header("x-forwarded-for", address);
    Socket::open(from("192.0.2.1").query("token", &token)).await.close().await;
    Socket::open(from("192.0.2.2").origin(origin).cookie(&token)).await.close().await;
    Socket::open(Opening::v1(&caddy.url).subprotocol_token(&token)).await.close().await;
    Socket::open(from("192.0.2.4").bearer(&token)).await.close().await;
    let refused = Socket::try_open(from("192.0.2.4").bearer(&token)).await.err().map(|(status, _)| status);
    assert!(matches!(refused, Some(429 | 503)), "the limit counts the client's address: {refused:?}");
    server.stop().await;
    // Where the server is away, Caddy complains: not with the token either.
    let request = server.http.get(format!("{}/ws?token={token}", caddy.url)).bearer_auth(&token);
    let away = request.send().await.expect("Caddy answers").status().as_u16();
    assert!(matches!(away, 502 | 503), "{away}");
    let complained = || async { caddy.logs().contains("\"status\":50").then_some(()) };
    eventually("a line about it", complained).await;
    let logs = caddy.logs();
    assert!(logs.contains("\"uri\":\"/ws\"") && logs.contains("http.log.error"), "it did log: {logs}");
    assert!(!logs.contains(&token), "{logs}");
}

#[tokio::test]
async fn sockets_and_reads_go_to_a_node_that_answers() {
    let server = TestServer::start().await;
    let nobody = format!("127.0.0.1:{}", free_port());
    let nodes = [nobody, server.address().to_string()];
    let Some(caddy) = Caddy::start(&nodes, application().await, &[]).await else { return };
    let token = server.token("ann");
    for _ in 0..4 {
        server.send(server.http.get(format!("{}/v1/inbox", caddy.url)).bearer_auth(&token)).await.expect(200);
        Socket::open(Opening::naive(&caddy.url).bearer(&token)).await.close().await;
    }
}
