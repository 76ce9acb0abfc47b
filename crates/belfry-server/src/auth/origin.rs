//! Origins of pages: who may use a cookie, and what CORS answers.
//!
//! A browser attaches cookies to requests of any page, so a cookie counts only together with an allowed `Origin`.
//! `Origin` is never compared with `Host`: proxies rewrite it.

use super::{CookieNames, SettingError, Source};
use belfry_protocol::{CloseCode, ErrorCode};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::collections::BTreeSet;
use std::net::IpAddr;

const KEY: &str = "auth.allowed_origins";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Longest `Origin` that is looked at: a host name has at most 253 bytes.
const ORIGIN_BYTES_MAX: usize = 300;

/// Whether pages on this machine are allowed without being listed (`belfry dev`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// Any page on a loopback host, whatever its port.
    Allowed,
    /// Only what is listed.
    Listed,
}

/// What a request does, as far as origins are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens a WebSocket, which a page of any origin may try.
    Upgrade,
    /// Changes something: any method but GET, HEAD and OPTIONS.
    Change,
    /// Reads: GET, HEAD, an event stream.
    Read,
}

impl Action {
    /// The action of a plain HTTP request.
    pub fn of_method(method: &Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Change }
    }
}

/// Why a page may not use its cookie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// A cookie, but no `Origin` that says which page sends it.
    #[error(
        "the token came in a cookie and the request has no `Origin`: add the page's origin to `auth.allowed_origins`, and call from a browser page, or send the token in a header"
    )]
    Missing,
    /// Not on the list.
    #[error("the token came in a cookie and the page's origin `{0}` is not in `auth.allowed_origins`")]
    NotAllowed(String),
    /// `null`, several, or no origin at all.
    #[error(
        "the token came in a cookie and the request's `Origin` is no origin that could stand in `auth.allowed_origins`"
    )]
    Unreadable,
}

impl OriginError {
    /// The code of the refusal.
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::OriginNotAllowed
    }

    /// The close code of the refusal.
    pub fn close_code(&self) -> CloseCode {
        CloseCode::OriginNotAllowed
    }
}

/// The origins of pages that may use cookies and read answers.
#[derive(Debug, Clone)]
pub struct Origins {
    listed: BTreeSet<String>,
    any: bool,
    loopback: Loopback,
}

impl Origins {
    /// Parses `auth.allowed_origins`: exact origins `scheme://host[:port]`, or `*`.
    pub fn new<S: AsRef<str>>(allowed: &[S], loopback: Loopback) -> Result<Self, SettingError> {
        let mut origins = Self { listed: BTreeSet::new(), any: false, loopback };
        for entry in allowed {
            match entry.as_ref().trim() {
                "*" => origins.any = true,
                entry => {
                    let origin = normalise(entry.strip_suffix('/').unwrap_or(entry)).ok_or_else(|| {
                        SettingError::new(
                            KEY,
                            format!("`{}` is no origin: write scheme://host or scheme://host:port without a path, a host beyond ASCII in its `xn--` form", entry.escape_debug()),
                        )
                    })?;
                    origins.listed.insert(origin.text);
                }
            }
        }
        Ok(origins)
    }

    /// Refuses `*` together with cookies: every page of the world could act as the user.
    pub fn check(&self, cookies: &CookieNames) -> Result<(), SettingError> {
        if self.any && !cookies.is_empty() {
            return Err(SettingError::new(
                KEY,
                "`*` with cookies would let every web page act as its visitor: list the origins, or set `auth.cookie_names = []`",
            ));
        }
        Ok(())
    }

    /// Whether a page of this origin is allowed.
    pub fn allows(&self, origin: &str) -> bool {
        self.any || normalise(origin).is_some_and(|origin| self.allows_parsed(&origin))
    }

    /// Decides whether a credential from this source counts for this action.
    pub fn permit(&self, source: Source, action: Action, headers: &HeaderMap) -> Result<(), OriginError> {
        if source != Source::Cookie {
            return Ok(());
        }
        match self.origin_of(headers) {
            Some(verdict) => verdict.map(|_| ()),
            // Browsers send no `Origin` with a same-origin GET or EventSource; they say so in another header.
            None if action == Action::Read && is_own_page(headers) => Ok(()),
            None => Err(OriginError::Missing),
        }
    }

