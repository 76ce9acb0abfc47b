//! Bad input gets the named status, a stable code and a pointer, and leaves nothing half-written.

use belfry_tests::TestServer;
use http::Method;
use serde_json::{Value, json};

async fn post(server: &TestServer, body: &[u8]) -> belfry_tests::Answer {
    let request = server.as_back_end(Method::POST, "/v1/alerts").header("content-type", "application/json");
    server.send(request.body(body.to_vec())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused_as_such() {
    let server = TestServer::start().await;
    let cases: [&[u8]; 10] = [
        b"",
        b"{",
        b"nope",
        b"{\"to\":{\"user\":\"ann\"},\"kind\":\"k\"",
        b"{\"to\":{\"user\":\"ann\"},\"kind\":\"k\"}}",
        b"{\"to\":{\"user\":\"ann\"},\"kind\":\"\xff\xfe\"}",
        b"{\"to\":{\"user\":\"\xc3\x28\"},\"kind\":\"k\"}",
        b"{\"to\":{\"user\":\"ann\"},\"kind\":\"a\x01b\"}",
        b"\xef\xbb\xbf{\"to\":{\"user\":\"ann\"},\"kind\":\"k\"}",
        b"{'to':{'user':'ann'},'kind':'k'}",
    ];
    for body in cases {
        post(&server, body).await.expect_problem(400, "json-malformed");
    }
    let deep = format!(
        r#"{{"to":{{"user":"ann"}},"kind":"k","data":{}{}}}"#,
        r#"{"a":"#.repeat(3_000),
        "}".repeat(3_000)
    );
    let answer = post(&server, deep.as_bytes()).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text);
    assert_eq!(server.inbox("ann").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named_by_its_pointer() {
    let server = TestServer::start().await;
    let long = "x".repeat(257);
    let alert = |field: &str, value: Value| {
        let mut alert = json!({"to": {"user": "ann"}, "kind": "k"});
        alert[field] = value;
        alert
    };
    let cases = [
        (json!({"kind": "k"}), "/to"),
        (json!({"to": {"user": "ann"}}), "/kind"),
        (alert("colour", json!(1)), "/colour"),
        (alert("kind", json!(7)), "/kind"),
        (alert("kind", json!("")), "/kind"),
        (alert("kind", json!(long)), "/kind"),
        (alert("kind", json!("a\u{7f}b")), "/kind"),
        (alert("data", json!([])), "/data"),
        (alert("data", json!("text")), "/data"),
        (alert("title", json!("x".repeat(513))), "/title"),
        (alert("body", json!("x".repeat(4_097))), "/body"),
        (alert("title", json!(7)), "/title"),
        (alert("severity", json!("loud")), "/severity"),
        (alert("category", json!(long)), "/category"),
        (alert("thread", json!("a\u{0}b")), "/thread"),
        (alert("collapse_key", json!(long)), "/collapse_key"),
        (alert("idempotency_key", json!(long)), "/idempotency_key"),
        (alert("expires_at", json!("tomorrow")), "/expires_at"),
        (alert("expires_at", json!("2001-01-01T00:00:00Z")), "/expires_at"),
        (alert("quiet", json!("yes")), "/quiet"),
        (alert("link", json!("javascript:alert(1)")), "/link"),
        (alert("image", json!("data:text/html,x")), "/image"),
        (alert("actions", json!([{"id": "a", "label": ""}])), "/actions/0/label"),
        (alert("actions", json!([{"id": "a", "label": "x", "link": "ftp://x"}])), "/actions/0/link"),
        (alert("actions", json!([{"id": "a"}])), "/actions/0/label"),
        (alert("ladder", json!([{"channel": "pigeon"}])), "/ladder/0/channel"),
        (alert("ladder", json!([{"channel": "live", "wait": "soon"}])), "/ladder/0/wait"),
        (json!({"to": {}, "kind": "k"}), "/to"),
        (json!({"to": {"user": ""}, "kind": "k"}), "/to/user"),
        (json!({"to": {"user": long}, "kind": "k"}), "/to/user"),
        (json!({"to": {"user": "a\u{1}b"}, "kind": "k"}), "/to/user"),
        (json!({"to": {"user": "a\u{85}b"}, "kind": "k"}), "/to/user"),
        (json!({"to": {"user": 7}, "kind": "k"}), "/to/user"),
        (json!({"to": {"users": ["ann", ""]}, "kind": "k"}), "/to/users/1"),
        (json!({"to": {"users": []}, "kind": "k"}), "/to/users"),
        (json!({"to": {"group": "a\nb"}, "kind": "k"}), "/to/group"),
        (json!({"to": {"everyone": false}, "kind": "k"}), "/to/everyone"),
        (json!({"to": {"user": "ann", "group": "g"}, "kind": "k"}), "/to"),
        (json!([]), ""),
    ];
    let mut wrong = Vec::new();
    for (body, pointer) in cases {
        let answer = server.publish(&body).await;
        if answer.status != 422 {
            wrong.push(format!("{body} was answered {}: {}", answer.status, answer.text));
            continue;
        }
        let pointers = answer.expect_problem(422, "field-invalid").pointers();
        if !pointers.iter().any(|found| found == pointer || (pointer == "/to" && found.starts_with("/to"))) {
            wrong.push(format!("{body} is pointed at {pointers:?}, expected {pointer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(server.inbox("ann").await.len(), 0, "nothing half-written stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_a_bodys_values_is_not_the_body() {
    let server = TestServer::start().await;
    let full = json!({"email": "ann@example.com", "locale": "en-GB"});
    server.call(Method::PUT, "/v1/users/ann", &full).await.expect(200);
    let alert = |field: &str, value: Value| json!({"to": {"user": "ann"}, "kind": "k", field: value});
    let cases = [
        (Method::PUT, "/v1/users/ann", json!([null, null, null, null]), ""),
        (Method::PUT, "/v1/groups/g", json!([["ann"]]), ""),
        (Method::POST, "/v1/users/ann/disconnect", json!([null]), ""),
        (Method::POST, "/v1/alerts", json!([{"user": "ann"}, "k"]), ""),
        (Method::POST, "/v1/alerts", alert("actions", json!([["reply", "Reply"]])), "/actions/0"),
        (Method::POST, "/v1/alerts", alert("ladder", json!([["live"]])), "/ladder/0"),
    ];
    for (method, path, body, pointer) in cases {
        let answer = server.call(method, path, &body).await.expect_problem(422, "field-invalid");
        assert_eq!(answer.pointers(), [pointer], "{path} {body}");
    }
    let quiet = json!({"schedule": [[["mon"], "22:00", "07:00"]]});
    let answer = server.user_call("ann", Method::PUT, "/v1/do-not-disturb", &quiet).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/schedule/0"]);
    let ann = server.get("/v1/users/ann").await.expect(200).json();
    assert_eq!((&ann["email"], &ann["locale"]), (&full["email"], &full["locale"]));
    server.get("/v1/groups/g").await.expect_problem(404, "group-unknown");
    assert_eq!(server.inbox("ann").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_is_checked_against_what_is_declared() {
    let dir = tempfile::tempdir().unwrap();
    let kind = "kind = \"deal-notification\"\nschema = \"deal.schema.json\"\n[templates.en]\ntitle = \"{{ data.count }} deals\"\n";
    std::fs::write(dir.path().join("deal.toml"), kind).unwrap();
    let schema =
        json!({"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}});
    std::fs::write(dir.path().join("deal.schema.json"), schema.to_string()).unwrap();
    let server = TestServer::with(|config| config.kinds.dir = Some(dir.path().to_owned())).await;
    let alert = |kind: &str, data: Value| json!({"to": {"user": "ann"}, "kind": kind, "data": data});
    let answer =
        server.publish(&alert("deal-notificaton", json!({}))).await.expect_problem(422, "kind-unknown");
    assert!(answer.text.contains("deal-notification"), "the nearest name is given: {}", answer.text);
    assert_eq!(answer.pointers(), ["/kind"]);
    for reserved in ["ping", "catch-up", "belfry.later"] {
        server.publish(&alert(reserved, json!({}))).await.expect_problem(422, "kind-reserved");
    }
    let answer = server.publish(&alert("deal-notification", json!({"count": "many"}))).await;
    assert_eq!(answer.expect_problem(422, "data-invalid").pointers(), ["/data/count"]);
    server.publish(&alert("deal-notification", json!({"count": 3}))).await.expect(202);
    assert_eq!(server.inbox("ann").await[0]["title"], "3 deals");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_is_demanded() {
    let server = TestServer::start().await;
    let body = r#"{"to":{"user":"ann"},"kind":"k"}"#;
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        for path in ["/v1/alerts", "/v1/alerts/batch"] {
            let request = server.as_back_end(Method::POST, path).body(body);
            let request = content_type
                .into_iter()
                .fold(request, |request, content_type| request.header("content-type", content_type));
            server.send(request).await.expect_problem(415, "content-type-unsupported");
        }
    }
    let request = server.as_back_end(Method::POST, "/v1/alerts").body(body);
    server.send(request.header("content-type", "Application/JSON; charset=utf-8")).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let server = TestServer::start().await;
    for path in ["/nowhere", "/v1", "/v1/alert", "/v1/alerts/batch/x", "/v1/users/ann/friends", "/v2/alerts"]
    {
        server.get(path).await.expect_problem(404, "not-found");
    }
    for (method, path) in [
        (Method::GET, "/v1/alerts"),
        (Method::PATCH, "/v1/alerts"),
        (Method::POST, "/v1/inbox"),
        (Method::DELETE, "/v1/inbox/state"),
        (Method::POST, "/healthz"),
    ] {
        let answer = server.send(server.as_back_end(method.clone(), path)).await;
        let answer = answer.expect_problem(405, "method-not-allowed");
        assert_ne!(answer.header("allow"), "", "{method} {path}");
    }
    for path in ["/ws", "/ws/alerts"] {
        let answer = server.user_get("ann", path).await;
        assert_eq!(answer.json()["code"], "upgrade-required", "{}", answer.text);
        assert!(matches!(answer.status, 400 | 426), "{}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_in_paths_are_checked_and_unknown_ones_are_said_to_be_unknown() {
    let server = TestServer::start().await;
    let long = "x".repeat(257);
    for path in ["/v1/alerts/42", "/v1/alerts/00000000-0000-0000-0000-00000000000g"] {
        server.get(path).await.expect_problem(400, "id-invalid");
    }
    for id in [long.as_str(), "%00", "a%0ab", "%C2%85", "%20"] {
        for path in [format!("/v1/users/{id}"), format!("/v1/groups/{id}")] {
            server.get(&path).await.expect_problem(400, "id-invalid");
        }
    }
    let answer = server.get("/v1/users/%FF%FE").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let alert = format!("/v1/alerts/{}", uuid::Uuid::now_v7());
    server.get(&alert).await.expect_problem(404, "alert-unknown");
    server.get("/v1/users/nobody").await.expect_problem(404, "user-unknown");
    server.get("/v1/users/nobody/export").await.expect_problem(404, "user-unknown");
    server.get("/v1/groups/nobody").await.expect_problem(404, "group-unknown");
    let connection = format!("/v1/connections/{}/authenticate", uuid::Uuid::new_v4());
    server
        .user_call("ann", Method::POST, &connection, &json!({}))
        .await
        .expect_problem(404, "connection-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_any_script_go_there_and_back() {
    let server = TestServer::start().await;
    for user in ["ünï/cødé", "日本 語", "a.b*c>d", "..", "'; DROP TABLE users; --", "%2e%2e", "🔔"] {
        let mut socket = server.socket(user).await;
        server.alert(user, 1).await;
        assert_eq!(socket.next_alert().await["seq"], 1, "{user}");
        assert_eq!(server.inbox(user).await.len(), 1, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_a_page() {
    let server = TestServer::start().await;
    for code in belfry_protocol::ErrorCode::ALL {
        let page = server.http.get(server.at(&code.docs_url()));
        let page = server.send(page).await.expect(200);
        assert!(
            page.header("content-type").starts_with("text/html") && page.text.contains(code.slug()),
            "{code:?}"
        );
    }
    server.get("/docs/errors/no-such-code").await.expect_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_stores_nothing() {
    use tokio::io::AsyncWriteExt;
    let server = TestServer::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /v1/alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 500\r\n\r\n{{\"to\":{{\"user\":\"ann\"}},\"kind\":\"k\"}}",
        server.api_key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    server.alert("ann", 1).await;
    assert_eq!(server.inbox("ann").await.len(), 1);
}
