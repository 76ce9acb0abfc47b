//! Whoever calls a server from outside: back ends with the API key, users with tokens.

use crate::events::Events;
use crate::socket::{Opening, Socket};
use belfry_protocol::UserId;
use belfry_server::auth::{Minter, NewToken, SecretOptions, VerifierOptions};
use belfry_server::clock;
use belfry_store::UnixMs;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in the answer {}: {}", self.status, self.text))
    }

    /// The body's lines as JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.text.lines().map(parse).collect()
    }

    /// A header's text, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer, if it has this status; else a panic with what it said.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the answer was {}", self.text);
        self
    }

    /// Asserts a problem document of this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}: {}", self.status, self.text);
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["type"].as_str().is_some_and(|page| page.ends_with(code)), "{problem}");
        let said = |field: &str| problem[field].as_str().is_some_and(|text| !text.is_empty());
        assert!(said("title") && said("detail"), "{problem}");
        self
    }

    /// The pointers of a problem document.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect()
    }
}

/// Knows a server's address and secrets.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `http://host:port`.
    pub url: String,
    /// A key with every scope.
    pub api_key: String,
    /// Signs tokens.
    pub secret: String,
    /// For everything that is not asked by a method of its own.
    pub http: reqwest::Client,
    minter: Minter,
}