    /// The CORS headers of an answer, none but `Vary` for a page that is not allowed.
    pub fn cors(&self, request: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if let Some(Ok(origin)) = self.origin_of(request) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if !self.any {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after, location, x-request-id"),
            );
        }
        headers
    }

    /// The headers that answer a preflight, or `None` when the request is none.
    pub fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut headers = self.cors(request);
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
            headers.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
            );
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, idempotency-key, last-event-id"),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        Some(headers)
    }

    /// The allowed origin of a request, as it was written; `None` without `Origin`.
    fn origin_of(&self, headers: &HeaderMap) -> Option<Result<HeaderValue, OriginError>> {
        let mut values = headers.get_all(ORIGIN).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return Some(Err(OriginError::Unreadable));
        }
        let Some(origin) = value.to_str().ok().and_then(normalise) else {
            return Some(Err(OriginError::Unreadable));
        };
        if self.any || self.allows_parsed(&origin) {
            Some(Ok(value.clone()))
        } else {
            Some(Err(OriginError::NotAllowed(origin.text)))
        }
    }

    fn allows_parsed(&self, origin: &Origin) -> bool {
        (self.loopback == Loopback::Allowed && origin.is_web && is_loopback_host(&origin.host))
            || self.listed.contains(&origin.text)
    }
}

/// Whether a host (without port) is this machine: `localhost`, a name below it, or a loopback address.
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(&host);
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// `Sec-Fetch-Site` cannot be set by a page: it says that the request is the page's own or typed by the person.
fn is_own_page(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(SEC_FETCH_SITE).iter();
    let own = values.next().is_some_and(|value| value == "same-origin" || value == "none");
    own && values.next().is_none()
}

/// An origin in its one spelling.
struct Origin {
    text: String,
    host: String,
    is_web: bool,
}

