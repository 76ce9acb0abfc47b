//! An identity provider that publishes whatever a test tells it to.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Clone)]
struct Shared {
    answer: Arc<Mutex<(u16, String)>>,
    requests: watch::Sender<usize>,
    doors: watch::Sender<Doors>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doors {
    Open,
    Shut,
}

pub(super) struct JwksServer {
    shared: Shared,
    port: u16,
    tasks: JoinSet<()>,
}

impl JwksServer {
    pub(super) async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared {
            answer: Arc::new(Mutex::new((200, String::new()))),
            requests: watch::channel(0).0,
            doors: watch::channel(Doors::Open).0,
        };
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let server = Self { shared, port, tasks };
        server.publish(keys);
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    /// Publishes these keys from now on.
    pub(super) fn publish(&self, keys: &[Value]) {
        self.respond(200, json!({ "keys": keys }).to_string());
    }

    pub(super) fn respond(&self, status: u16, body: String) {
        *self.shared.answer.lock().unwrap() = (status, body);
    }

    /// Takes requests and answers none until [`open`](Self::open).
    pub(super) fn shut(&self) {
        self.shared.doors.send_replace(Doors::Shut);
    }

    pub(super) fn open(&self) {
        self.shared.doors.send_replace(Doors::Open);
    }

    pub(super) fn requests(&self) -> usize {
        *self.shared.requests.borrow()
    }

    /// Waits until so many requests have come.
    pub(super) async fn requested(&self, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        let wait = requests.wait_for(|n| *n >= count);
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("requests within the deadline")
            .unwrap();
    }

    /// Goes away.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn answer(State(shared): State<Shared>) -> Response<Body> {
    shared.requests.send_modify(|n| *n += 1);
    let _ = shared.doors.subscribe().wait_for(|doors| *doors == Doors::Open).await;
    let (status, body) = shared.answer.lock().unwrap().clone();
    let mut response = Response::builder().status(status);
    if (300..400).contains(&status) {
        response = response.header("location", body.as_str());
    }
    response.body(Body::from(body)).unwrap()
}
