//! Bad input: each kind of it has its status, its stable code and a pointer, and leaves nothing behind.

use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Scope};
use belfry_tests::{Answer, TestServer, eventually};
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;

async fn post(server: &TestServer, body: impl Into<Vec<u8>>) -> Answer {
    let request = server.as_back_end(Method::POST, "/v1/alerts").header("content-type", "application/json");
    server.send(request.body(body.into())).await
}

fn alert(change: &[(&str, Value)]) -> Vec<u8> {
    let mut alert = json!({"to": {"user": "ann"}, "kind": "k"});
    for (field, value) in change {
        alert[*field] = value.clone();
    }
    alert.to_string().into_bytes()
}

async fn assert_nothing_stored(server: &TestServer) {
    assert_eq!(server.inbox("ann").await, [] as [Value; 0]);
    assert_eq!(server.unread("ann").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_are_told_apart_from_wrong_fields() {
    let server = TestServer::start().await;
    for body in [&b""[..], b"{", b"nope", b"{\"to\":{\"user\":\"ann\"},\"kind\":\"\xff\"}", b"[1,", b"\0"] {
        post(&server, body).await.expect_problem(400, "json-malformed");
    }
    let long = "x".repeat(257);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (change, pointer) in [
        (vec![("to", json!({"user": ""}))], "/to/user"),
        (vec![("to", json!({"user": "a\u{7}b"}))], "/to/user"),
        (vec![("to", json!({"user": long}))], "/to/user"),
        (vec![("to", json!({"users": []}))], "/to/users"),
        (vec![("to", json!({"users": ["ann", 7]}))], "/to/users/1"),
        (vec![("to", json!({"everyone": false}))], "/to/everyone"),
        (vec![("to", json!({"nobody": true}))], "/to"),
        (vec![("kind", json!(""))], "/kind"),
        (vec![("kind", json!(7))], "/kind"),
        (vec![("kind", json!(long))], "/kind"),
        (vec![("colour", json!("red"))], "/colour"),
        (vec![("data", json!([1]))], "/data"),
        (vec![("data", json!("text"))], "/data"),
        (vec![("data", json!({"text": "x".repeat(17_000)}))], "/data"),
        (vec![("title", json!("x".repeat(600)))], "/title"),
        (vec![("link", json!("javascript:alert(1)"))], "/link"),
        (vec![("link", json!("//elsewhere.example"))], "/link"),
        (vec![("image", json!("data:image/png;base64,xx"))], "/image"),
        (vec![("severity", json!("loud"))], "/severity"),
        (vec![("expires_at", json!("tomorrow"))], "/expires_at"),
        (vec![("expires_at", json!("2001-01-01T00:00:00Z"))], "/expires_at"),
        (vec![("ladder", json!([{"channel": "pigeon"}]))], "/ladder/0/channel"),
        (vec![("ladder", json!([{"channel": "live", "wait": "soon"}]))], "/ladder/0/wait"),
        (vec![("idempotency_key", json!(""))], "/idempotency_key"),
        (vec![("actions", json!([{"id": "a", "label": "A"}, {"id": "a", "label": "B"}]))], "/actions/1/id"),
    ] {
        let answer = post(&server, alert(&change)).await.expect_problem(422, "field-invalid");
        assert_eq!(answer.pointers(), [pointer], "{change:?}: {}", answer.text);
    }
    let answer =
        post(&server, format!(r#"{{"to":{{"user":"ann"}},"kind":"k","data":{{"deep":{deep}}}}}"#)).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text);
    post(&server, alert(&[("kind", json!("catch-up"))])).await.expect_problem(422, "kind-reserved");
    post(&server, alert(&[("kind", json!("belfry.later"))])).await.expect_problem(422, "kind-reserved");
    let missing = post(&server, br#"{"to":{"user":"ann"}}"#).await.expect_problem(422, "field-invalid");
    assert_eq!(missing.pointers(), ["/kind"]);
    assert_nothing_stored(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_an_alert_is_named_at_once() {
    let server = TestServer::start().await;
    let body =
        alert(&[("link", json!("ftp://x")), ("collapse_key", json!("")), ("title", json!("x".repeat(600)))]);
    let answer = post(&server, body).await.expect_problem(422, "field-invalid");
    let mut pointers = answer.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/collapse_key", "/link", "/title"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_type_and_a_limit() {
    let server = TestServer::start().await;
    let plain = server.as_back_end(Method::POST, "/v1/alerts").header("content-type", "text/plain");
    server.send(plain.body(alert(&[]))).await.expect_problem(415, "content-type-unsupported");
    let untyped = server.as_back_end(Method::POST, "/v1/alerts").body(alert(&[]));
    server.send(untyped).await.expect_problem(415, "content-type-unsupported");

    // 64 KiB for an alert to one person, 1 MiB where users are listed, and no list is longer than 10,000.
    let padded = alert(&[("body", json!("x".repeat(70_000)))]);
    post(&server, padded).await.expect_problem(413, "body-too-large");
    let users: Vec<String> = (0..10_000).map(|number| format!("user-{number:06}")).collect();
    post(&server, alert(&[("to", json!({"users": users}))])).await.expect(202);
    let users: Vec<String> = (0..10_001).map(|number| format!("user-{number:06}")).collect();
    let answer = post(&server, alert(&[("to", json!({"users": users}))])).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/to/users"]);
    post(&server, vec![b' '; (1 << 20) + 1]).await.expect_problem(413, "body-too-large");
    eventually("the fan-out to be done", || async {
        (server.services().store.gauges().fanouts == 0).then_some(())
    })
    .await;
    assert_nothing_stored(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_have_limits_and_each_line_its_own_answer() {
    let server = TestServer::with(|config| {
        config.limits.batch_lines_max = 10;
        config.limits.batch_bytes_max = 4096;
    })
    .await;
    let batch = |body: String| {
        let request = server.as_back_end(Method::POST, "/v1/alerts/batch");
        server.send(request.header("content-type", "application/x-ndjson").body(body))
    };
    let good = r#"{"to":{"user":"ann"},"kind":"k"}"#;
    batch([good; 11].join("\n")).await.expect_problem(413, "batch-too-large");
    batch(format!("{good}\n").repeat(200)).await.expect_problem(413, "body-too-large");
    assert_nothing_stored(&server).await;

    let answer = batch(format!("{good}\nnope\n\n{{\"to\":{{\"user\":\"\"}},\"kind\":\"k\"}}\n{good}"))
        .await
        .expect(200);
    let lines = answer.lines();
    let summary: Vec<_> = lines.iter().map(|line| (line["line"].clone(), line["status"].clone())).collect();
    let expected =
        [(1, 202), (2, 400), (4, 422), (5, 202)].map(|(line, status)| (json!(line), json!(status)));
    assert_eq!(summary, expected, "{}", answer.text);
    assert_eq!(lines[1]["problem"]["code"], "json-malformed");
    assert_eq!(lines[2]["problem"]["errors"][0]["pointer"], "/to/user");
    assert_eq!(server.inbox("ann").await.len(), 2);
    let wrong =
        server.as_back_end(Method::POST, "/v1/alerts/batch").header("content-type", "text/csv").body("x");
    server.send(wrong).await.expect_problem(415, "content-type-unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_methods_ids_and_queries_are_checked() {
    let server = TestServer::start().await;
    server.get("/v1/nothing").await.expect_problem(404, "not-found");
    let answer =
        server.call(Method::PUT, "/v1/alerts", &json!({})).await.expect_problem(405, "method-not-allowed");
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
    server.get("/v1/alerts/not-a-uuid").await.expect_problem(400, "id-invalid");
    server.get("/v1/alerts/7d444840-9dc0-11d1-b245-5ffdce74fad2").await.expect_problem(400, "id-invalid");
    server.get("/v1/alerts/01a20848-212e-7000-8563-79fd99001f36").await.expect_problem(404, "alert-unknown");
    server.get("/v1/users/ghost").await.expect_problem(404, "user-unknown");
    server.get("/v1/users/a%00b").await.expect_problem(400, "id-invalid");
    server.get(&format!("/v1/users/{}", "x".repeat(257))).await.expect_problem(400, "id-invalid");
    server.get("/v1/groups/ghost").await.expect_problem(404, "group-unknown");
    let members = json!({"members": ["ann"]});
    server
        .call(Method::POST, "/v1/groups/ghost/members", &members)
        .await
        .expect_problem(404, "group-unknown");
    let answer = post(&server, alert(&[("to", json!({"group": "ghost"}))])).await;
    assert_eq!(answer.expect_problem(404, "group-unknown").pointers(), ["/to/group"]);
    for query in
        ["limit=0", "limit=201", "limit=x", "before=zzz!", "unread=maybe", "colour=red", "limit=1&limit=2"]
    {
        server.user_get("ann", &format!("/v1/inbox?{query}")).await.expect_problem(400, "query-invalid");
    }
    for (body, pointer) in [
        (json!({"state": "read"}), "/ids"),
        (json!({"state": "read", "ids": ["x"]}), "/ids/0"),
        (json!({"state": "eaten", "ids": []}), "/state"),
        (json!({"state": "read", "up_to": "0000000000000000.1.1"}), "/up_to"),
    ] {
        let answer = server.user_call("ann", Method::POST, "/v1/inbox/state", &body).await;
        assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), [pointer], "{body}");
    }
    for (body, pointer) in [
        (json!({"schedule": [{"days": ["mon"], "from": "7:00", "to": "08:00"}]}), "/schedule/0/from"),
        (json!({"schedule": [{"days": [], "from": "07:00", "to": "08:00"}]}), "/schedule/0/days"),
        (json!({"time_zone": "Mars/Olympus"}), "/time_zone"),
    ] {
        let answer = server.user_call("ann", Method::PUT, "/v1/do-not-disturb", &body).await;
        assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), [pointer], "{body}");
    }
    let answer = server.call(Method::PUT, "/v1/users/ann", &json!({"email": "nobody"})).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/email"]);
    let unknown = "/v1/connections/01a20848-212e-7000-8563-79fd99001f36/authenticate";
    server
        .user_call("ann", Method::POST, unknown, &json!({}))
        .await
        .expect_problem(404, "connection-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_needed_and_have_scopes() {
    let server = TestServer::with(|config| {
        config.api_keys.push(ApiKeyOptions {
            name: "publisher".into(),
            scopes: vec![Scope::Publish],
            secret: ApiKeySecret::Plain(SecretString::from("bk_0123456789abcdef0123456789abcdef")),
        });
        config.limits.publishes_per_second_per_key = 5;
    })
    .await;
    let bare = || {
        server.http.post(server.at("/v1/alerts")).header("content-type", "application/json").body(alert(&[]))
    };
    let answer = server.send(bare()).await.expect_problem(401, "unauthorized");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    server.send(bare().bearer_auth("bk_wrong")).await.expect_problem(401, "unauthorized");
    server.send(bare().bearer_auth(server.token("ann"))).await.expect_problem(401, "unauthorized");
    let publisher = "bk_0123456789abcdef0123456789abcdef";
    server
        .send(server.http.get(server.at("/v1/stats")).bearer_auth(publisher))
        .await
        .expect_problem(403, "forbidden");
    server
        .send(server.http.get(server.at("/metrics")).bearer_auth(publisher))
        .await
        .expect_problem(403, "forbidden");
    let mut refused = None;
    for _ in 0..20 {
        let answer = server.send(bare().bearer_auth(publisher)).await;
        if answer.status != 202 {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.expect("the rate is five a second").expect_problem(429, "rate-limited");
    assert!(
        answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1),
        "{:?}",
        answer.headers
    );
    server.publish(&json!({"to": {"user": "ann"}, "kind": "k"})).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_kinds_are_strict() {
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/examples/flyer-deals-react/kinds");
    let server = TestServer::with(|config| config.kinds.dir = Some(kinds)).await;
    let answer = post(&server, alert(&[("kind", json!("deal-notificaton"))]))
        .await
        .expect_problem(422, "kind-unknown");
    assert!(answer.text.contains("did you mean `deal-notification`?"), "{}", answer.text);
    let data = json!({"deals": [{"item_name": "Oat milk", "best_price_in_cents": "cheap", "store_name": "Corner", "store_id": 1}]});
    let answer = post(&server, alert(&[("kind", json!("deal-notification")), ("data", data)])).await;
    let answer = answer.expect_problem(422, "data-invalid");
    assert!(answer.pointers().contains(&"/data/deals/0/best_price_in_cents".to_owned()), "{}", answer.text);
    let message = json!({"message": "Back at noon", "severity": "info"});
    post(&server, alert(&[("kind", json!("system-message")), ("data", message)])).await.expect(202);
    assert_eq!(server.inbox("ann").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_code_has_a_page() {
    let server = TestServer::start().await;
    for code in belfry_protocol::ErrorCode::ALL {
        let answer = server.get(&code.docs_url()).await.expect(200);
        assert!(answer.text.contains(code.title()), "{}", code.slug());
    }
    server.get("/docs/errors/no-such-code").await.expect_problem(404, "not-found");
}
