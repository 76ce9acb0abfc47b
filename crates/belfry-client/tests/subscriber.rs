//! The subscriber against a server that follows a script, over real sockets.

use belfry_client::{
    Backoff, Connection, Event, EventStream, FrameRate, Items, NotLive, Origin, Receipts, StopReason,
    Subscriber, SubscriberOptions, TokenPlace, TokenReason, TokenSource,
};
use belfry_protocol::AlertId;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const DEADLINE: Duration = Duration::from_secs(20);
const EPOCH: &str = "9f1c22ab00e1d2c3";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("happens before the deadline")
}

struct Script {
    listener: TcpListener,
}

/// One accepted connection.
struct Peer {
    socket: WebSocketStream<TcpStream>,
    /// `Authorization`, `Sec-WebSocket-Protocol` and the path as the client sent them.
    authorization: Option<String>,
    protocols: String,
    path: String,
}

impl Script {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port is free") }
    }

    fn options(&self, token: impl Into<TokenSource>) -> SubscriberOptions {
        let url = format!("http://{}/prefix", self.listener.local_addr().expect("is bound"));
        let ladder = vec![Duration::from_millis(20)];
        SubscriberOptions::new(url, token).backoff(Backoff { ladder, ..Backoff::default() })
    }

    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    async fn accept(&self) -> Peer {
        let (stream, _) = soon(self.listener.accept()).await.expect("the client connects");
        let (mut authorization, mut protocols, mut path) = (None, String::new(), String::new());
        let take = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let header = |name: &str| {
                let value = request.headers().get(name)?;
                Some(value.to_str().expect("is text").to_owned())
            };
            authorization = header("authorization");
            protocols = header("sec-websocket-protocol").unwrap_or_default();
            path = request.uri().to_string();
            let chosen = HeaderValue::from_static("belfry.v1");
            response.headers_mut().insert("sec-websocket-protocol", chosen);
            Ok(response)
        };
        let socket = soon(accept_hdr_async(stream, take)).await.expect("is an upgrade");
        Peer { socket, authorization, protocols, path }
    }

    /// Accepts, welcomes, and reads the resume.
    async fn welcome(&self, user_seq: u64) -> (Peer, Value) {
        let mut peer = self.accept().await;
        peer.send(established("ann", user_seq)).await;
        let resume = peer.frame("resume").await;
        (peer, resume["data"]["cursor"].clone())
    }
}

impl Peer {
    async fn send(&mut self, frame: Value) {
        soon(self.socket.send(Message::text(frame.to_string()))).await.expect("the client reads");
    }

    /// The next frame of this type; others are passed over.
    async fn frame(&mut self, name: &str) -> Value {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("is JSON");
                    if frame["type"] == name {
                        return frame;
                    }
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?} instead of `{name}`"),
            }
        }
    }

    /// The next range that reaches so far.
    async fn ack(&mut self, up_to: u64) -> Value {
        loop {
            let ack = self.frame("ack").await;
            if ack["data"]["up_to"] == up_to {
                return ack["data"].clone();
            }
        }
    }

    async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "scripted".into() };
        self.socket.close(Some(frame)).await.expect("can be closed");
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
    }

    async fn closed_with(mut self) -> Option<u16> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    }
}

fn established(user: &str, user_seq: u64) -> Value {
    json!({"type": "connection-established", "timestamp": "2026-01-02T03:04:05Z", "data": {
        "connection_id": "019ac5f2-8e10-7000-9c4d-5b7a1e2f3c42",
        "user_id": user,
        "head": format!("{EPOCH}.{user_seq}.0"),
        "unread": 0,
        "do_not_disturb": {"active": false, "until": null, "schedule": [], "time_zone": null},
        "heartbeat": {"interval_ms": 30_000, "timeout_ms": 10_000},
        "ack": "frames",
        "token_expires_at": null,
        "server": {"node": "script", "version": "0"},
    }})
}

fn id(seq: u64) -> AlertId {
    AlertId::from_parts(seq as i64, seq)
}

fn alert(seq: u64, data: Value) -> Value {
    json!({"type": "kind", "data": data, "timestamp": "2026-01-02T03:04:05Z", "id": id(seq), "stream": "user",
        "title": "t", "body": null, "severity": "info", "category": "kind", "link": null, "thread": null,
        "expires_at": null, "seq": seq, "unread": seq, "quiet": false})
}

