//! Who is calling: credentials, tokens and their keys, API keys, origins of pages, addresses behind proxies.
//!
//! Everything here decides on what it is given (headers, `now`) and does no I/O, but for [`jwks`], which fetches
//! verification keys. [`Gate`] puts the parts for a user's request in their one right order.

mod api_key;
mod claims;
mod cookie;
mod credential;
mod gate;
mod jwks;
mod keys;
mod mint;
mod origin;
mod proxy;
mod redact;
mod revocation;
mod setting;
mod token;
mod token_cache;

#[cfg(test)]
mod tests;

pub use api_key::{ApiKey, ApiKeyOptions, ApiKeySecret, ApiKeys, NewApiKey, Scope, ScopeMissing};
pub use cookie::CookieNames;
pub use credential::{Credential, CredentialError, Place, Source, TOKEN_BYTES_MAX};
pub use gate::{Asking, Gate, Refusal};
pub use jwks::{JwksError, JwksOptions, PlainHttp};
pub use keys::{PublicKeyOptions, SECRET_BYTES_MIN, SecretOptions};
pub use mint::{Minter, NewToken};
pub use origin::{Action, Loopback, OriginError, Origins, is_loopback_host};
pub use proxy::{ForwardedHeader, TrustedProxies};
pub use redact::{redact_query, redact_uri};
pub use revocation::is_revoked;
pub use setting::SettingError;
pub use token::{Identity, TokenError, Verifier, VerifierOptions};
