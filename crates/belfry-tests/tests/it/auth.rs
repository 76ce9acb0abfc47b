//! Who gets in, by which credential, and until when.

use belfry_server::clock;
use belfry_tests::{Events, Opening, Process, Received, Socket, TestServer};
use http::Method;
use serde_json::json;
use std::time::Duration;

const PAGE: &str = "https://app.example.com";

async fn server() -> TestServer {
    TestServer::with(|config| config.auth.allowed_origins = vec![PAGE.to_owned()]).await
}

/// How a client that speaks `belfry.v1` is refused: the error's code and the close code.
async fn refusal(opening: Opening) -> (String, u16) {
    let mut socket = Socket::open(opening).await;
    let (code, close) = socket.closed().await;
    assert!(socket.passed.is_empty(), "nothing but the refusal was expected: {:?}", socket.passed);
    (code.expect("an error frame comes before the close"), close)
}

/// How any other client is refused: the problem's code and the status.
async fn plain_refusal(opening: Opening) -> (String, u16) {
    let (status, problem) = Socket::try_open(opening).await.expect_err("the handshake is refused");
    assert_eq!(problem["status"], status, "{problem}");
    (problem["code"].as_str().expect("a problem has a code").to_owned(), status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_told_inside_the_protocol_to_those_who_speak_it_and_by_status_to_others() {
    let server = server().await;
    let foreign = TestServer::start().await.token("ann");
    let expired = server.expired_token("ann");
    for (token, code, close) in [
        ("no.token.at-all", "unauthorized", 4401),
        (foreign.as_str(), "unauthorized", 4401),
        (expired.as_str(), "token-expired", 4402),
    ] {
        let (v1, naive) = (Opening::v1(&server.url), Opening::naive(&server.url));
        assert_eq!(refusal(v1.clone().bearer(token)).await, (code.to_owned(), close));
        assert_eq!(refusal(v1.clone().subprotocol_token(token)).await, (code.to_owned(), close));
        assert_eq!(refusal(v1.clone().query("token", token)).await, (code.to_owned(), close));
        assert_eq!(refusal(v1.cookie(token).origin(PAGE)).await, (code.to_owned(), close));
        assert_eq!(plain_refusal(naive.clone().bearer(token)).await, (code.to_owned(), 401));
        assert_eq!(plain_refusal(naive.query("token", token)).await, (code.to_owned(), 401));
        let request = server.http.get(server.at("/v1/inbox")).bearer_auth(token);
        server.send(request).await.expect_problem(401, code);
    }
    assert_eq!(refusal(Opening::v1(&server.url)).await, ("unauthorized".to_owned(), 4401));
    assert_eq!(plain_refusal(Opening::naive(&server.url)).await, ("unauthorized".to_owned(), 401));
    server.until_connections(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_of_a_token_opens_the_door() {
    let server = server().await;
    let token = server.token("ann");
    let v1 = Opening::v1(&server.url);
    let naive = Opening::naive(&server.url);
    for opening in [
        v1.clone().bearer(&token),
        v1.clone().subprotocol_token(&token),
        v1.clone().query("token", &token),
        v1.clone().cookie(&token).origin(PAGE),
        naive.clone().bearer(&token),
        naive.clone().query("token", &token),
        naive.cookie(&token).origin(PAGE),
        // The first credential found wins, and what comes after it is not looked at.
        v1.bearer(&token).query("token", "nonsense").cookie("nonsense"),
    ] {
        let mut socket = Socket::open(opening).await;
        assert_eq!(socket.next_frame().await["data"]["user_id"], "ann");
        assert!(matches!(socket.protocol.as_deref(), None | Some("belfry.v1")), "{:?}", socket.protocol);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_credential_found_never_falls_through_to_the_next() {
    let server = server().await;
    let token = server.token("ann");
    let opening = Opening::v1(&server.url).bearer("nonsense").query("token", &token);
    assert_eq!(refusal(opening).await, ("unauthorized".to_owned(), 4401));
    let request = server.http.get(server.at(&format!("/v1/inbox?token={token}")));
    server.send(request).await.expect(401);
    // A token beside no version of ours would be answered with no protocol, which browsers take for a failure.
    let header = format!("bearer.{token}");
    let opening = Opening::naive(&server.url).header("sec-websocket-protocol", &header);
    assert_eq!(plain_refusal(opening).await, ("version-not-supported".to_owned(), 400));
    let opening = Opening::naive(&server.url).bearer(&token).header("sec-websocket-protocol", "belfry.v9");
    assert_eq!(plain_refusal(opening).await, ("version-not-supported".to_owned(), 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_needs_a_page_that_is_on_the_list() {
    let server = server().await;
    let token = server.token("ann");
    let (v1, naive) = (Opening::v1(&server.url).cookie(&token), Opening::naive(&server.url).cookie(&token));
    let own_host = server.url.clone();
    for origin in [None, Some("https://evil.example"), Some("null"), Some(own_host.as_str())] {
        let from = |opening: Opening| origin.map_or(opening.clone(), |origin| opening.origin(origin));
        let no = |status| ("origin-not-allowed".to_owned(), status);
        assert_eq!(refusal(from(v1.clone())).await, no(4502), "{origin:?}");
        assert_eq!(plain_refusal(from(naive.clone())).await, no(403), "{origin:?}");
    }
    let cookie = format!("accessToken={token}");
    let read = |header: Option<(&'static str, &'static str)>| {
        let request = server.http.get(server.at("/v1/inbox")).header("cookie", &cookie);
        header.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let changing = |origin: Option<&'static str>| {
        let request = server.http.post(server.at("/v1/inbox/state")).header("cookie", &cookie);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        request.json(&json!({"ids": [], "state": "read"}))
    };
    server.send(read(Some(("sec-fetch-site", "same-origin")))).await.expect(200);
    server.send(read(Some(("origin", PAGE)))).await.expect(200);
    server.send(read(Some(("sec-fetch-site", "cross-site")))).await.expect_problem(403, "origin-not-allowed");
    server.send(read(None)).await.expect_problem(403, "origin-not-allowed");
    server.send(changing(Some(PAGE))).await.expect(200);
    server.send(changing(None)).await.expect_problem(403, "origin-not-allowed");
    let same_site = changing(None).header("sec-fetch-site", "same-origin");
    server.send(same_site).await.expect_problem(403, "origin-not-allowed");
    server.send(changing(Some("https://evil.example"))).await.expect_problem(403, "origin-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_is_refused_in_a_way_it_survives() {
    let server = server().await;
    let plain = server.http.get(server.at("/v1/events?token=nonsense"));
    let mut events = Events::open(plain).await;
    assert_eq!((events.status, events.content_type.as_str()), (200, "text/event-stream"));
    let event = events.next().await.expect("an event");
    assert!(event.retry.is_some(), "{event:?}");
    let frame = event.data.expect("a frame");
    assert_eq!((&frame["type"], &frame["data"]["code"]), (&json!("error"), &json!("unauthorized")));
    assert_eq!(events.next().await, None);
    let sdk = server.http.get(server.at("/v1/events")).bearer_auth("nonsense");
    server.send(sdk.header("accept", "text/event-stream")).await.expect_problem(401, "unauthorized");

    let cookie = format!("accessToken={}", server.token("ann"));
    let request = server.http.get(server.at("/v1/events")).header("cookie", cookie);
    let mut events = Events::open(request.header("sec-fetch-site", "same-origin")).await;
    assert_eq!(events.next_frame().await["type"], "connection-established");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_stands_in_any_log_line_at_any_level() {
    let mut process = Process::start(&[
        ("BELFRY__LOG__LEVEL", "trace"),
        ("BELFRY__AUTH__ALLOWED_ORIGINS", r#"["https://app.example.com"]"#),
    ]);
    let token = process.token("ann");
    let foreign = format!("{}x", process.token("bob"));
    let expired = process.expired_token("cat");
    let mut socket = Socket::open(Opening::v1(&process.url).query("token", &token)).await;
    socket.next_of_type("connection-established").await;
    socket.send(json!({"type": "resume", "data": {}})).await;
    socket.send(json!({"type": "authenticate", "data": {"token": token}})).await;
    socket.send(json!({"type": "authenticate", "data": {"token": foreign}})).await;
    socket.next_of_type("error").await;
    let mut naive = Socket::open(Opening::naive(&process.url).query("token", &token)).await;
    naive.next_of_type("connection-established").await;
    let mut events = Events::open(process.http.get(process.at(&format!("/v1/events?token={token}")))).await;
    events.next_of_type("connection-established").await;
    for bad in [&foreign, &expired] {
        Socket::open(Opening::v1(&process.url).query("token", bad)).await.closed().await;
        plain_refusal(Opening::naive(&process.url).query("token", bad)).await;
        for path in ["/v1/events", "/v1/inbox", "/healthz", "/nowhere"] {
            let request = process.http.get(process.at(&format!("{path}?token={bad}")));
            process.send(request.bearer_auth(bad).header("cookie", format!("token={bad}"))).await;
        }
    }
    Socket::open(Opening::v1(&process.url).subprotocol_token(&token)).await.next_frame().await;
    Socket::open(Opening::v1(&process.url).cookie(&token).origin(PAGE)).await.next_frame().await;
    process
        .publish(&json!({"to": {"user": "ann"}, "kind": "k", "data": {"word": "body-of-an-alert"}}))
        .await
        .expect(202);
    socket.next_alert().await;
    drop((socket, naive, events));
    process.terminate();
    assert!(process.ended().await.success());

    let output = process.output();
    assert!(output.lines().count() > 20, "the trace level says something:\n{output}");
    let signature = |token: &str| token.rsplit('.').next().unwrap_or_default().to_owned();
    for secret in [
        signature(&token),
        signature(&foreign),
        signature(&expired),
        process.api_key.clone(),
        process.secret.clone(),
        "body-of-an-alert".to_owned(),
    ] {
        let line = output.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "a secret stands in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_socket_ends_with_its_token_unless_it_gets_a_fresh_one_of_the_same_user() {
    let server = server().await;
    let short = server.token_valid("ann", Duration::from_secs(3));
    let open = async || {
        let mut socket = Socket::open(Opening::v1(&server.url).bearer(&short)).await;
        let established = socket.next_of_type("connection-established").await;
        (socket, established["data"]["connection_id"].as_str().expect("an id").to_owned())
    };
    let (mut left_alone, _) = open().await;
    let (mut by_frame, _) = open().await;
    let (mut by_cookie, connection) = open().await;
    let (mut by_foreign, foreign_connection) = open().await;
    let mut naive = Socket::open(Opening::naive(&server.url).bearer(&short)).await;
    let mut events = Events::open(server.http.get(server.at("/v1/events")).bearer_auth(&short)).await;

    by_frame.send(json!({"type": "authenticate", "data": {"token": server.token("ann")}})).await;
    by_frame.assert_silent().await;
    let renew = |user: &str, connection: &str| {
        let path = format!("/v1/connections/{connection}/authenticate");
        let request = server.http.post(server.at(&path)).header("origin", PAGE);
        request.header("cookie", format!("accessToken={}", server.token(user)))
    };
    let answer = server.send(renew("ann", &connection)).await.expect(200).json();
    assert!(answer["token_expires_at"].is_string(), "{answer}");
    server.send(renew("bob", &foreign_connection)).await.expect_problem(404, "connection-unknown");
    for token in [server.token("bob"), "nonsense".to_owned(), server.expired_token("ann")] {
        by_foreign.send(json!({"type": "authenticate", "data": {"token": token}})).await;
        let error = by_foreign.next_of_type("error").await;
        let code = error["data"]["code"].as_str().unwrap_or_default();
        assert!(matches!(code, "unauthorized" | "token-expired"), "{error}");
    }

    let expired = (Some("token-expired".to_owned()), 4402);
    assert_eq!(left_alone.closed().await, expired);
    assert_eq!(by_foreign.closed().await, expired, "what was refused did not renew anything");
    assert_eq!(naive.closed().await, expired);
    assert_eq!(events.next_of_type("error").await["data"]["code"], "token-expired");
    server.alert("ann", 1).await;
    assert_eq!(by_frame.next_alert().await["data"]["n"], 1);
    assert_eq!(by_cookie.next_alert().await["data"]["n"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_closes_what_is_open_and_refuses_older_tokens_everywhere() {
    let mut server = server().await;
    let now = clock::now();
    let millis = now.unix_ms().0;
    let older = server.mint("ann", millis - 60_000, millis + 3_600_000);
    let newer = server.mint("ann", millis + 10_000, millis + 3_600_000);
    let mut old = Socket::open(Opening::v1(&server.url).bearer(&older)).await;
    let mut old_naive = Socket::open(Opening::naive(&server.url).bearer(&older)).await;
    let mut new = Socket::open(Opening::v1(&server.url).bearer(&newer)).await;
    let mut other = server.socket("bob").await;
    new.next_of_type("connection-established").await;

    let body = json!({"revoke_before": now.at.to_string()});
    server.call(Method::POST, "/v1/users/ann/disconnect", &body).await.expect(200);
    assert_eq!(old.closed().await, (Some("token-revoked".to_owned()), 4403));
    assert_eq!(old_naive.closed().await.1, 4403);
    new.assert_silent().await;
    other.assert_silent().await;

    for restarted in [false, true] {
        if restarted {
            server.restart().await;
        }
        let opening = Opening::v1(&server.url).bearer(&older);
        assert_eq!(refusal(opening).await, ("token-revoked".to_owned(), 4403));
        let opening = Opening::naive(&server.url).bearer(&older);
        assert_eq!(plain_refusal(opening).await, ("token-revoked".to_owned(), 401));
        let request = server.http.get(server.at("/v1/inbox")).bearer_auth(&older);
        server.send(request).await.expect_problem(401, "token-revoked");
        let request = server.http.get(server.at("/v1/inbox")).bearer_auth(&newer);
        server.send(request).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_closes_what_stands_on_it_and_opens_nothing_any_more() {
    let mut server = server().await;
    let (stolen, good) = (server.token_of_key("ann", "stolen/1"), server.token_of_key("ann", "good"));
    let mut v1 = Socket::open(Opening::v1(&server.url).bearer(&stolen)).await;
    let mut naive = Socket::open(Opening::naive(&server.url).bearer(&stolen)).await;
    let mut renewed = Socket::open(Opening::v1(&server.url).bearer(&stolen)).await;
    let mut other_key = Socket::open(Opening::v1(&server.url).bearer(&good)).await;
    let mut no_key = server.socket("bob").await;
    for socket in [&mut v1, &mut renewed, &mut other_key] {
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {}})).await;
        socket.settle().await;
    }
    renewed.send(json!({"type": "authenticate", "data": {"token": good}})).await;
    // One after the other: with the second answer the first renewal is done.
    renewed.send(json!({"type": "authenticate", "data": {"token": "no.token.at-all"}})).await;
    assert_eq!(renewed.next_of_type("error").await["data"]["code"], "unauthorized");

    let path = "/v1/revoked-keys/stolen%2F1";
    let put = server.send(server.as_back_end(Method::PUT, path)).await.expect(200).json();
    assert_eq!(put["id"], "stolen/1");
    assert_eq!(v1.closed().await, (Some("token-revoked".to_owned()), 4403));
    assert_eq!(naive.closed().await.1, 4403);
    for socket in [&mut renewed, &mut other_key, &mut no_key] {
        socket.assert_silent().await;
    }
    other_key.send(json!({"type": "authenticate", "data": {"token": stolen}})).await;
    assert_eq!(other_key.next_of_type("error").await["data"]["code"], "token-revoked");
    server.alert("ann", 1).await;
    other_key.next_alert().await;
    renewed.next_alert().await;

    for restarted in [false, true] {
        if restarted {
            server.restart().await;
        }
        assert_eq!(server.get("/v1/revoked-keys").await.expect(200).json(), json!({"keys": [put]}));
        let opening = Opening::v1(&server.url).bearer(&stolen);
        assert_eq!(refusal(opening).await, ("token-revoked".to_owned(), 4403));
        let opening = Opening::naive(&server.url).bearer(&stolen);
        assert_eq!(plain_refusal(opening).await, ("token-revoked".to_owned(), 401));
        let request = server.http.get(server.at("/v1/inbox")).bearer_auth(&stolen);
        server.send(request).await.expect_problem(401, "token-revoked");
        let request = server.http.get(server.at("/v1/inbox")).bearer_auth(&good);
        server.send(request).await.expect(200);
        let again = server.send(server.as_back_end(Method::PUT, path)).await.expect(200).json();
        assert_eq!(again, put, "the first time counts");
    }

    server.send(server.as_back_end(Method::DELETE, path)).await.expect(204);
    server.send(server.as_back_end(Method::DELETE, path)).await.expect_problem(404, "not-found");
    Socket::open(Opening::v1(&server.url).bearer(&stolen)).await.next_of_type("connection-established").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_without_revocation_lets_clients_come_back() {
    let server = server().await;
    let mut socket = server.socket("ann").await;
    let answer = server.call(Method::POST, "/v1/users/ann/disconnect", &json!({})).await.expect(200).json();
    assert_eq!(answer["closed"], 1);
    assert_eq!(socket.closed().await.1, 4000);
    server.socket("ann").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_told_to_stop_and_begins_anew_afterwards() {
    let server = server().await;
    let mut socket = server.socket("ann").await;
    server.alert("ann", 1).await;
    let cursor = {
        let page = server.user_get("ann", "/v1/inbox").await.expect(200).json();
        page["complete_to"].as_str().expect("a cursor").to_owned()
    };
    server.send(server.as_back_end(Method::DELETE, "/v1/users/ann")).await.expect(204);
    assert_eq!(socket.closed().await, (Some("user-blocked".to_owned()), 4501));
    let mut again = server.resume("ann", &cursor).await;
    assert_eq!(again.next_of_type("reset").await["data"]["reason"], "epoch-foreign");
    assert_eq!(server.inbox("ann").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_needs_a_known_key_with_the_right_scope() {
    use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Scope};
    let narrow = "bk_publishes_and_nothing_else";
    let server = TestServer::with(|config| {
        config.api_keys.push(ApiKeyOptions {
            name: "narrow".to_owned(),
            scopes: vec![Scope::Publish],
            secret: ApiKeySecret::Plain(narrow.to_owned().into()),
        });
    })
    .await;
    let publish = |key: Option<&str>| {
        let request =
            server.http.post(server.at("/v1/alerts")).json(&json!({"to": {"user": "ann"}, "kind": "k"}));
        key.into_iter().fold(request, |request, key| request.bearer_auth(key))
    };
    server.send(publish(None)).await.expect_problem(401, "unauthorized");
    server.send(publish(Some("bk_unknown_unknown_unknown"))).await.expect_problem(401, "unauthorized");
    server.send(publish(Some(&server.token("ann")))).await.expect_problem(401, "unauthorized");
    server.send(publish(Some(narrow))).await.expect(202);
    for (method, path) in
        [(Method::GET, "/v1/users/ann"), (Method::GET, "/v1/stats"), (Method::GET, "/metrics")]
    {
        let request = server.http.request(method, server.at(path)).bearer_auth(narrow);
        server.send(request).await.expect_problem(403, "forbidden");
        server.get(path).await.expect(200);
    }
    let mut socket = Socket::open(Opening::v1(&server.url).bearer(&server.api_key)).await;
    assert!(matches!(socket.next().await, Received::Frame(_)));
    assert_eq!(socket.closed().await.1, 4401, "an API key is nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_renews_no_connection() {
    let server = server().await;
    let now = clock::now().unix_ms().0;
    let older = server.mint("ann", now - 3_600_000, now + 3_600_000);
    let mut socket = server.socket("ann").await;
    let before = clock::timestamp(belfry_store::UnixMs(now - 60_000)).to_string();
    let path = "/v1/users/ann/disconnect";
    server.call(Method::POST, path, &json!({"revoke_before": before})).await.expect(200);
    socket.send(json!({"type": "authenticate", "data": {"token": older}})).await;
    assert_eq!(socket.next_of_type("error").await["data"]["code"], "token-revoked");
    server.alert("ann", 1).await;
    socket.next_alert().await;
}
