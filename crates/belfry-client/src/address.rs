//! Where a server is: one base URL, with a path prefix where it is mounted under one.

use reqwest::Url;

/// The URL is none that a server can be reached at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no server address: {why}")]
pub struct AddressError {
    url: String,
    why: String,
}

/// A server's base URL.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    base: Url,
}

impl Address {
    /// Parses `http(s)://host[:port][/prefix]`; `ws(s)://` is understood as the same.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let refuse = |why: &str| AddressError { url: text.to_owned(), why: why.to_owned() };
        let http = match text.split_once("://") {
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(("wss", rest)) => format!("https://{rest}"),
            Some(("http" | "https", _)) => text.to_owned(),
            _ => return Err(refuse("it begins with `http://`, `https://`, `ws://` or `wss://`")),
        };
        let base = Url::parse(&http).map_err(|error| refuse(&error.to_string()))?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refuse("it has no query and no fragment"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("it carries no user name and no password"));
        }
        Ok(Self { base })
    }

    /// The URL of a resource; each segment is percent-encoded.
    pub(crate) fn http<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http URLs have a path").pop_if_empty().extend(segments);
        url
    }

    /// The URL of the live socket.
    pub(crate) fn socket(&self) -> Url {
        let mut url = self.http(["ws"]);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).expect("both are web schemes");
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stays_and_segments_are_encoded() {
        for base in ["http://h:1/belfry", "http://h:1/belfry/", "ws://h:1/belfry"] {
            let address = Address::parse(base).expect("is an address");
            assert_eq!(
                address.http(["v1", "users", "a/b c"]).as_str(),
                "http://h:1/belfry/v1/users/a%2Fb%20c"
            );
            assert_eq!(address.socket().as_str(), "ws://h:1/belfry/ws");
        }
        assert_eq!(Address::parse("wss://h").expect("is an address").socket().as_str(), "wss://h/ws");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in ["", "h:1", "ftp://h", "http://", "http://h/?token=x", "http://user:pw@h", "http://h/#x"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
