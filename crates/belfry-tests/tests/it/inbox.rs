//! One inbox on several screens: what one session does, the others hear, and all of them count the same.

use belfry_server::clock;
use belfry_tests::caller::numbered;
use belfry_tests::{Socket, TestServer, eventually};
use http::Method;
use serde_json::{Value, json};

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

async fn page(server: &TestServer, query: &str) -> Value {
    server.user_get("ann", &format!("/v1/inbox{query}")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn read_up_to_in_one_session_changes_the_count_in_the_other() {
    let server = TestServer::start().await;
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let mut other = server.socket("bob").await;
    for number in 1..=3 {
        server.alert("ann", number).await;
        assert_eq!(here.next_alert().await["unread"], number);
        assert_eq!(there.next_alert().await["unread"], number);
    }
    let cursor = page(&server, "").await["complete_to"].clone();
    server.alert("ann", 4).await;
    assert_eq!(there.next_alert().await["unread"], 4);
    here.send(json!({"type": "read", "data": {"up_to": cursor}})).await;
    for socket in [&mut here, &mut there] {
        let changed = socket.next_of_type("inbox-changed").await;
        assert_eq!(changed["data"]["unread"], 1, "what arrived meanwhile stays unread");
        assert_eq!(changed["data"]["changes"], json!([{"up_to": cursor, "state": "read"}]));
        assert_eq!((&changed["stream"], &changed["seq"]), (&json!("user"), &json!(5)));
    }
    assert_eq!(server.unread("ann").await, 1);
    other.assert_silent().await;
    server.alert("ann", 5).await;
    assert_eq!(there.next_alert().await["unread"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_to_every_session_and_kept() {
    let server = TestServer::start().await;
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let id = server.alert("ann", 1).await;
    for (verb, state, unread) in [
        ("seen", "seen", 1),
        ("read", "read", 0),
        ("unread", "unread", 1),
        ("archive", "archived", 0),
        ("unarchive", "unarchived", 1),
        ("acted", "acted", 0),
    ] {
        here.send(json!({"type": verb, "data": {"ids": [id]}})).await;
        let changed = there.next_of_type("inbox-changed").await;
        assert_eq!(changed["data"]["changes"], json!([{"ids": [id], "state": state}]), "{verb}");
        let counted = changed["data"]["unread"].clone();
        assert_eq!(server.unread("ann").await, counted.as_u64().expect("a count"), "{verb}");
        if verb != "unarchive" && verb != "acted" {
            assert_eq!(counted, unread, "{verb}");
        }
        assert_eq!(here.next_of_type("inbox-changed").await["data"]["unread"], counted, "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_is_told_to_nobody() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let id = server.alert("ann", 1).await;
    let foreign = server.alert("bob", 1).await;
    server.change("ann", &[&id], "read").await;
    // It comes once the count was read, which a server takes its time for.
    socket.next_of_type("inbox-changed").await;
    socket.settle().await;
    let again = server.change("ann", &[&id], "read").await;
    assert_eq!((&again["unread"], &again["seq"]), (&json!(0), &json!(2)));
    server.change("ann", &[&foreign], "read").await;
    server.change("ann", &[], "read").await;
    socket.assert_silent().await;
    assert_eq!(server.unread("bob").await, 1, "nobody reads for somebody else");
}

/// The last count a session was told.
fn last_unread(frames: &[Value]) -> Option<u64> {
    frames.iter().rev().find_map(|frame| {
        let unread = if frame["id"].is_string() { &frame["unread"] } else { &frame["data"]["unread"] };
        unread.as_u64()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn after_random_changes_every_session_counts_what_the_store_counts() {
    let server = TestServer::with(|config| {
        config.limits.inbound_frames_per_second = 100_000;
        config.limits.inbound_frames_burst = 100_000;
    })
    .await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sockets = [server.socket("ann").await, server.socket("ann").await];
    let mut told = [0, 0];
    let mut known: Vec<String> = Vec::new();
    for step in 0..250_u64 {
        match random.u8(0..10) {
            0..=2 => known.push(server.alert("ann", step).await),
            3 => {
                let everyone = json!({"to": {"everyone": true}, "kind": "k"});
                let answer = server.publish(&everyone).await.expect(202).json();
                known.push(answer["id"].as_str().expect("an id").to_owned());
            }
            4 if !known.is_empty() => {
                let id = known.swap_remove(random.usize(0..known.len()));
                let request = server.as_back_end(Method::DELETE, &format!("/v1/alerts/{id}"));
                server.send(request).await.expect(204);
            }
            5 => {
                let cursor = page(&server, "?limit=1").await["complete_to"].clone();
                let verb = *random.choice(&["read", "seen"]).expect("two verbs");
                let sender = random.usize(0..2);
                sockets[sender].send(json!({"type": verb, "data": {"up_to": cursor}})).await;
            }
            _ => {
                let chosen: Vec<&String> = known.iter().filter(|_| random.u8(0..4) == 0).take(20).collect();
                let verbs = ["read", "unread", "archive", "unarchive", "seen", "acted"];
                let verb = *random.choice(&verbs).expect("six verbs");
                let sender = random.usize(0..2);
                sockets[sender].send(json!({"type": verb, "data": {"ids": chosen}})).await;
            }
        }
        if step % 10 == 9 {
            // Both sessions' changes are done before either count is compared.
            let mut first = sockets[0].settle().await;
            let mut second = sockets[1].settle().await;
            until_equal(&server, &mut sockets, (&mut first, &mut second), &mut told, seed).await;
        }
    }
    // A last change may come between the two questions.
    eventually(&format!("seed {seed}: the count of the list"), || async {
        let listed = server.inbox("ann").await;
        let unread = listed.iter().filter(|item| item["state"]["read"] == false).count() as u64;
        (server.unread("ann").await == unread).then_some(())
    })
    .await;
}

/// A change may still be on its way to the store when its session answers a ping.
async fn until_equal(
    server: &TestServer,
    sockets: &mut [Socket; 2],
    frames: (&mut Vec<Value>, &mut Vec<Value>),
    told: &mut [u64; 2],
    seed: u64,
) {
    for _ in 0..200 {
        told[0] = last_unread(frames.0).unwrap_or(told[0]);
        told[1] = last_unread(frames.1).unwrap_or(told[1]);
        let stored = server.unread("ann").await;
        *frames.0 = sockets[0].settle().await;
        *frames.1 = sockets[1].settle().await;
        if told[0] == stored && told[1] == stored && frames.0.is_empty() && frames.1.is_empty() {
            return;
        }
    }
    panic!("seed {seed}: the sessions say {told:?}, the store {}", server.unread("ann").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_item_once_while_new_ones_arrive() {
    let server = TestServer::start().await;
    for number in 1..=25 {
        server.alert("ann", number).await;
    }
    let (mut numbers, mut before) = (Vec::new(), String::new());
    loop {
        let page = page(&server, &format!("?limit=10{before}")).await;
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 10);
        numbers.extend(items.iter().filter_map(|item| item["data"]["n"].as_u64()));
        server.alert("ann", 1_000).await;
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(numbers, (1..=25).rev().collect::<Vec<u64>>());
    for query in [
        "?limit=0",
        "?limit=201",
        "?limit=x",
        "?before=xyz",
        "?unread=perhaps",
        "?colour=red",
        "?limit=1&limit=2",
    ] {
        let answer = server.user_get("ann", &format!("/v1/inbox{query}")).await;
        answer.expect_problem(400, "query-invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_list() {
    let server = TestServer::start().await;
    let post = async |kind: &str, category: &str| {
        let alert = json!({"to": {"user": "ann"}, "kind": kind, "category": category});
        server.publish(&alert).await.expect(202).json()["id"].as_str().expect("an id").to_owned()
    };
    let deal = post("deal", "shopping").await;
    let price = post("price", "shopping").await;
    let breach = post("breach", "security").await;
    server.change("ann", &[&deal], "read").await;
    server.change("ann", &[&breach], "archived").await;
    for (query, expected) in [
        ("", vec![&price, &deal]),
        ("?unread=true", vec![&price]),
        ("?unread=false", vec![&deal]),
        ("?category=shopping", vec![&price, &deal]),
        ("?category=security", vec![]),
        ("?kind=deal", vec![&deal]),
        ("?archived=true", vec![&breach]),
        ("?archived=true&category=shopping", vec![]),
    ] {
        let page = page(&server, query).await;
        assert_eq!(
            ids(page["items"].as_array().expect("items")).iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
        assert_eq!(page["unread"], 1, "{query}: the count is of the whole inbox");
    }
    server.change("ann", &[&breach], "unarchived").await;
    assert_eq!(page(&server, "?category=security").await["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_alert_leaves_every_screen() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let mut naive = server.naive("ann").await;
    let id = server.alert("ann", 1).await;
    socket.next_alert().await;
    let path = format!("/v1/alerts/{id}");
    for _ in 0..2 {
        server.send(server.as_back_end(Method::DELETE, &path)).await.expect(204);
    }
    let changed = socket.next_of_type("inbox-changed").await;
    assert_eq!(changed["data"], json!({"changes": [{"ids": [id], "state": "recalled"}], "unread": 0}));
    socket.assert_silent().await;
    assert_eq!(naive.settle().await.len(), 1, "the alert itself, and nothing it does not know");
    assert_eq!(server.inbox("ann").await, Vec::<Value>::new());
    assert!(server.get(&path).await.expect(200).json()["recalled_at"].is_string());
    let unknown = format!("/v1/alerts/{}", uuid::Uuid::now_v7());
    server.send(server.as_back_end(Method::DELETE, &unknown)).await.expect_problem(404, "alert-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_alert_leaves_every_screen_at_the_same_number() {
    let server = TestServer::start().await;
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let expires_at = clock::timestamp(belfry_store::UnixMs(clock::now().unix_ms().0 + 600)).to_string();
    let mut alert = numbered("ann", 1);
    alert["expires_at"] = json!(expires_at);
    let answer = server.publish(&alert).await.expect(202).json();
    let everyone = json!({"to": {"everyone": true}, "kind": "k", "expires_at": expires_at});
    server.publish(&everyone).await.expect(202);
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.next_alert().await["unread"], 1);
        assert_eq!(socket.next_alert().await["unread"], 2);
        let (mut streams, mut unread) = (Vec::new(), Value::Null);
        for _ in 0..2 {
            let changed = socket.next_of_type("inbox-changed").await;
            assert_eq!(changed["data"]["changes"][0]["state"], "expired");
            if changed["stream"] == "user" {
                assert_eq!(
                    (&changed["seq"], &changed["data"]["changes"][0]["ids"]),
                    (&json!(2), &json!([answer["id"]]))
                );
            }
            streams.push(changed["stream"].as_str().unwrap_or_default().to_owned());
            unread = changed["data"]["unread"].clone();
        }
        streams.sort();
        assert_eq!((streams, unread), (vec!["all".to_owned(), "user".to_owned()], json!(0)));
    }
    assert_eq!(server.inbox("ann").await.len(), 0);
    assert_eq!(server.unread("ann").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collapsed_alert_takes_the_place_of_the_unread_one() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let post = async |number: u64| {
        let mut alert = numbered("ann", number);
        alert["collapse_key"] = json!("basket");
        server.publish(&alert).await.expect(202).json()["id"].as_str().expect("an id").to_owned()
    };
    let first = post(1).await;
    assert_eq!(socket.next_alert().await["replaces"], Value::Null);
    let second = post(2).await;
    let frame = socket.next_alert().await;
    assert_eq!(
        (&frame["replaces"], &frame["unread"], &frame["seq"]),
        (&json!([first]), &json!(1), &json!(2))
    );
    assert_eq!(ids(&server.inbox("ann").await), [second.as_str()]);
    assert_eq!(
        server.change("ann", &[&first], "read").await["unread"],
        1,
        "a replaced one changes nothing any more"
    );
    server.change("ann", &[&second], "read").await;
    socket.settle().await;
    let third = post(3).await;
    assert_eq!(socket.next_alert().await["replaces"], Value::Null, "what was read stays");
    assert_eq!(ids(&server.inbox("ann").await), [third.as_str(), second.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn do_not_disturb_is_told_to_every_session_and_makes_alerts_quiet() {
    let server = TestServer::start().await;
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let mut other = server.socket("bob").await;
    for (until, active) in [(json!("2099-01-01T00:00:00Z"), true), (Value::Null, false)] {
        let body = json!({"until": until});
        server.user_call("ann", Method::PUT, "/v1/do-not-disturb", &body).await.expect(200);
        for socket in [&mut here, &mut there] {
            let changed = socket.next_of_type("settings-changed").await;
            assert_eq!(changed["data"]["do_not_disturb"]["active"], active);
        }
        server.publish(&json!({"to": {"users": ["ann", "bob"]}, "kind": "k"})).await.expect(202);
        assert_eq!(here.next_alert().await["quiet"], active);
        assert_eq!(there.next_alert().await["quiet"], active);
        assert_eq!(other.next_alert().await["quiet"], false);
        let stored = server.user_get("ann", "/v1/do-not-disturb").await.expect(200).json();
        assert_eq!(stored["until"], until);
    }
    let wrong = json!({"schedule": [{"days": ["mon"], "from": "25:00", "to": "07:00"}]});
    let answer = server.user_call("ann", Method::PUT, "/v1/do-not-disturb", &wrong).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/schedule/0/from"]);
}