impl Caller {
    /// A caller of this address with secrets of its own.
    pub fn new(url: impl Into<String>) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let api_key = format!("bk_{}", uuid::Uuid::new_v4().simple());
        let options = VerifierOptions {
            secrets: vec![SecretOptions { kid: None, secret: SecretString::from(secret.clone()) }],
            ..VerifierOptions::default()
        };
        let minter = Minter::new(&options).expect("the secret is long enough");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without special settings");
        Self { url: url.into(), api_key, secret, http, minter }
    }

    /// The same one, calling another address.
    #[must_use]
    pub fn calling(&self, url: impl Into<String>) -> Self {
        Self { url: url.into(), ..self.clone() }
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    // ---- tokens

    /// A token that is valid for an hour.
    pub fn token(&self, user: &str) -> String {
        self.token_valid(user, Duration::from_secs(3600))
    }

    /// A token that expires after this time; whole seconds count.
    pub fn token_valid(&self, user: &str, valid_for: Duration) -> String {
        let now = clock::now().unix_ms().0;
        let valid_for = i64::try_from(valid_for.as_millis()).expect("a test's token does not last so long");
        self.mint(user, now, now + valid_for)
    }

    /// A token that expired a minute ago.
    pub fn expired_token(&self, user: &str) -> String {
        let now = clock::now().unix_ms().0;
        self.mint(user, now - 120_000, now - 60_000)
    }

    /// A token with these moments, in milliseconds since 1970.
    pub fn mint(&self, user: &str, issued_at: i64, expires_at: i64) -> String {
        let user: UserId = user.parse().expect("a test's user id is valid");
        let extra = serde_json::Map::new();
        let token = NewToken { user, issued_at: UnixMs(issued_at), expires_at: UnixMs(expires_at), extra };
        self.minter.mint(token).expose_secret().to_owned()
    }

    /// A token that is valid for an hour and names the key that signed it.
    pub fn token_of_key(&self, user: &str, kid: &str) -> String {
        let secret = SecretString::from(self.secret.clone());
        let options = VerifierOptions {
            secrets: vec![SecretOptions { kid: Some(kid.to_owned()), secret }],
            ..VerifierOptions::default()
        };
        let minter = Minter::new(&options).expect("the secret is long enough");
        let user: UserId = user.parse().expect("a test's user id is valid");
        let now = clock::now().unix_ms().0;
        let (issued_at, expires_at) = (UnixMs(now), UnixMs(now + 3_600_000));
        let token = NewToken { user, issued_at, expires_at, extra: serde_json::Map::new() };
        minter.mint(token).expose_secret().to_owned()
    }

    // ---- HTTP

    /// Sends a request; a panic where no answer comes.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("the server answers");
        Answer::of(response).await.expect("the answer has an end")
    }

    /// A request with the API key.
    pub fn as_back_end(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.at(path)).bearer_auth(&self.api_key)
    }

    /// A request with a token of the user.
    pub fn as_user(&self, user: &str, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.at(path)).bearer_auth(self.token(user))
    }

    /// `POST /v1/alerts`.
    pub async fn publish(&self, alert: &Value) -> Answer {
        self.send(self.as_back_end(http::Method::POST, "/v1/alerts").json(alert)).await
    }

    /// `POST /v1/alerts` with an idempotency key.
    pub async fn publish_once(&self, key: &str, alert: &Value) -> Answer {
        let request = self.as_back_end(http::Method::POST, "/v1/alerts").header("Idempotency-Key", key);
        self.send(request.json(alert)).await
    }

    /// Publishes a numbered alert to a user and gives back its id.
    pub async fn alert(&self, user: &str, number: u64) -> String {
        let answer = self.publish(&numbered(user, number)).await.expect(202).json();
        answer["id"].as_str().expect("a 202 has an id").to_owned()
    }

    /// A call of a back end with a JSON body.
    pub async fn call(&self, method: http::Method, path: &str, body: &Value) -> Answer {
        self.send(self.as_back_end(method, path).json(body)).await
    }

    /// A call of a back end without a body.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.as_back_end(http::Method::GET, path)).await
    }

    /// A user's `GET`.
    pub async fn user_get(&self, user: &str, path: &str) -> Answer {
        self.send(self.as_user(user, http::Method::GET, path)).await
    }

    /// A user's call with a JSON body.
    pub async fn user_call(&self, user: &str, method: http::Method, path: &str, body: &Value) -> Answer {
        self.send(self.as_user(user, method, path).json(body)).await
    }

    /// Changes items of a user over HTTP.
    pub async fn change(&self, user: &str, ids: &[&str], state: &str) -> Value {
        let body = json!({"ids": ids, "state": state});
        self.user_call(user, http::Method::POST, "/v1/inbox/state", &body).await.expect(200).json()
    }

    /// A user's unread count as the store has it.
    pub async fn unread(&self, user: &str) -> u64 {
        let answer = self.user_get(user, "/v1/inbox/unread-count").await.expect(200).json();
        answer["unread"].as_u64().expect("the count is a number")
    }

    /// Every item of a user's inbox, newest first, over all pages.
    pub async fn inbox(&self, user: &str) -> Vec<Value> {
        let (mut items, mut before) = (Vec::new(), String::new());
        loop {
            let page = self.user_get(user, &format!("/v1/inbox?limit=200{before}")).await.expect(200).json();
            items.extend(page["items"].as_array().expect("a page has items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => return items,
            }
        }
    }

    // ---- live

    /// A socket of the user that speaks `belfry.v1`, past its first frame, live from here on.
    pub async fn socket(&self, user: &str) -> Socket {
        let mut socket = Socket::open(Opening::v1(&self.url).bearer(&self.token(user))).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {}})).await;
        socket.settle().await;
        socket
    }

    /// A socket of the user that resumes at a cursor, with its first frame read.
    pub async fn resume(&self, user: &str, cursor: &str) -> Socket {
        let mut socket = Socket::open(Opening::v1(&self.url).bearer(&self.token(user))).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {"cursor": cursor}})).await;
        socket
    }

    /// A socket of a client that knows only `{type, data, timestamp}`, past its first frame.
    pub async fn naive(&self, user: &str) -> Socket {
        let mut socket = Socket::open(Opening::naive(&self.url).bearer(&self.token(user))).await;
        socket.next_of_type("connection-established").await;
        socket
    }

    /// An event stream of the user, read by an SDK, past its first frame.
    pub async fn events(&self, user: &str) -> Events {
        let mut events = Events::open(self.as_user(user, http::Method::GET, "/v1/events")).await;
        events.next_of_type("connection-established").await;
        events
    }
}

/// An alert whose payload is a number.
pub fn numbered(user: &str, number: u64) -> Value {
    json!({"to": {"user": user}, "kind": "numbered", "title": format!("Number {number}"), "data": {"n": number}})
}
