//! Keeps tokens out of logs.

use http::Uri;
use std::borrow::Cow;

/// Names of query parameters whose value is a credential, whether this server reads them or not.
const SECRET_NAMES: [&[u8]; 3] = [b"token", b"access_token", b"accesstoken"];

/// A query as it may stand in a log: the values of `token` (also written as `%74oken` or `TOKEN`) and everything
/// that looks like a token are replaced.
pub fn redact_query(query: &str) -> Cow<'_, str> {
    if query.split(['&', ';']).all(|pair| verdict(pair) == Verdict::Harmless) {
        return Cow::Borrowed(query);
    }
    let mut out = String::with_capacity(query.len());
    for pair in query.split_inclusive(['&', ';']) {
        let (pair, separator) = match pair.strip_suffix(['&', ';']) {
            Some(rest) => (rest, &pair[rest.len()..]),
            None => (pair, ""),
        };
        match verdict(pair) {
            Verdict::Harmless => out.push_str(pair),
            Verdict::Secret => out.push_str("token=redacted"),
        }
        out.push_str(separator);
    }
    Cow::Owned(out)
}

/// Path and query of a request as they may stand in a log.
pub fn redact_uri(uri: &Uri) -> Cow<'_, str> {
    match uri.query() {
        None => Cow::Borrowed(uri.path()),
        Some(query) => Cow::Owned(format!("{}?{}", uri.path(), redact_query(query))),
    }
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Harmless,
    Secret,
}

/// Decoding goes on until nothing changes, because a proxy in between may decode once more than we do.
fn verdict(pair: &str) -> Verdict {
    let mut text = pair.as_bytes().to_vec();
    for _ in 0..4 {
        if is_secret(&text) {
            return Verdict::Secret;
        }
        let decoded = percent_decode(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    if is_secret(&text) { Verdict::Secret } else { Verdict::Harmless }
}

fn is_secret(pair: &[u8]) -> bool {
    let at = pair.iter().position(|b| *b == b'=');
    let name = pair[..at.unwrap_or(pair.len())].trim_ascii().to_ascii_lowercase();
    (at.is_some() && SECRET_NAMES.contains(&name.as_slice())) || holds_token(pair)
}

/// Every JWT's header begins with `{"`, which is `eyJ` in base64; two dots make it one.
fn holds_token(text: &[u8]) -> bool {
    text.windows(3)
        .position(|w| w == b"eyJ")
        .is_some_and(|at| text[at..].iter().filter(|b| **b == b'.').count() >= 2)
}

/// Decodes `%xx`; anything else stays as it is.
pub(super) fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escaped = match text[at..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_replaced_however_the_name_is_written() {
        for name in
            ["token", "%74oken", "toke%6E", "%74%6f%6b%65%6e", "TOKEN", "Token", "access_token", "%2574oken"]
        {
            assert_eq!(redact_query(&format!("a=1&{name}=SECRET&b=2")), "a=1&token=redacted&b=2", "{name}");
        }
        assert_eq!(redact_query("token=SECRET"), "token=redacted");
        assert_eq!(redact_query("token%3DSECRET"), "token=redacted");
        assert_eq!(redact_query("a=1;token=SECRET"), "a=1;token=redacted");
        assert_eq!(redact_query("token=A&token=B"), "token=redacted&token=redacted");
    }

    #[test]
    fn what_looks_like_a_token_is_replaced_under_any_name() {
        assert_eq!(redact_query("jwt=eyJhbGciOiJIUzI1NiJ9.e30.x&z=1"), "token=redacted&z=1");
        assert_eq!(redact_query("jwt=eyJhbGciOiJIUzI1NiJ9%2ee30%2ex"), "token=redacted");
        assert_eq!(redact_query("eyJhbGciOiJIUzI1NiJ9.e30.x"), "token=redacted");
    }

    #[test]
    fn everything_else_stays_as_it_was() {
        for query in ["", "a", "a=b&c=d", "tokens=1", "cursor=x.1.2&token", "%", "%7", "a=%zz&&;=", "q=eyJ"] {
            assert_eq!(redact_query(query), query);
        }
    }

    #[test]
    fn a_path_keeps_its_harmless_query() {
        assert_eq!(redact_uri(&"/ws?token=abc&cursor=1".parse().unwrap()), "/ws?token=redacted&cursor=1");
        assert_eq!(redact_uri(&"/ws".parse().unwrap()), "/ws");
    }

    proptest! {
        #[test]
        fn no_query_panics_and_no_named_token_stays(before in ".*", after in ".*", upper in any::<bool>()) {
            let name = if upper { "%54%4Fken" } else { "t%6fken" };
            let redacted = redact_query(&format!("{before}&{name}=SECRETVALUE&{after}")).into_owned();
            prop_assert!(!redacted.contains("SECRETVALUE"));
        }
    }
}
