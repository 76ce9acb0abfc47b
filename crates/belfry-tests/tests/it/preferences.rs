//! Preferences: kept, told to every session, exported.

use belfry_tests::{Opening, Socket, TestServer};
use http::Method;
use serde_json::{Value, json};

async fn put(server: &TestServer, user: &str, body: &Value) -> Value {
    server.user_call(user, Method::PUT, "/v1/preferences", body).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_are_kept_and_told_to_every_session_of_their_user() {
    let mut server = TestServer::start().await;
    let empty = server.user_get("ann", "/v1/preferences").await.expect(200).json();
    assert_eq!(empty, json!({"default": {}, "categories": {}}));
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let mut other = server.socket("bob").await;
    let wanted =
        json!({"default": {"email": false}, "categories": {"deals": {"push": false, "email": true}}});
    assert_eq!(put(&server, "ann", &wanted).await, wanted);
    for socket in [&mut here, &mut there] {
        let changed = socket.next_of_type("settings-changed").await;
        assert_eq!(changed["data"]["preferences_rev"], 1);
        assert_eq!(changed["data"]["do_not_disturb"]["active"], false);
    }
    other.assert_silent().await;
    server.restart().await;
    assert_eq!(server.user_get("ann", "/v1/preferences").await.expect(200).json(), wanted);
    // Whoever connects learns which ones are in force.
    let mut socket = Socket::open(Opening::v1(&server.url).bearer(&server.token("ann"))).await;
    assert_eq!(socket.next_of_type("connection-established").await["data"]["preferences_rev"], 1);
    let export = server.get("/v1/users/ann/export").await.expect(200).lines();
    assert_eq!(export[0]["user"]["preferences"], wanted);
    assert_eq!(put(&server, "ann", &json!({})).await, empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_preferences_are_refused_with_a_pointer() {
    let server = TestServer::start().await;
    let many: serde_json::Map<String, Value> = (0..101).map(|n| (format!("c{n}"), json!({}))).collect();
    for (body, pointer) in [
        (json!({"defaults": {}}), "/defaults"),
        (json!({"default": {"sms": true}}), "/default/sms"),
        (json!({"categories": {"deals": {"push": "no"}}}), "/categories/deals/push"),
        (json!({"categories": many}), "/categories"),
        (json!({"categories": {"": {}}}), "/categories/"),
    ] {
        let answer = server.user_call("ann", Method::PUT, "/v1/preferences", &body).await;
        assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), [pointer], "{body}");
    }
    let api_key = server.as_back_end(Method::GET, "/v1/preferences");
    server.send(api_key).await.expect_problem(401, "unauthorized");
}
