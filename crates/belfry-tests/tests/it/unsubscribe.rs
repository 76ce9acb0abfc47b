//! One-click unsubscribe (RFC 8058): `POST` does it without login, `GET` does nothing, a forged link is refused.

use belfry_protocol::UserId;
use belfry_tests::TestServer;
use belfry_tests::caller::Answer;
use http::Method;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn link(server: &TestServer, category: &str) -> String {
    let ann = UserId::new("ann").expect("is an id");
    format!("/u/{}", server.services().signer.unsubscribe_token(&ann, category))
}

async fn get(server: &TestServer, path: &str, language: &str) -> Answer {
    server.send(server.http.get(server.at(path)).header("Accept-Language", language)).await
}

async fn post(server: &TestServer, path: &str, content_type: &str, body: &'static str) -> Answer {
    server.send(server.http.post(server.at(path)).header("Content-Type", content_type).body(body)).await
}

async fn preferences(server: &TestServer) -> Value {
    server.user_get("ann", "/v1/preferences").await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_turns_off_the_mails_of_one_category_and_says_so() {
    let server = TestServer::start().await;
    let mut tab = server.socket("ann").await;
    let wanted = json!({"default": {}, "categories": {"deals": {"push": true}, "jobs": {"push": false}}});
    server.user_call("ann", Method::PUT, "/v1/preferences", &wanted).await.expect(200);
    tab.next_of_type("settings-changed").await;
    let path = link(&server, "deals");
    let answer = post(&server, &path, FORM, "List-Unsubscribe=One-Click").await.expect(200);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(answer.text.contains("unsubscribed") && answer.text.contains("deals"), "{}", answer.text);
    assert_eq!((answer.header("set-cookie"), answer.header("location")), ("", ""));
    let off = json!({"default": {}, "categories": {"deals": {"push": true, "email": false}, "jobs": {"push": false}}});
    assert_eq!(preferences(&server).await, off);
    assert_eq!(tab.next_of_type("settings-changed").await["data"]["preferences_rev"], 2);
    // Mail programs repeat it.
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    post(&server, &path, "multipart/form-data; boundary=x", multipart).await.expect(200);
    assert_eq!(preferences(&server).await, off);
    tab.assert_silent().await;
    // Who comes back sees that it is done.
    let page = get(&server, &path, "en").await.expect(200);
    assert!(page.text.contains("You are unsubscribed") && !page.text.contains("<button"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_changes_nothing_and_shows_a_button() {
    let server = TestServer::start().await;
    let before = preferences(&server).await;
    let path = link(&server, "<deals & more>");
    for _ in 0..3 {
        let page = get(&server, &path, "en").await.expect(200);
        assert!(
            page.text.contains("<form method=\"post\">") && page.text.contains("<button"),
            "{}",
            page.text
        );
        assert!(
            page.text.contains("&lt;deals &amp; more&gt;") && !page.text.contains("<deals"),
            "{}",
            page.text
        );
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
        assert_eq!(
            (page.header("referrer-policy"), page.header("cache-control")),
            ("no-referrer", "no-store")
        );
    }
    server.send(server.http.head(server.at(&path))).await.expect(200);
    assert_eq!(preferences(&server).await, before);
    // A body that does not say it does not do it either.
    for (content_type, body, status, code) in [
        (FORM, "", 422, "field-invalid"),
        (FORM, "List-Unsubscribe=No", 422, "field-invalid"),
        ("multipart/form-data; boundary=x", "--x--", 422, "field-invalid"),
        ("application/json", "{}", 415, "content-type-unsupported"),
    ] {
        post(&server, &path, content_type, body).await.expect_problem(status, code);
    }
    assert_eq!(preferences(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_link_gets_a_page_that_says_so_and_does_nothing() {
    let server = TestServer::start().await;
    let before = preferences(&server).await;
    let path = link(&server, "deals");
    let alert = server.alert("ann", 1).await.parse().expect("is an id");
    let (ann, phone) = (UserId::new("ann").expect("is one"), "phone".parse().expect("is one"));
    let now = belfry_server::clock::now().unix_ms();
    let receipt = server.services().signer.receipt_token(alert, &ann, &phone, None, now);
    for forged in
        [path[..path.len() - 3].to_owned(), format!("{path}A"), "/u/x".to_owned(), format!("/u/{receipt}")]
    {
        let page = get(&server, &forged, "de-AT,de;q=0.9").await.expect(403);
        assert!(
            page.text.contains("Dieser Link funktioniert nicht") && !page.text.contains("<button"),
            "{}",
            page.text
        );
        let answer = post(&server, &forged, FORM, "List-Unsubscribe=One-Click").await.expect(403);
        assert!(answer.header("content-type").starts_with("text/html"));
    }
    assert_eq!(preferences(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_the_persons_own_language() {
    let server = TestServer::start().await;
    let path = link(&server, "deals");
    let page = get(&server, &path, "fr").await.expect(200);
    assert!(
        page.text.contains("lang=\"fr\""),
        "of somebody who is not known it is the browser's: {}",
        page.text
    );
    for (locale, lang) in
        [("ar-EG", "lang=\"ar\" dir=\"rtl\""), ("de-CH", "lang=\"de\" dir=\"ltr\""), ("ja", "lang=\"fr\"")]
    {
        server.call(Method::PUT, "/v1/users/ann", &json!({"locale": locale})).await.expect(200);
        let page = get(&server, &path, "fr").await.expect(200);
        assert!(page.text.contains(lang), "{locale}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_an_erased_person_makes_nobody_anew() {
    let server = TestServer::start().await;
    preferences(&server).await;
    let path = link(&server, "deals");
    server.send(server.as_back_end(Method::DELETE, "/v1/users/ann")).await.expect(204);
    get(&server, &path, "en").await.expect(200);
    post(&server, &path, FORM, "List-Unsubscribe=One-Click").await.expect(200);
    server.get("/v1/users/ann").await.expect_problem(404, "user-unknown");
}
