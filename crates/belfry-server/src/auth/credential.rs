//! The credential of a request: where it may stand, and which one counts.

use super::CookieNames;
use super::redact::percent_decode;
use belfry_protocol::{BEARER_SUBPROTOCOL_PREFIX, CloseCode, ErrorCode, SUBPROTOCOL};
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use secrecy::SecretString;

/// Longest token or API key, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Which of the places in a request may hold the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/ws`, `/ws/alerts`: header, subprotocol, `?token=`, cookie.
    Socket,
    /// `/v1/events`: header, `?token=`, cookie.
    Events,
    /// Everything else: header, cookie.
    Api,
}

/// Where a credential was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer`.
    Header,
    /// The subprotocol entry `bearer.<jwt>`.
    Subprotocol,
    /// `?token=`.
    Query,
    /// One of the configured cookies; the browser sends it for any page, so the page's origin counts.
    Cookie,
}

/// What a request presents: a token or an API key, not yet verified.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The text itself; its `Debug` prints nothing of it.
    pub token: SecretString,
    /// Where it stood.
    pub source: Source,
}

/// Why a request's credential cannot even be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// `Bearer` without a token, or with characters that no token has.
    #[error("the `Authorization` header is not `Bearer` and a token")]
    HeaderMalformed,
    /// More than one credential in the same place.
    #[error("the request carries more than one token in the same place; send one")]
    Ambiguous,
    /// White space, control or non-ASCII characters.
    #[error("the token contains characters that no token has")]
    Characters,
    /// `bearer.<jwt>` without `belfry.v1`: a browser would drop the connection, since it is answered with no protocol.
    #[error("the subprotocol entry with the token needs `belfry.v1` beside it")]
    BearerWithoutProtocol,
}

impl CredentialError {
    /// The code of the refusal.
    pub fn error_code(self) -> ErrorCode {
        match self {
            Self::BearerWithoutProtocol => ErrorCode::VersionNotSupported,
            _ => ErrorCode::Unauthorized,
        }
    }

    /// The close code of the refusal.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::BearerWithoutProtocol => CloseCode::VersionNotSupported,
            _ => CloseCode::TokenInvalid,
        }
    }
}

impl Credential {
    /// Finds the credential of a request. The first one found wins, in the order header, subprotocol, `?token=`,
    /// cookie, and nothing falls through to the next when it turns out to be no good.
    ///
    /// An `Authorization` header with another scheme (a proxy's `Basic`), an empty `?token=` and an empty cookie are
    /// no credentials.
    pub fn find(
        headers: &HeaderMap,
        query: Option<&str>,
        place: Place,
        cookies: &CookieNames,
    ) -> Result<Option<Self>, CredentialError> {
        if let Some(token) = from_header(headers)? {
            return Self::read(token, Source::Header).map(Some);
        }
        if place == Place::Socket
            && let Some(token) = from_subprotocol(headers)?
        {
            return Self::read(token, Source::Subprotocol).map(Some);
        }
        if place != Place::Api
            && let Some(token) = from_query(query.unwrap_or_default())?
        {
            return Self::read(&token, Source::Query).map(Some);
        }
        match cookies.find(headers) {
            Some(token) => Self::read(token, Source::Cookie).map(Some),
            None => Ok(None),
        }
    }

    fn read(token: &[u8], source: Source) -> Result<Self, CredentialError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(CredentialError::TooLong);
        }
        match std::str::from_utf8(token) {
            Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self { token: SecretString::from(text), source })
            }
            _ => Err(CredentialError::Characters),
        }
    }
}

fn from_header(headers: &HeaderMap) -> Result<Option<&[u8]>, CredentialError> {
    let mut found = None;
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.as_bytes().trim_ascii();
        let scheme_end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, token) = value.split_at(scheme_end);
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            continue;
        }
        let token = token.trim_ascii();
        if token.is_empty() || token.contains(&b' ') {
            return Err(CredentialError::HeaderMalformed);
        }
        if found.replace(token).is_some() {
            return Err(CredentialError::Ambiguous);
        }
    }
    Ok(found)
}