fn catch_up(after: u64, to: u64) -> Value {
    let items: Vec<Value> = (after + 1..=to)
        .map(|seq| {
            let mut item = alert(seq, json!({}));
            let fields = item.as_object_mut().expect("is an object");
            fields.remove("unread");
            fields.insert("version".to_owned(), seq.into());
            fields.insert("state".to_owned(), json!({}));
            item
        })
        .collect();
    let covers = json!({"after": format!("{EPOCH}.{after}.0"), "to": format!("{EPOCH}.{to}.0")});
    json!({"type": "catch-up", "timestamp": "2026-01-02T03:04:05Z",
        "data": {"changes": [], "items": items, "covers": covers, "unread": to, "more": false}})
}

async fn next_alert(events: &mut EventStream) -> (u64, Origin) {
    loop {
        match soon(events.next()).await.expect("goes on") {
            Event::Alert(item, origin) => return (item.seq.0, origin),
            Event::Connection(Connection::Stopped(reason)) => panic!("stopped: {reason}"),
            _ => {}
        }
    }
}

async fn next_state(events: &mut EventStream) -> Connection {
    loop {
        if let Event::Connection(state) = soon(events.next()).await.expect("goes on") {
            return state;
        }
    }
}

async fn stopped(events: &mut EventStream) -> StopReason {
    loop {
        if let Connection::Stopped(reason) = next_state(events).await {
            assert!(soon(events.next()).await.is_none(), "the stream ends with the stop");
            return reason;
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_goes_on_where_it_stood() {
    let script = Script::new().await;
    let (subscriber, mut events) = Subscriber::connect(script.options("secret")).expect("is an address");

    let (mut peer, cursor) = script.welcome(4).await;
    assert_eq!((peer.path.as_str(), peer.protocols.as_str()), ("/prefix/ws", "belfry.v1"));
    assert_eq!(peer.authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(cursor, Value::Null);
    peer.send(alert(5, json!({}))).await;
    assert_eq!(next_alert(&mut events).await, (5, Origin::Live));
    let ack = peer.ack(5).await;
    assert_eq!(ack, json!({"stream": "user", "after": 4, "up_to": 5, "level": "received"}));
    peer.close(4001).await;

    let (mut peer, cursor) = script.welcome(7).await;
    assert_eq!(cursor, format!("{EPOCH}.5.0"));
    peer.send(catch_up(5, 7)).await;
    peer.send(alert(8, json!({}))).await;
    for expected in [(6, Origin::CatchUp), (7, Origin::CatchUp), (8, Origin::Live)] {
        assert_eq!(next_alert(&mut events).await, expected);
    }
    // The range begins where the unbroken run began: what the first connection may have lost is in it.
    assert_eq!(peer.ack(8).await["after"], 4);
    assert_eq!(subscriber.cursor().map(|cursor| cursor.to_string()), Some(format!("{EPOCH}.8.0")));

    // The socket dies without a word.
    drop(peer);
    let (_peer, cursor) = script.welcome(8).await;
    assert_eq!(cursor, format!("{EPOCH}.8.0"));
}

#[tokio::test]
async fn a_gap_in_live_frames_is_fetched() {
    let script = Script::new().await;
    let from = format!("{EPOCH}.4.0").parse().ok();
    let options = script.options("secret").from(from);
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, cursor) = script.welcome(4).await;
    assert_eq!(cursor, format!("{EPOCH}.4.0"));
    peer.send(catch_up(4, 4)).await;
    for seq in [5, 7, 8] {
        peer.send(alert(seq, json!({}))).await;
    }
    assert_eq!(peer.frame("resume").await["data"]["cursor"], format!("{EPOCH}.5.0"));
    peer.send(catch_up(5, 8)).await;
    peer.send(alert(9, json!({}))).await;
    for seq in 5..=9 {
        assert_eq!(next_alert(&mut events).await.0, seq);
    }
}

#[tokio::test]
async fn a_question_that_was_passed_over_is_asked_again() {
    let script = Script::new().await;
    let answer_timeout = Duration::from_millis(50);
    let options = SubscriberOptions { answer_timeout, ..script.options("secret") };
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, _) = script.welcome(4).await;
    peer.send(alert(6, json!({}))).await;
    for _ in 0..3 {
        assert_eq!(peer.frame("resume").await["data"]["cursor"], format!("{EPOCH}.4.0"));
    }
    peer.send(catch_up(4, 6)).await;
    for seq in [5, 6] {
        assert_eq!(next_alert(&mut events).await, (seq, Origin::CatchUp));
    }
}

#[tokio::test]
async fn more_than_the_server_takes_is_held_back() {
    let script = Script::new().await;
    let rate = FrameRate { per_second: 1_000.0, burst: 2.0 };
    let options = script.options("secret").frame_rate(rate);
    let (subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, _) = script.welcome(0).await;
    while !next_state(&mut events).await.is_live() {}
    let before = Instant::now();
    let (sent, ()) = tokio::join!(
        async {
            for n in 1..=50 {
                subscriber.read(id(n)).await.expect("is live");
            }
            before.elapsed()
        },
        async {
            for n in 1..=50 {
                assert_eq!(peer.frame("read").await["data"]["ids"], json!([id(n)]));
            }
        }
    );
    assert!(sent >= Duration::from_millis(40), "{sent:?}");
}

#[tokio::test]
async fn receipts_that_the_server_ignored_are_sent_again() {
    let script = Script::new().await;
    let (_subscriber, mut events) = Subscriber::connect(script.options("secret")).expect("is an address");
    let (mut peer, _) = script.welcome(4).await;
    peer.send(alert(5, json!({}))).await;
    assert_eq!(next_alert(&mut events).await.0, 5);
    let first = peer.ack(5).await;
    peer.send(json!({"type": "error", "timestamp": "2026-01-02T03:04:05Z",
        "data": {"code": "rate-limited", "message": "m", "retry_after_ms": 10, "docs": "/"}}))
        .await;
    assert_eq!(peer.ack(5).await, first);
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_an_expiring_one_is_renewed() {
    let script = Script::new().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let tokens = TokenSource::refresh({
        let asked = asked.clone();
        move |reason| {
            asked.lock().expect("is not poisoned").push(reason);
            async move { Ok(Some(format!("{reason:?}"))) }
        }
    });
    let options = script.options(tokens).place(TokenPlace::Subprotocol);
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");

    let mut peer = script.accept().await;
    assert_eq!(peer.protocols, "belfry.v1, bearer.Connect");
    peer.send(json!({"type": "error", "timestamp": "2026-01-02T03:04:05Z",
        "data": {"code": "unauthorized", "message": "m", "docs": "/"}}))
        .await;
    peer.close(4401).await;

    let mut peer = script.accept().await;
    assert_eq!(peer.protocols, "belfry.v1, bearer.Rejected");
    let mut hello = established("ann", 0);
    hello["data"]["token_expires_at"] = "2026-01-02T03:04:06Z".into();
    peer.send(hello).await;
    assert_eq!(peer.frame("authenticate").await["data"]["token"], "Expiring");
    while !next_state(&mut events).await.is_live() {}
    let asked = asked.lock().expect("is not poisoned").clone();
    assert_eq!(asked[..3], [TokenReason::Connect, TokenReason::Rejected, TokenReason::Expiring]);
}

#[tokio::test]
async fn who_goes_away_says_when_to_come_back() {
    let script = Script::new().await;
    let options = script.options("secret").place(TokenPlace::Query);
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, _) = script.welcome(0).await;
    assert_eq!(peer.path, "/prefix/ws?token=secret");
    peer.send(json!({"type": "going-away", "timestamp": "2026-01-02T03:04:05Z",
        "data": {"reconnect_after_ms": 37}}))
        .await;
    peer.close(4000).await;
    let hint = Duration::from_millis(37);
    loop {
        match soon(events.next()).await.expect("goes on") {
            Event::GoingAway(after) => assert_eq!(after, hint),
            Event::Connection(Connection::Reconnecting { retry_in, .. }) => break assert_eq!(retry_in, hint),
            _ => {}
        }
    }
    script.welcome(0).await;
}

#[tokio::test]
async fn a_refusal_for_good_stops_and_says_why() {
    let script = Script::new().await;
    let (_subscriber, mut events) = Subscriber::connect(script.options("secret")).expect("is an address");
    let (mut stream, _) = soon(script.listener.accept()).await.expect("the client connects");
    let mut buffer = vec![0; 4096];
    assert!(soon(stream.read(&mut buffer)).await.expect("asks") > 0);
    let problem = json!({"type": "/docs/errors/origin-not-allowed", "title": "t", "status": 403,
        "detail": "not from here", "code": "origin-not-allowed"})
    .to_string();
    let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{problem}", problem.len());
    stream.write_all(answer.as_bytes()).await.expect("listens");
    let detail = "origin-not-allowed: not from here".to_owned();
    assert_eq!(stopped(&mut events).await, StopReason::Refused { status: 403, detail });
}

#[tokio::test]
async fn another_users_stream_is_never_shown() {
    let script = Script::new().await;
    let options = script.options("secret").user("ann".parse().expect("is a user"));
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let mut peer = script.accept().await;
    peer.send(established("bob", 0)).await;
    peer.send(alert(1, json!({}))).await;
    loop {
        match soon(events.next()).await.expect("goes on") {
            Event::Alert(..) => panic!("bob's alert was shown to ann"),
            Event::Connection(Connection::Stopped(reason)) => {
                break assert_eq!(reason, StopReason::UserChanged);
            }
            _ => {}
        }
    }
    assert_eq!(peer.closed_with().await, Some(1000));
}

#[tokio::test]
async fn commands_reach_the_server_in_frames_it_takes_and_fail_while_there_is_none() {
    let script = Script::new().await;
    let (subscriber, mut events) = Subscriber::connect(script.options("secret")).expect("is an address");
    assert_eq!(subscriber.read(id(1)).await, Err(NotLive));

    let (mut peer, _) = script.welcome(0).await;
    while !next_state(&mut events).await.is_live() {}
    let ids: Vec<AlertId> = (1..=600).map(id).collect();
    let reading = tokio::join!(subscriber.read(ids.clone()), async {
        let mut read = Vec::new();
        while read.len() < ids.len() {
            let frame = peer.frame("read").await;
            assert!(frame.to_string().len() < 16 * 1024);
            read.extend(frame["data"]["ids"].as_array().expect("has ids").clone());
        }
        read
    });
    assert_eq!(reading, (Ok(()), ids.iter().map(|id| json!(id)).collect()));

    let cursor = format!("{EPOCH}.3.0").parse().expect("is a cursor");
    subscriber.seen(Items::UpTo(cursor)).await.expect("is live");
    assert_eq!(peer.frame("seen").await["data"]["up_to"], format!("{EPOCH}.3.0"));
    subscriber.displayed(&[id(2)]).await.expect("is live");
    assert_eq!(peer.frame("ack").await["data"], json!({"ids": [id(2)], "level": "displayed"}));

    peer.send(json!({"type": "ping", "timestamp": "2026-01-02T03:04:05Z",
        "data": {"heads": {"user": 0, "all": 0}, "unread": 0}}))
        .await;
    assert_eq!(peer.frame("pong").await["data"]["heads"], json!({"user": 0, "all": 0}));

    subscriber.close().await;
    assert_eq!(stopped(&mut events).await, StopReason::ClosedByCaller);
    assert_eq!(peer.closed_with().await, Some(1000));
    assert_eq!(subscriber.read(id(1)).await, Err(NotLive));
}

#[tokio::test]
async fn an_onlooker_confirms_nothing() {
    let script = Script::new().await;
    let options = script.options("secret").receipts(Receipts::Silent);
    let (subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, _) = script.welcome(0).await;
    peer.send(alert(1, json!({}))).await;
    assert_eq!(next_alert(&mut events).await.0, 1);
    subscriber.close().await;
    loop {
        match soon(peer.socket.next()).await {
            Some(Ok(Message::Text(text))) => panic!("{text} was sent"),
            Some(Ok(Message::Close(_))) | None => break,
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn a_slow_application_slows_the_server_down_and_misses_nothing() {
    let script = Script::new().await;
    let options = script.options("secret").queue(1);
    let (_subscriber, mut events) = Subscriber::connect(options).expect("is an address");
    let (mut peer, _) = script.welcome(0).await;
    let text = "x".repeat(14_000);
    // Nobody takes an event: at some point no byte goes out any more.
    let mut sent = 0;
    loop {
        let frame = Message::text(alert(sent + 1, json!({"text": text})).to_string());
        let sending = peer.socket.send(frame);
        if timeout(Duration::from_millis(300), sending).await.is_err() {
            // The frame itself is in the socket's buffer already.
            sent += 1;
            break;
        }
        sent += 1;
        assert!(sent < 20_000, "nothing holds the server back");
    }
    let flushing = async {
        peer.socket.flush().await.expect("the client reads again");
        while let Some(Ok(_)) = peer.socket.next().await {}
    };
    let reading = async {
        for seq in 1..=sent {
            assert_eq!(next_alert(&mut events).await, (seq, Origin::Live));
        }
    };
    tokio::select! {
        () = flushing => panic!("the client closed"),
        () = reading => {}
    }
}

#[tokio::test]
async fn without_a_reader_the_connection_ends() {
    let script = Script::new().await;
    let (subscriber, events) = Subscriber::connect(script.options("secret")).expect("is an address");
    let (peer, _) = script.welcome(0).await;
    drop(events);
    assert_eq!(peer.closed_with().await, Some(1000));
    assert_eq!(subscriber.read(id(1)).await, Err(NotLive));
}
