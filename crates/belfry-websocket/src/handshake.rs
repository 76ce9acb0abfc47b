use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

/// The one protocol version there is.
const VERSION_13: HeaderValue = HeaderValue::from_static("13");

/// Clients make keys of random characters, so the last character's unused bits may be anything.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A checked opening handshake (RFC 6455, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept` for the answer.
    pub accept: String,
    /// The subprotocols the client offers, in its order of preference.
    pub protocols: Vec<String>,
}

impl Handshake {
    /// Checks a request's method, version and headers; no extension is ever negotiated.
    pub fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<Self, HandshakeError> {
        if !has_token(headers, UPGRADE, "websocket") || !has_token(headers, CONNECTION, "upgrade") {
            return Err(HandshakeError::NotAnUpgrade);
        }
        if method != Method::GET {
            return Err(HandshakeError::NotGet);
        }
        if version != Version::HTTP_11 {
            return Err(HandshakeError::NotHttp11);
        }
        if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION_13) {
            return Err(HandshakeError::UnsupportedVersion);
        }
        let key = single(headers, SEC_WEBSOCKET_KEY).ok_or(HandshakeError::BadKey)?;
        if !KEY.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
            return Err(HandshakeError::BadKey);
        }
        Ok(Self { accept: accept_key(key), protocols: protocols(headers)? })
    }

    /// Whether the client offers this subprotocol.
    pub fn offers(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| offered == protocol)
    }

    /// The answer that switches protocols, with the chosen subprotocol, which must be one of those offered.
    pub fn response<B: Default>(&self, protocol: Option<&'static str>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::from_str(&self.accept).expect("base64 is a valid header value");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        response
    }
}

/// Why a request is no opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// `Upgrade: websocket` or `Connection: Upgrade` is missing: a plain request, or a proxy dropped them.
    #[error("the request does not ask for an upgrade to WebSocket")]
    NotAnUpgrade,
    /// The method is not GET.
    #[error("a WebSocket is opened with GET")]
    NotGet,
    /// The request did not come over HTTP/1.1.
    #[error("a WebSocket is opened over HTTP/1.1")]
    NotHttp11,
    /// `Sec-WebSocket-Version` is not 13; the answer names the version that is.
    #[error("only version 13 of the WebSocket protocol is supported")]
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is missing or is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    BadKey,
    /// `Sec-WebSocket-Protocol` is not a list of tokens.
    #[error("Sec-WebSocket-Protocol is not a list of tokens")]
    BadProtocols,
}

impl HandshakeError {
    /// The status of the refusal.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotAnUpgrade | Self::UnsupportedVersion => StatusCode::UPGRADE_REQUIRED,
            Self::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotHttp11 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::BadKey | Self::BadProtocols => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers a refusal must carry beside its status.
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NotAnUpgrade | Self::UnsupportedVersion => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION_13);
            }
            Self::NotGet => {
                headers.insert(http::header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NotHttp11 | Self::BadKey | Self::BadProtocols => {}
        }
        headers
    }
}

/// The value of `Sec-WebSocket-Accept` that answers this `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    let mut context = digest::Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(context.finish())
}

/// The subprotocols offered, over one header or several.
fn protocols(headers: &HeaderMap) -> Result<Vec<String>, HandshakeError> {
    let mut protocols = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| HandshakeError::BadProtocols)?;
        for protocol in line.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
            if !protocol.bytes().all(is_token_byte) {
                return Err(HandshakeError::BadProtocols);
            }
            protocols.push(protocol.to_owned());
        }
    }
    Ok(protocols)
}

/// A header that must occur exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    Some(value.to_str().ok()?.trim())
}

/// Whether a comma-separated header names this token, in whatever case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// What RFC 9110 allows in a token.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (UPGRADE, "WebSocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn check(headers: &HeaderMap) -> Result<Handshake, HandshakeError> {
        Handshake::check(&Method::GET, Version::HTTP_11, headers)
    }

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = request();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn key_of_the_standard_gives_the_accept_value_of_the_standard() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(check(&request()).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn answer_switches_protocols_and_offers_no_extension() {
        let response: Response<()> = check(&request()).unwrap().response(Some("belfry.v1"));
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "belfry.v1");
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn each_wrong_request_has_its_own_refusal() {
        use HandshakeError::*;
        let mut no_key = request();
        no_key.remove(SEC_WEBSOCKET_KEY);
        let mut two_keys = request();
        two_keys.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let mut no_upgrade = request();
        no_upgrade.remove(UPGRADE);
        for (headers, error) in [
            (no_upgrade, NotAnUpgrade),
            (with(UPGRADE, "h2c"), NotAnUpgrade),
            (with(CONNECTION, "close"), NotAnUpgrade),
            (with(SEC_WEBSOCKET_VERSION, "8"), UnsupportedVersion),
            (no_key, BadKey),
            (two_keys, BadKey),
            (with(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZQ=="), BadKey),
            (with(SEC_WEBSOCKET_KEY, "not base64 at all!!"), BadKey),
            (with(SEC_WEBSOCKET_PROTOCOL, "belfry.v1, a b"), BadProtocols),
        ] {
            assert_eq!(check(&headers), Err(error));
        }
        assert_eq!(Handshake::check(&Method::POST, Version::HTTP_11, &request()), Err(NotGet));
        assert_eq!(Handshake::check(&Method::GET, Version::HTTP_10, &request()), Err(NotHttp11));
        assert_eq!(Handshake::check(&Method::GET, Version::HTTP_2, &request()), Err(NotHttp11));
    }

    #[test]
    fn wrong_version_is_answered_426_with_the_right_one() {
        let error = HandshakeError::UnsupportedVersion;
        assert_eq!(error.status(), 426);
        assert_eq!(error.headers()[SEC_WEBSOCKET_VERSION], "13");
    }

    #[test]
    fn subprotocols_come_in_the_clients_order_from_all_lines() {
        let mut headers = with(SEC_WEBSOCKET_PROTOCOL, "belfry.v1, bearer.eyJhbGciOiJIUzI1NiJ9.e30.x-_y");
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(",other,"));
        let handshake = check(&headers).unwrap();
        assert_eq!(handshake.protocols, ["belfry.v1", "bearer.eyJhbGciOiJIUzI1NiJ9.e30.x-_y", "other"]);
        assert!(handshake.offers("other") && !handshake.offers("belfry"));
    }

    #[test]
    fn key_with_unused_bits_set_is_accepted() {
        assert!(check(&with(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZR==")).is_ok());
    }
}
