//! A raw WebSocket client: the wire is the subject, so no library of ours is in between.

use crate::deadline::within;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How a socket is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    url: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    protocols: Vec<String>,
    receive_buffer: Option<u32>,
}

impl Opening {
    /// A client that offers `belfry.v1` to the server at this `http://` address.
    pub fn v1(url: &str) -> Self {
        let plain = Self::naive(url);
        Self { protocols: vec!["belfry.v1".to_owned()], ..plain }
    }

    /// A client that offers nothing.
    pub fn naive(url: &str) -> Self {
        Self {
            url: url.replacen("http", "ws", 1),
            path: "/ws".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            protocols: Vec::new(),
            receive_buffer: None,
        }
    }

    /// Another path than `/ws`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// A token in the `Authorization` header.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A token in the default cookie.
    #[must_use]
    pub fn cookie(self, token: &str) -> Self {
        self.header("cookie", &format!("theme=dark; accessToken={token}"))
    }

    /// The page's origin.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// A token as a subprotocol entry.
    #[must_use]
    pub fn subprotocol_token(mut self, token: &str) -> Self {
        self.protocols.push(format!("bearer.{token}"));
        self
    }

    /// A query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Any header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// What the kernel takes before the application reads.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    fn request(&self) -> tokio_tungstenite::tungstenite::handshake::client::Request {
        let parameters: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
        let url = format!("{}{}{query}", self.url, self.path);
        let mut request = url.into_client_request().expect("the address is valid");
        for (name, value) in &self.headers {
            let value = value.parse().expect("a test's header is valid");
            request.headers_mut().append(*name, value);
        }
        if !self.protocols.is_empty() {
            let protocols = self.protocols.join(", ").parse().expect("a test's protocols are valid");
            request.headers_mut().insert("sec-websocket-protocol", protocols);
        }
        request
    }

    async fn connect(&self) -> TcpStream {
        let authority = self.url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let address: SocketAddr = authority.parse().expect("tests connect to addresses");
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).expect("a size the kernel takes");
        }
        socket.connect(address).await.expect("the server listens")
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A frame of the protocol.
    Frame(Value),
    /// The server's close: code and reason.
    Closed(u16, String),
    /// The link ended without a close.
    Cut,
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol the server chose.
    pub protocol: Option<String>,
    /// Frames that were passed over while something else was waited for.
    pub passed: Vec<Value>,
}

impl Socket {
    /// Opens a socket that the server accepts.
    pub async fn open(opening: Opening) -> Self {
        match Box::pin(Self::try_open(opening)).await {
            Ok(socket) => socket,
            Err((status, body)) => panic!("the handshake was refused with {status}: {body}"),
        }
    }

    /// Opens a socket; `Err`: status and body of the refusal.
    pub async fn try_open(opening: Opening) -> Result<Self, (u16, Value)> {
        let (request, tcp) = (opening.request(), within("a connection", opening.connect()).await);
        let config = WebSocketConfig::default().max_message_size(Some(16 << 20));
        let opened =
            tokio_tungstenite::client_async_with_config(request, MaybeTlsStream::Plain(tcp), Some(config));
        match Box::pin(within("the handshake's answer", Box::pin(opened))).await {
            Ok((stream, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok(Self { stream, protocol, passed: Vec::new() })
            }
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null)))
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// The next thing of the protocol; control pings are answered by the library underneath.
    pub async fn next(&mut self) -> Received {
        within("a frame", self.read()).await
    }

    /// The next frame, whenever it comes.
    pub async fn read(&mut self) -> Received {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text);
                    return Received::Frame(frame.unwrap_or_else(|error| panic!("{error} in {text}")));
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Received::Closed(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return Received::Closed(1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Received::Cut,
            }
        }
    }

    /// The next frame; a panic where the socket ends instead.
    #[track_caller]
    pub fn next_frame(&mut self) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Received::Frame(frame) => frame,
                end => panic!("{caller}: a frame was expected, there came {end:?} after {:?}", self.passed),
            }
        }
    }

    /// The next frame of this type; others are kept in [`Socket::passed`].
    #[track_caller]
    pub fn next_of_type(&mut self, kind: &str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.next().await {
                    Received::Frame(frame) if frame["type"] == kind => return frame,
                    Received::Frame(frame) => self.passed.push(frame),
                    end => {
                        panic!("{caller}: `{kind}` was expected, there came {end:?} after {:?}", self.passed)
                    }
                }
            }
        }
    }

    /// The next alert.
    #[track_caller]
    pub fn next_alert(&mut self) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.next().await {
                    Received::Frame(frame) if frame["id"].is_string() => return frame,
                    Received::Frame(frame) => self.passed.push(frame),
                    end => {
                        panic!("{caller}: an alert was expected, there came {end:?} after {:?}", self.passed)
                    }
                }
            }
        }
    }

    /// Reads to the close and gives back the last `error` frame's code, if one came, and the close code.
    pub async fn closed(&mut self) -> (Option<String>, u16) {
        let mut code = None;
        loop {
            match self.next().await {
                Received::Frame(frame) if frame["type"] == "error" => {
                    code = frame["data"]["code"].as_str().map(str::to_owned);
                }
                Received::Frame(frame) => self.passed.push(frame),
                Received::Closed(number, _) => return (code, number),
                Received::Cut => panic!("the link was cut without a close, after {:?}", self.passed),
            }
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        within("room to send", self.stream.send(Message::text(text.into())))
            .await
            .expect("the socket is open");
    }

    /// Sends any text; `false`: the socket is closed.
    pub async fn try_send(&mut self, frame: Value) -> bool {
        within("room to send", self.stream.send(Message::text(frame.to_string()))).await.is_ok()
    }

    /// Sends bytes as a binary message.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        within("room to send", self.stream.send(Message::binary(bytes))).await.expect("the socket is open");
    }

    /// Waits until everything the server had to say before now was said; gives back the frames that came. Two pings:
    /// what waits in the hub when the first one arrives stands before the second one's answer.
    pub async fn settle(&mut self) -> Vec<Value> {
        let mut frames = std::mem::take(&mut self.passed);
        for _ in 0..2 {
            let mark = json!({"mark": uuid::Uuid::new_v4().to_string()});
            self.send(json!({"type": "ping", "data": mark})).await;
            loop {
                let frame = self.next_frame().await;
                if frame["type"] == "pong" && frame["data"] == mark {
                    break;
                }
                if frame["type"] != "ping" {
                    frames.push(frame);
                }
            }
        }
        frames
    }

    /// Asserts that nothing but what the closure allows came up to now.
    #[track_caller]
    pub fn assert_silent(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let frames = self.settle().await;
            assert!(frames.is_empty(), "{caller}: nothing was expected, there came {frames:?}");
        }
    }

    /// Closes from the client's side.
    pub async fn close(mut self) {
        // The server may have been faster.
        let _ = self.stream.close(None).await;
        while let Some(Ok(_)) = within("the end of the socket", self.stream.next()).await {}
    }
}
