//! The cookies that may hold a user's token.

use super::SettingError;
use http::HeaderMap;
use http::header::COOKIE;

/// Names of the cookies that may hold the token, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieNames(Vec<String>);

impl Default for CookieNames {
    fn default() -> Self {
        Self(vec!["accessToken".to_owned(), "token".to_owned()])
    }
}

impl CookieNames {
    /// Checks the names; an empty list means that cookies are not looked at.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, SettingError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        for name in &names {
            let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(SettingError::new(
                    "auth.cookie_names",
                    format!(
                        "`{}` is no cookie name: use letters, digits, `-`, `_` and `.`",
                        name.escape_debug()
                    ),
                ));
            }
        }
        Ok(Self(names))
    }

    /// Whether cookies are looked at.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first name that a request carries with a value.
    ///
    /// Works on bytes: other cookies may hold anything. Of two cookies with one name the first counts, which
    /// browsers send from the most specific path.
    pub(super) fn find<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        self.0
            .iter()
            .find_map(|name| pairs(headers).find(|(n, v)| *n == name.as_bytes() && !v.is_empty()))
            .map(|(_, v)| v)
    }
}

/// Every `name=value` of every `Cookie` header (HTTP/2 clients split them).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|b| *b == b';')).filter_map(
        |pair| {
            let at = pair.iter().position(|b| *b == b'=')?;
            Some((pair[..at].trim_ascii(), unquoted(pair[at + 1..].trim_ascii())))
        },
    )
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn found(cookies: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        }
        CookieNames::default().find(&headers).map(|v| String::from_utf8(v.to_vec()).unwrap())
    }

    #[test]
    fn the_first_configured_name_wins_wherever_it_stands() {
        assert_eq!(found(&[b"token=b; accessToken=a"]).as_deref(), Some("a"));
        assert_eq!(found(&[b"token=b"]).as_deref(), Some("b"));
        assert_eq!(found(&[b"a=1;accessToken=\"q\" ;b=2"]).as_deref(), Some("q"));
    }

    #[test]
    fn split_headers_and_strange_neighbours_do_no_harm() {
        assert_eq!(found(&[b"name=\xc3\xa4", b"novalue", b"; ;=", b"token=t"]).as_deref(), Some("t"));
        assert_eq!(found(&[b"accessToken=", b"token=t"]).as_deref(), Some("t"), "a cleared cookie is none");
        assert_eq!(found(&[b"xtoken=t; Token=u"]), None);
    }

    #[test]
    fn names_are_checked() {
        assert!(CookieNames::new(["__Host-token"]).is_ok());
        assert!(CookieNames::new(Vec::<String>::new()).unwrap().is_empty());
        for bad in ["", "a b", "a;b", "a=b", "ä"] {
            assert_eq!(CookieNames::new([bad]).unwrap_err().key, "auth.cookie_names");
        }
    }
}