/// `scheme://host[:port]` in lower case and without the scheme's default port.
fn normalise(text: &str) -> Option<Origin> {
    if text.len() > ORIGIN_BYTES_MAX {
        return None;
    }
    let (scheme, authority) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !scheme.starts_with(|c: char| c.is_ascii_lowercase())
        || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        return None;
    }
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    let host = host.to_ascii_lowercase();
    if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c)) {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        _ => return None,
    };
    let default = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let is_web = default.is_some();
    let text = match port.filter(|port| Some(*port) != default) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    Some(Origin { text, host, is_web })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origins(allowed: &[&str]) -> Origins {
        Origins::new(allowed, Loopback::Listed).unwrap()
    }

    fn request(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn permit(lines: &[(HeaderName, &str)], action: Action) -> Result<(), OriginError> {
        origins(&["https://app.example"]).permit(Source::Cookie, action, &request(lines))
    }

    #[test]
    fn only_cookies_need_an_origin() {
        for source in [Source::Header, Source::Subprotocol, Source::Query] {
            for action in [Action::Upgrade, Action::Change, Action::Read] {
                let evil = request(&[(ORIGIN, "https://evil.example")]);
                assert_eq!(origins(&[]).permit(source, action, &evil), Ok(()));
            }
        }
    }

    #[test]
    fn upgrades_and_changes_with_a_cookie_need_an_allowed_origin() {
        for action in [Action::Upgrade, Action::Change] {
            assert_eq!(permit(&[(ORIGIN, "https://app.example")], action), Ok(()));
            assert_eq!(permit(&[], action), Err(OriginError::Missing));
            assert_eq!(permit(&[(SEC_FETCH_SITE, "same-origin")], action), Err(OriginError::Missing));
            assert_eq!(
                permit(&[(ORIGIN, "https://evil.example"), (SEC_FETCH_SITE, "same-origin")], action),
                Err(OriginError::NotAllowed("https://evil.example".to_owned()))
            );
        }
    }

    #[test]
    fn reads_with_a_cookie_may_lack_the_origin_on_their_own_page() {
        assert_eq!(permit(&[(SEC_FETCH_SITE, "same-origin")], Action::Read), Ok(()));
        assert_eq!(permit(&[(SEC_FETCH_SITE, "none")], Action::Read), Ok(()));
        assert_eq!(permit(&[(ORIGIN, "https://app.example")], Action::Read), Ok(()));
        assert_eq!(permit(&[(SEC_FETCH_SITE, "same-site")], Action::Read), Err(OriginError::Missing));
        assert_eq!(permit(&[(SEC_FETCH_SITE, "cross-site")], Action::Read), Err(OriginError::Missing));
        assert_eq!(permit(&[], Action::Read), Err(OriginError::Missing));
        let both = [(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")];
        assert_eq!(permit(&both, Action::Read), Err(OriginError::Missing));
        assert!(permit(&[(ORIGIN, "https://evil.example"), (SEC_FETCH_SITE, "none")], Action::Read).is_err());
    }

    #[test]
    fn origin_is_never_compared_with_host() {
        let same = [(ORIGIN, "https://belfry.example"), (http::header::HOST, "belfry.example")];
        assert!(permit(&same, Action::Change).is_err());
    }

    #[test]
    fn null_several_and_garbled_origins_are_refused() {
        for bad in [
            "null",
            "",
            "app.example",
            "https://app.example/path",
            "https://a b",
            "https://u@app.example",
            "*",
        ] {
            assert_eq!(permit(&[(ORIGIN, bad)], Action::Change), Err(OriginError::Unreadable), "{bad}");
        }
        let twice = [(ORIGIN, "https://app.example"), (ORIGIN, "https://app.example")];
        assert_eq!(permit(&twice, Action::Change), Err(OriginError::Unreadable));
    }

    #[test]
    fn every_refusal_names_the_missing_key() {
        for error in [
            OriginError::Missing,
            OriginError::NotAllowed("https://x.example".to_owned()),
            OriginError::Unreadable,
        ] {
            assert!(error.to_string().contains("auth.allowed_origins"));
            assert_eq!(error.error_code(), ErrorCode::OriginNotAllowed);
            assert_eq!(error.close_code().number(), 4502);
        }
    }

    #[test]
    fn entries_are_exact_but_for_case_default_port_and_final_slash() {
        let list = origins(&[
            "HTTPS://App.Example:443/",
            "http://a.example:8080",
            "capacitor://localhost",
            "https://[::1]:9",
        ]);
        for good in [
            "https://app.example",
            "https://APP.example:443",
            "http://a.example:8080",
            "capacitor://localhost",
            "https://[::1]:9",
        ] {
            assert!(list.allows(good), "{good}");
        }
        for bad in [
            "http://app.example",
            "https://app.example:444",
            "https://x.app.example",
            "https://app.example.evil.example",
            "http://a.example",
            "https://app.example.",
        ] {
            assert!(!list.allows(bad), "{bad}");
        }
    }

    #[test]
    fn entries_that_are_no_origins_are_refused_at_start() {
        for bad in [
            "app.example",
            "https://",
            "https://a/b",
            "https://*.example",
            "https://ä.example",
            "https://a:99999",
            "null",
            "1x://a",
        ] {
            let error = Origins::new(&[bad], Loopback::Listed).unwrap_err();
            assert_eq!(error.key, "auth.allowed_origins", "{bad}");
        }
    }

    #[test]
    fn a_star_with_cookies_is_refused_at_start() {
        let any = origins(&["*"]);
        assert_eq!(any.check(&CookieNames::default()).unwrap_err().key, "auth.allowed_origins");
        let none = CookieNames::new(Vec::<String>::new()).unwrap();
        assert_eq!(any.check(&none), Ok(()));
        assert_eq!(origins(&["https://a.example"]).check(&CookieNames::default()), Ok(()));
    }

    #[test]
    fn development_allows_loopback_pages_on_any_port() {
        let dev = Origins::new::<&str>(&[], Loopback::Allowed).unwrap();
        for good in [
            "http://localhost:5173",
            "http://127.0.0.1",
            "https://[::1]:3000",
            "http://app.localhost",
            "http://127.9.9.9:1",
        ] {
            assert!(dev.allows(good), "{good}");
            assert!(!origins(&[]).allows(good), "{good}");
        }
        for bad in
            ["http://localhost.evil.example", "http://128.0.0.1", "http://evil.example", "app://localhost"]
        {
            assert!(!dev.allows(bad), "{bad}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised_in_every_spelling() {
        for good in
            ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "[::1]", "::1", "::ffff:127.0.0.1"]
        {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in ["", "localhost.example", "notlocalhost", "10.0.0.1", "[::2]", "127.0.0.1.example"] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }

    #[test]
    fn cors_echoes_the_allowed_origin_with_credentials_and_never_a_star() {
        let list = origins(&["https://app.example"]);
        let headers = list.cors(&request(&[(ORIGIN, "https://app.example")]));
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[VARY], "origin");
        for other in [&[(ORIGIN, "https://evil.example")][..], &[]] {
            let headers = list.cors(&request(other));
            assert_eq!(headers.len(), 1, "nothing but Vary");
        }
        let any = origins(&["*"]).cors(&request(&[(ORIGIN, "https://app.example")]));
        assert_eq!(any[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert!(!any.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn preflights_are_answered_from_the_same_list() {
        let list = origins(&["https://app.example"]);
        let asked = request(&[(ORIGIN, "https://app.example"), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")]);
        let headers = list.preflight(&Method::OPTIONS, &asked).unwrap();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert!(headers[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("PUT"));
        assert!(headers[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("authorization"));
        assert!(list.preflight(&Method::GET, &asked).is_none());
        assert!(list.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
        let evil = request(&[(ORIGIN, "https://evil.example"), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")]);
        assert_eq!(list.preflight(&Method::OPTIONS, &evil).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_origin_panics(text in ".*", host in "[a-z\\[\\]:.%@/]*") {
            let dev = Origins::new::<&str>(&[], Loopback::Allowed).unwrap();
            let _ = dev.allows(&text);
            let _ = dev.allows(&format!("https://{host}"));
            let _ = is_loopback_host(&text);
        }
    }
}
