//! The address of a server, which may hold a password.

use std::fmt;

/// An address with its credentials, as `redis://user:password@host:6379`. Printing it leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The whole address, with its credentials: for the client only.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for ServerUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for ServerUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query can hold a password as well, and so can whatever is no address at all.
        let Some((scheme, rest)) = self.0.split_once("://") else { return out.write_str("(no address)") };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (address, query) = rest.split_at(end);
        match address.rsplit_once('@') {
            // The last `@`: a password may hold one, although it should be escaped there.
            Some((_credentials, host)) => write!(out, "{scheme}://{host}"),
            // A password with a `?` of its own looks like this.
            None if query.contains('@') => write!(out, "{scheme}://…"),
            None => write!(out, "{scheme}://{address}"),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Several addresses behind each other, without their credentials.
pub(crate) fn listed(urls: &[ServerUrl]) -> String {
    urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for (url, printed) in [
            ("redis://:s3cret@cache:6379/1", "redis://cache:6379/1"),
            ("postgres://belfry:s3@cret@db/belfry?sslmode=require&password=s3cret", "postgres://db/belfry"),
            ("nats://s3cret@127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("postgres://a:s3cret?x@db/belfry", "postgres://…"),
            ("host=db password=s3cret", "(no address)"),
        ] {
            let url = ServerUrl::from(url);
            assert_eq!((url.to_string(), format!("{url:?}")), (printed.to_owned(), printed.to_owned()));
        }
    }
}
