//! One attempt: the handshake.

use crate::machine::End;
use crate::retry::retry_after;
use crate::token::TokenPlace;
use belfry_protocol::{BEARER_SUBPROTOCOL_PREFIX, Problem, SUBPROTOCOL};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::InvalidHeaderValue};
use tokio_tungstenite::tungstenite::{Error, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

/// An open socket.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is no socket, for the machine and for people.
#[derive(Debug)]
pub(crate) struct DialError {
    pub(crate) end: End,
    pub(crate) text: String,
}

/// Largest message taken: a page of catch-up is far below it.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Connects and upgrades.
pub(crate) async fn dial(mut url: Url, token: String, place: TokenPlace) -> Result<Socket, DialError> {
    if place == TokenPlace::Query {
        url.query_pairs_mut().append_pair("token", &token);
    }
    let request = request(&url, &token, place).map_err(failed)?;
    crate::tls::ensure_provider();
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match Box::pin(connect_async_tls_with_config(request, Some(config), true, None)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(refused(&response)),
        Err(error) => Err(failed(error)),
    }
}

fn request(url: &Url, token: &str, place: TokenPlace) -> Result<Request, Error> {
    let mut request = url.as_str().into_client_request()?;
    let secret = |text: String| -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(text)?;
        value.set_sensitive(true);
        Ok(value)
    };
    let headers = request.headers_mut();
    let offer = match place {
        TokenPlace::Subprotocol => secret(format!("{SUBPROTOCOL}, {BEARER_SUBPROTOCOL_PREFIX}{token}"))?,
        TokenPlace::Header | TokenPlace::Query => HeaderValue::from_static(SUBPROTOCOL),
    };
    headers.insert(SEC_WEBSOCKET_PROTOCOL, offer);
    if place == TokenPlace::Header {
        headers.insert(AUTHORIZATION, secret(format!("Bearer {token}"))?);
    }
    Ok(request)
}

fn refused(response: &Response) -> DialError {
    let status = response.status().as_u16();
    let problem = response.body().as_deref().and_then(|body| serde_json::from_slice::<Problem>(body).ok());
    let detail = match problem {
        Some(problem) => format!("{}: {}", problem.code.slug(), problem.detail),
        None => format!("HTTP {status}"),
    };
    let hint = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    DialError { text: detail.clone(), end: End::Refused { status, retry_after: retry_after(hint), detail } }
}

/// The error's text never holds the URL, which may carry the token.
fn failed(error: impl std::fmt::Display) -> DialError {
    DialError { end: End::Failed, text: error.to_string() }
}
