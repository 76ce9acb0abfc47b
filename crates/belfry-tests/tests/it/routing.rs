//! Who gets an alert, over which door, and who gets nothing.

use belfry_tests::{Events, Opening, Socket, TestServer, eventually};
use http::Method;
use serde_json::{Value, json};

/// The body of the API's own example.
fn example(to: &Value) -> Value {
    json!({
        "to": to,
        "kind": "deal-notification",
        "data": {
            "user_id": "ann", "message": "Oat milk is 1.49",
            "deals": [{"item_name": "Oat milk", "best_price_in_cents": 149, "store_name": "Corner Market", "store_id": 12}]
        },
        "title": "1 new deal", "body": "Oat milk is 1.49 at the Corner Market", "link": "/deals",
        "severity": "warning", "category": "deals"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_reaches_every_open_door_of_its_user_and_nobody_else() {
    let server = TestServer::start().await;
    let mut ws = server.socket("ann").await;
    let mut alerts =
        Socket::open(Opening::v1(&server.url).path("/ws/alerts").bearer(&server.token("ann"))).await;
    alerts.next_of_type("connection-established").await;
    alerts.send(json!({"type": "resume", "data": {}})).await;
    alerts.settle().await;
    let mut naive = server.naive("ann").await;
    let mut events = server.events("ann").await;
    let mut other = server.socket("bob").await;
    let mut other_naive = server.naive("bob").await;

    let posted = example(&json!({"user": "ann"}));
    let answer = server.publish(&posted).await.expect(202).json();
    assert_eq!(answer["recipients"], 1);
    assert_eq!(answer["notifications"], json!([{"user": "ann", "seq": 1}]));

    let frames = [
        ws.next_alert().await,
        alerts.next_alert().await,
        naive.next_alert().await,
        events.next_alert().await,
    ];
    for frame in frames {
        assert_eq!(frame["type"], "deal-notification");
        assert_eq!(frame["id"], answer["id"]);
        for field in ["data", "title", "body", "link", "severity", "category"] {
            assert_eq!(frame[field], posted[field], "{field}");
        }
        assert_eq!(
            (&frame["stream"], &frame["seq"], &frame["unread"]),
            (&json!("user"), &json!(1), &json!(1))
        );
        assert_eq!(frame["quiet"], false);
        assert!(frame["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{frame}");
    }
    other.assert_silent().await;
    other_naive.assert_silent().await;
    assert_eq!(server.unread("bob").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_arrives_byte_for_byte() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let body =
        r#"{"to":{"user":"ann"},"kind":"raw","data":{"big":12345678901234567890.10,"e":1e400,"u":"\u00e9"}}"#;
    let request = server.as_back_end(Method::POST, "/v1/alerts").header("content-type", "application/json");
    let answer = server.send(request.body(body)).await;
    // A number that no machine holds may be refused, but never changed on the way.
    if answer.status == 202 {
        socket.next_alert().await;
    }
    let body = r#"{"to":{"user":"ann"},"kind":"raw","data":{"big":12345678901234567890.10,  "u":"\u00e9"}}"#;
    let request = server.as_back_end(Method::POST, "/v1/alerts").header("content-type", "application/json");
    server.send(request.body(body)).await.expect(202);
    let page = server.user_get("ann", "/v1/inbox").await.expect(200);
    assert!(page.text.contains(r#"{"big":12345678901234567890.10,  "u":"\u00e9"}"#), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_established_comes_first_also_for_an_empty_inbox() {
    let server = TestServer::start().await;
    for published in 0..2 {
        let token = server.token("ann");
        let mut v1 = Socket::open(Opening::v1(&server.url).bearer(&token)).await;
        assert_eq!(v1.protocol.as_deref(), Some("belfry.v1"));
        let mut naive = Socket::open(Opening::naive(&server.url).bearer(&token)).await;
        assert_eq!(naive.protocol, None);
        let mut events = Events::open(server.as_user("ann", Method::GET, "/v1/events")).await;
        assert_eq!((events.status, events.content_type.as_str()), (200, "text/event-stream"));
        for (frame, ack) in [
            (v1.next_frame().await, "frames"),
            (naive.next_frame().await, "ping"),
            (events.next_frame().await, "frames"),
        ] {
            assert_eq!(frame["type"], "connection-established", "{frame}");
            let data = &frame["data"];
            assert_eq!((&data["user_id"], &data["ack"]), (&json!("ann"), &json!(ack)));
            assert_eq!(data["unread"], published);
            assert_eq!(data["heartbeat"], json!({"interval_ms": 30_000, "timeout_ms": 10_000}));
            assert_eq!(data["do_not_disturb"]["active"], false);
            assert!(data["head"].as_str().is_some_and(|head| head.ends_with(&format!(".{published}.0"))));
            assert!(data["connection_id"].is_string() && data["token_expires_at"].is_string());
            assert!(data["server"]["node"].is_string() && data["server"]["version"].is_string());
        }
        server.alert("ann", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_three_fields_is_only_ever_sent_what_it_understands() {
    let server = TestServer::start().await;
    server.alert("ann", 1).await;
    let mut naive = server.naive("ann").await;
    let missed = naive.next_alert().await;
    assert_eq!(missed["data"], json!({"n": 1}), "what was missed comes as a plain alert");
    server.alert("ann", 2).await;
    let live = naive.next_alert().await;
    assert_eq!(live["data"], json!({"n": 2}));
    let id = live["id"].as_str().expect("an id").to_owned();
    server.change("ann", &[&id], "read").await;
    server
        .user_call("ann", Method::PUT, "/v1/do-not-disturb", &json!({"until": "2099-01-01T00:00:00Z"}))
        .await
        .expect(200);
    let silent = naive.settle().await;
    assert!(silent.is_empty(), "changes are nothing to a plain client: {silent:?}");
    for frame in [missed, live] {
        assert!(frame["type"].is_string() && frame["data"].is_object() && frame["timestamp"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_with_its_own_data() {
    let server = TestServer::start().await;
    let mut naive = server.naive("ann").await;
    for data in [json!({"at": 1}), json!("text"), json!(null), json!([1, 2])] {
        naive.send(json!({"type": "ping", "data": data})).await;
        let pong = naive.next_of_type("pong").await;
        assert_eq!(pong["data"], data);
        assert!(pong["timestamp"].is_string());
    }
    naive.send(json!({"type": "ping"})).await;
    assert_eq!(naive.next_of_type("pong").await["data"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_frames_are_harmless_and_bad_ones_are_told_while_the_socket_stays() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    socket.send(json!({"type": "chat", "data": {"text": "hello"}})).await;
    socket.send(json!({"type": "read", "data": {"ids": []}, "from": "a later version"})).await;
    socket.assert_silent().await;
    for bad in [
        "{",
        "no JSON",
        "[]",
        "42",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"presence","data":{"visible":1}}"#,
        r#"{"type":"read","data":{"ids":["x"]}}"#,
        r#"{"type":"read","data":{}}"#,
        r#"{"type":"ack","data":{"level":"received"}}"#,
    ] {
        socket.send_text(bad).await;
        let error = socket.next_of_type("error").await;
        let code = error["data"]["code"].as_str().expect("a code").to_owned();
        assert!(matches!(code.as_str(), "frame-invalid" | "field-invalid"), "{bad}: {error}");
        assert!(error["data"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["data"]["docs"].as_str().is_some_and(|docs| docs.ends_with(&code)), "{error}");
    }
    socket.send_binary(vec![0, 159, 146, 150]).await;
    assert_eq!(socket.next_of_type("error").await["data"]["code"], "frame-invalid");
    server.alert("ann", 1).await;
    assert_eq!(socket.next_alert().await["data"]["n"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_users_and_a_group_reach_their_people_only() {
    let server = TestServer::start().await;
    let mut sockets = Vec::new();
    for user in ["ann", "bob", "cat"] {
        sockets.push(server.socket(user).await);
    }
    let [ann, bob, cat] = &mut sockets[..] else { unreachable!("three sockets were opened") };

    let answer = server.publish(&example(&json!({"users": ["bob", "ann", "bob"]}))).await.expect(202).json();
    assert_eq!(answer["recipients"], 2, "somebody named twice is one person");
    assert_eq!(answer["notifications"], json!([{"user": "ann", "seq": 1}, {"user": "bob", "seq": 1}]));
    assert_eq!(ann.next_alert().await["id"], answer["id"]);
    assert_eq!(bob.next_alert().await["id"], answer["id"]);
    cat.assert_silent().await;

    let members = json!({"members": ["bob", "cat"]});
    server.call(Method::PUT, "/v1/groups/family-7", &members).await.expect(200);
    let answer = server.publish(&example(&json!({"group": "family-7"}))).await.expect(202).json();
    assert_eq!(answer["recipients"], 2);
    assert_eq!(bob.next_alert().await["seq"], 2);
    assert_eq!(cat.next_alert().await["seq"], 1);
    ann.assert_silent().await;

    server
        .call(Method::DELETE, "/v1/groups/family-7/members", &json!({"members": ["bob"]}))
        .await
        .expect(200);
    server.publish(&example(&json!({"group": "family-7"}))).await.expect(202);
    assert_eq!(cat.next_alert().await["seq"], 2);
    bob.assert_silent().await;
    server.publish(&example(&json!({"group": "nobody"}))).await.expect_problem(404, "group-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_reaches_everyone_once_and_no_latecomer() {
    let server = TestServer::start().await;
    let (mut ann, mut bob) = (server.socket("ann").await, server.socket("bob").await);
    let mut naive = server.naive("cat").await;
    let answer = server.publish(&example(&json!({"everyone": true}))).await.expect(202).json();
    assert_eq!((&answer["recipients"], &answer["notifications"]), (&Value::Null, &json!([])));
    for frame in [ann.next_alert().await, bob.next_alert().await, naive.next_alert().await] {
        assert_eq!(
            (&frame["stream"], &frame["seq"], &frame["unread"]),
            (&json!("all"), &json!(1), &json!(1))
        );
        assert_eq!(frame["id"], answer["id"]);
    }
    let id = answer["id"].as_str().expect("an id").to_owned();
    assert_eq!(server.change("ann", &[&id], "read").await["unread"], 0);
    let changed = ann.next_of_type("inbox-changed").await;
    assert_eq!((&changed["stream"], &changed["data"]["unread"]), (&json!("user"), &json!(0)));
    assert_eq!(server.unread("bob").await, 1, "what one reads stays unread for the other");
    bob.assert_silent().await;

    let mut late = server.socket("dan").await;
    assert_eq!(server.unread("dan").await, 0, "older announcements are not a newcomer's");
    server.publish(&example(&json!({"everyone": true}))).await.expect(202);
    assert_eq!(late.next_alert().await["unread"], 1);
    assert_eq!(ann.next_alert().await["unread"], 1);
    assert_eq!(bob.next_alert().await["unread"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_may_keep_its_announcements_for_latecomers() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, latecomers) in [("notice", "include"), ("flash", "exclude")] {
        let kind = format!("kind = \"{name}\"\nlatecomers = \"{latecomers}\"\n");
        std::fs::write(dir.path().join(format!("{name}.toml")), kind).expect("the kind's file");
    }
    let mut server = TestServer::with(|config| config.kinds.dir = Some(dir.path().to_owned())).await;
    let mut ids = Vec::new();
    for kind in ["notice", "flash", "notice"] {
        let alert = json!({"to": {"everyone": true}, "kind": kind});
        let answer = server.publish(&alert).await.expect(202).json();
        ids.push(answer["id"].as_str().expect("an id").to_owned());
    }

    let mut plain = server.naive("cat").await;
    for id in [&ids[0], &ids[2]] {
        assert_eq!(plain.next_alert().await["id"], **id, "a plain client is sent what is there");
    }
    let (mut phone, mut laptop) = (server.socket("dan").await, server.socket("dan").await);
    let page = server.user_get("dan", "/v1/inbox").await.expect(200).json();
    let listed: Vec<&Value> =
        page["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
    assert_eq!(listed, [&json!(ids[2]), &json!(ids[0])]);
    assert_eq!(page["unread"], 2);
    phone.send(json!({"type": "read", "data": {"ids": [ids[0], ids[1]]}})).await;
    for device in [&mut phone, &mut laptop] {
        let data = device.next_of_type("inbox-changed").await["data"].take();
        assert_eq!((&data["changes"][0]["ids"][0], &data["unread"]), (&json!(ids[0]), &json!(1)));
    }

    server.restart().await;
    let path = format!("/v1/alerts/{}", ids[2]);
    server.send(server.as_back_end(Method::DELETE, &path)).await.expect(204);
    let cursor = page["complete_to"].as_str().expect("a cursor");
    let mut back = server.resume("dan", cursor).await;
    let caught_up = back.next_of_type("catch-up").await;
    let changes = caught_up["data"]["changes"].as_array().expect("changes");
    assert_eq!((changes.len(), &caught_up["data"]["unread"]), (2, &json!(0)));
    server.publish(&json!({"to": {"everyone": true}, "kind": "flash"})).await.expect(202);
    assert_eq!(back.next_alert().await["unread"], 1);
    assert_eq!(server.unread("eve").await, 1, "the notice that is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_256_recipients_are_fanned_out_and_each_gets_it_once() {
    let server = TestServer::start().await;
    let users: Vec<String> = (0..700).map(|number| format!("user-{number:03}")).collect();
    let (mut first, mut last) = (server.socket("user-000").await, server.socket("user-699").await);
    let mut outside = server.socket("user-700").await;
    let answer = server.publish(&example(&json!({"users": users}))).await.expect(202).json();
    assert_eq!((&answer["recipients"], &answer["notifications"]), (&json!(700), &json!([])));
    for socket in [&mut first, &mut last] {
        let frame = socket.next_alert().await;
        assert_eq!((&frame["id"], &frame["seq"], &frame["unread"]), (&answer["id"], &json!(1), &json!(1)));
    }
    let path = format!("/v1/alerts/{}", answer["id"].as_str().expect("an id"));
    eventually("the end of the fan-out", || async {
        (server.get(&path).await.expect(200).json()["expanded"] == 700).then_some(())
    })
    .await;
    for user in ["user-255", "user-256", "user-500"] {
        assert_eq!(server.unread(user).await, 1, "{user}");
    }
    outside.assert_silent().await;
    first.assert_silent().await;
    server.send(server.as_back_end(Method::DELETE, &path)).await.expect(204);
    for socket in [&mut first, &mut last] {
        let changed = socket.next_of_type("inbox-changed").await;
        assert_eq!(changed["data"]["changes"][0]["state"], "recalled");
        assert_eq!(changed["data"]["unread"], 0);
    }
    eventually("the recall's last chunk", || async {
        (server.services().store.gauges().fanouts == 0).then_some(())
    })
    .await;
    assert_eq!(server.unread("user-500").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_says_where_an_alert_stands() {
    let server = TestServer::start().await;
    let mut ann = server.socket("ann").await;
    let answer = server.publish(&example(&json!({"users": ["ann", "bob"]}))).await.expect(202).json();
    let frame = ann.next_alert().await;
    let path = format!("/v1/alerts/{}", answer["id"].as_str().expect("an id"));
    ann.send(json!({"type": "ack", "data": {"stream": "user", "after": 0, "up_to": frame["seq"], "level": "received"}}))
        .await;
    let level = |trace: &Value, user: usize| trace["trace"][user]["level"].clone();
    let trace = eventually("ann's receipt", || async {
        let trace = server.get(&path).await.expect(200).json();
        (level(&trace, 0) == "received").then_some(trace)
    })
    .await;
    assert_eq!(trace["recipients"], 2);
    assert_eq!((&trace["trace"][0]["user"], &trace["trace"][1]["user"]), (&json!("ann"), &json!("bob")));
    assert_eq!(level(&trace, 1), Value::Null, "nobody confirmed for bob");
}