fn from_subprotocol(headers: &HeaderMap) -> Result<Option<&[u8]>, CredentialError> {
    let mut found = None;
    let mut offered = false;
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    for entry in lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')) {
        let entry = entry.trim_ascii();
        offered |= entry == SUBPROTOCOL.as_bytes();
        if let Some(token) = entry.strip_prefix(BEARER_SUBPROTOCOL_PREFIX.as_bytes())
            && found.replace(token).is_some()
        {
            return Err(CredentialError::Ambiguous);
        }
    }
    match found {
        Some(_) if !offered => Err(CredentialError::BearerWithoutProtocol),
        Some(b"") => Err(CredentialError::Characters),
        found => Ok(found),
    }
}

fn from_query(query: &str) -> Result<Option<Vec<u8>>, CredentialError> {
    let mut found = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A longer name cannot be an escaped `token`; skipping it keeps the work small.
        if name.len() > 15 || percent_decode(name.as_bytes()) != b"token" || value.is_empty() {
            continue;
        }
        // Three bytes of escape may stand for one of the token.
        if value.len() > 3 * TOKEN_BYTES_MAX {
            return Err(CredentialError::TooLong);
        }
        if found.replace(percent_decode(value.as_bytes())).is_some() {
            return Err(CredentialError::Ambiguous);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn find(
        lines: &[(HeaderName, &str)],
        query: Option<&str>,
        place: Place,
    ) -> Result<Option<(String, Source)>, CredentialError> {
        let found = Credential::find(&headers(lines), query, place, &CookieNames::default())?;
        Ok(found.map(|c| (c.token.expose_secret().to_owned(), c.source)))
    }

    fn some(token: &str, source: Source) -> Result<Option<(String, Source)>, CredentialError> {
        Ok(Some((token.to_owned(), source)))
    }

    #[test]
    fn header_then_subprotocol_then_query_then_cookie() {
        let mut lines = vec![
            (AUTHORIZATION, "Bearer h"),
            (SEC_WEBSOCKET_PROTOCOL, "belfry.v1, bearer.s"),
            (COOKIE, "accessToken=c"),
        ];
        let query = Some("a=b&token=q");
        assert_eq!(find(&lines, query, Place::Socket), some("h", Source::Header));
        lines.remove(0);
        assert_eq!(find(&lines, query, Place::Socket), some("s", Source::Subprotocol));
        lines.remove(0);
        assert_eq!(find(&lines, query, Place::Socket), some("q", Source::Query));
        assert_eq!(find(&lines, None, Place::Socket), some("c", Source::Cookie));
        assert_eq!(find(&[], None, Place::Socket), Ok(None));
    }

    #[test]
    fn subprotocol_counts_on_sockets_only_and_query_never_on_the_api() {
        let lines = [(SEC_WEBSOCKET_PROTOCOL, "belfry.v1, bearer.s"), (COOKIE, "token=c")];
        assert_eq!(find(&lines, Some("token=q"), Place::Events), some("q", Source::Query));
        assert_eq!(find(&lines, Some("token=q"), Place::Api), some("c", Source::Cookie));
    }

    #[test]
    fn a_found_credential_never_falls_through() {
        let cookie = (COOKIE, "token=good");
        assert_eq!(
            find(&[(AUTHORIZATION, "Bearer"), cookie.clone()], None, Place::Api),
            Err(CredentialError::HeaderMalformed)
        );
        assert_eq!(
            find(&[(AUTHORIZATION, "Bearer a b"), cookie.clone()], None, Place::Api),
            Err(CredentialError::HeaderMalformed)
        );
        assert_eq!(find(&[cookie], Some("token=a%20b"), Place::Socket), Err(CredentialError::Characters));
    }

    #[test]
    fn what_is_no_credential_is_passed_over() {
        assert_eq!(
            find(&[(AUTHORIZATION, "Basic dXNlcjpwdw=="), (COOKIE, "token=c")], None, Place::Api),
            some("c", Source::Cookie)
        );
        assert_eq!(find(&[(COOKIE, "token=c")], Some("token="), Place::Socket), some("c", Source::Cookie));
        assert_eq!(find(&[], Some("tokens=c&Token=d"), Place::Socket), Ok(None));
    }

    #[test]
    fn scheme_and_escaped_name_are_recognised() {
        assert_eq!(find(&[(AUTHORIZATION, "bEARER  h ")], None, Place::Api), some("h", Source::Header));
        assert_eq!(find(&[], Some("%74oken=a%2Eb"), Place::Events), some("a.b", Source::Query));
    }

    #[test]
    fn subprotocol_bearer_needs_belfry_v1_in_any_of_the_lines() {
        let alone = [(SEC_WEBSOCKET_PROTOCOL, "bearer.s")];
        let error = find(&alone, None, Place::Socket).unwrap_err();
        assert_eq!(error, CredentialError::BearerWithoutProtocol);
        assert_eq!(error.error_code().status(), 400);
        let split = [(SEC_WEBSOCKET_PROTOCOL, "bearer.s"), (SEC_WEBSOCKET_PROTOCOL, "other,belfry.v1")];
        assert_eq!(find(&split, None, Place::Socket), some("s", Source::Subprotocol));
        let empty = [(SEC_WEBSOCKET_PROTOCOL, "bearer., belfry.v1")];
        assert_eq!(find(&empty, None, Place::Socket), Err(CredentialError::Characters));
    }

    #[test]
    fn two_tokens_in_one_place_are_refused() {
        let twice = [(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer b")];
        assert_eq!(find(&twice, None, Place::Api), Err(CredentialError::Ambiguous));
        assert_eq!(find(&[], Some("token=a&%74oken=b"), Place::Socket), Err(CredentialError::Ambiguous));
        let twice = [(SEC_WEBSOCKET_PROTOCOL, "belfry.v1, bearer.a, bearer.b")];
        assert_eq!(find(&twice, None, Place::Socket), Err(CredentialError::Ambiguous));
    }

    #[test]
    fn tokens_have_at_most_8_kib() {
        let longest = "x".repeat(TOKEN_BYTES_MAX);
        let header = format!("Bearer {longest}");
        assert_eq!(find(&[(AUTHORIZATION, &header)], None, Place::Api), some(&longest, Source::Header));
        for lines in [(AUTHORIZATION, format!("Bearer {longest}x")), (COOKIE, format!("token={longest}x"))] {
            let error = find(&[(lines.0, &lines.1)], None, Place::Api).unwrap_err();
            assert_eq!(error, CredentialError::TooLong);
            assert_eq!(
                (error.error_code(), error.close_code()),
                (ErrorCode::Unauthorized, CloseCode::TokenInvalid)
            );
        }
        assert_eq!(
            find(&[], Some(&format!("token={longest}x")), Place::Events),
            Err(CredentialError::TooLong)
        );
    }

    #[test]
    fn debug_prints_nothing_of_the_token() {
        let found = Credential::find(
            &headers(&[(AUTHORIZATION, "Bearer SECRET")]),
            None,
            Place::Api,
            &CookieNames::default(),
        );
        assert!(!format!("{found:?}").contains("SECRET"));
    }

    proptest! {
        #[test]
        fn no_header_or_query_panics(
            values in proptest::collection::vec((0usize..4, proptest::collection::vec(any::<u8>(), 0..80)), 0..6),
            query in ".*",
        ) {
            let names = [AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, COOKIE, http::header::ORIGIN];
            let mut headers = HeaderMap::new();
            for (name, bytes) in values {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.append(names[name].clone(), value);
                }
            }
            for place in [Place::Socket, Place::Events, Place::Api] {
                let _ = Credential::find(&headers, Some(&query), place, &CookieNames::default());
            }
        }
    }
}
