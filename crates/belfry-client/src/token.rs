//! Where tokens come from, and where they stand in the handshake.

use futures_util::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;

/// Why a token is asked for: a source that caches must not answer a refusal with the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenReason {
    /// A connection is about to be made.
    Connect,
    /// The token of the live connection is about to expire.
    Expiring,
    /// The server refused the last one.
    Rejected,
}

/// Why there is no token; the subscriber tries again with back-off.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

type Refresh = dyn Fn(TokenReason) -> BoxFuture<'static, Result<Option<String>, TokenError>> + Send + Sync;

/// Where tokens come from.
#[derive(Clone)]
pub struct TokenSource(Source);

#[derive(Clone)]
enum Source {
    Fixed(Arc<str>),
    Refresh(Arc<Refresh>),
}

impl TokenSource {
    /// One token for as long as it lasts; a refusal stops the subscriber.
    pub fn fixed(token: impl Into<Arc<str>>) -> Self {
        Self(Source::Fixed(token.into()))
    }

    /// Asks the application, never twice at a time. `Ok(None)` means signed out: the subscriber stops.
    pub fn refresh<F, T>(ask: F) -> Self
    where
        F: Fn(TokenReason) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Option<String>, TokenError>> + Send + 'static,
    {
        Self(Source::Refresh(Arc::new(move |reason| Box::pin(ask(reason)))))
    }

    pub(crate) fn renewable(&self) -> bool {
        matches!(self.0, Source::Refresh(_))
    }

    pub(crate) fn ask(&self, reason: TokenReason) -> BoxFuture<'static, Result<Option<String>, TokenError>> {
        match &self.0 {
            Source::Fixed(token) => {
                let token = token.to_string();
                Box::pin(async { Ok(Some(token)) })
            }
            Source::Refresh(ask) => ask(reason),
        }
    }
}

impl From<&str> for TokenSource {
    fn from(token: &str) -> Self {
        Self::fixed(token)
    }
}

impl From<String> for TokenSource {
    fn from(token: String) -> Self {
        Self::fixed(token)
    }
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Source::Fixed(_) => "TokenSource(fixed)",
            Source::Refresh(_) => "TokenSource(refresh)",
        })
    }
}

/// Where the token stands in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    #[default]
    Header,
    /// `Sec-WebSocket-Protocol: belfry.v1, bearer.<token>`, as browsers do.
    Subprotocol,
    /// `?token=`; it may end up in the logs of what stands between.
    Query,
}
