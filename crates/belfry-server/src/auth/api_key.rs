//! API keys of publishers and operators.
//!
//! A key is 32 random bytes, so one round of SHA-256 is the right hash: there is nothing to guess that slow hashing
//! would make dearer, and every publish pays for it.

use super::{SettingError, TOKEN_BYTES_MAX};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_protocol::{CloseCode, ErrorCode};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write as _;

const KEY: &str = "api_keys";
/// What generated keys begin with, so that scanners of leaked secrets recognise them.
const KEY_PREFIX: &str = "bk_";
const HASH_PREFIX: &str = "sha256:";
/// Shortest key that may be given in plain.
const PLAIN_BYTES_MIN: usize = 16;

/// What a key may do. The scopes stand beside each other, none holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Publish and recall alerts.
    Publish,
    /// Users, groups, disconnecting.
    Manage,
    /// Statistics, metrics, console.
    Operate,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Manage, Self::Operate];

    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Manage => "manage",
            Self::Operate => "operate",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            SettingError::new(
                KEY,
                format!("`{}` is no scope: use publish, manage or operate", text.escape_debug()),
            )
        })
    }
}

/// A key as it is configured.
#[derive(Debug, Clone)]
pub struct ApiKeyOptions {
    /// Its name in logs, traces and refusals.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The key's hash, or the key.
    pub secret: ApiKeySecret,
}

/// How a configured key is given.
#[derive(Debug, Clone)]
pub enum ApiKeySecret {
    /// `sha256:` and the hash in hexadecimal.
    Hash(String),
    /// The key itself, at least 16 characters.
    Plain(SecretString),
}

/// A known API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    name: String,
    scopes: Vec<Scope>,
}

impl ApiKey {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Refuses what the key may not do.
    pub fn require(&self, scope: Scope) -> Result<(), ScopeMissing> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(ScopeMissing { name: self.name.clone(), scope })
        }
    }
}

/// The key is known and may not do this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the API key `{name}` lacks the scope `{scope}`")]
pub struct ScopeMissing {
    /// The key's name.
    pub name: String,
    /// What it lacks.
    pub scope: Scope,
}

impl ScopeMissing {
    /// The code of the refusal.
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::Forbidden
    }

    /// The close code of the refusal.
    pub fn close_code(&self) -> CloseCode {
        CloseCode::TokenInvalid
    }
}

/// A key made just now, shown once.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What the caller sends: `bk_` and 32 random bytes in base64url.
    pub key: SecretString,
    /// What the configuration keeps.
    pub hash: String,
}

/// The known API keys.
#[derive(Clone, Default)]
pub struct ApiKeys {
    entries: Vec<([u8; 32], ApiKey)>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(_, key)| key)).finish()
    }
}

impl ApiKeys {
    /// Checks the configured keys.
    pub fn new(options: &[ApiKeyOptions]) -> Result<Self, SettingError> {
        let mut keys = Self::default();
        for option in options {
            let name = option.name.trim();
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(SettingError::new(KEY, "every API key needs a name without control characters"));
            }
            let refuse = |problem: &str| Err(SettingError::new(KEY, format!("the key `{name}` {problem}")));
            if option.scopes.is_empty() {
                return refuse("has no scopes: give it some of publish, manage, operate");
            }
            let hash = match &option.secret {
                ApiKeySecret::Hash(text) => match parse_hash(text) {
                    Some(hash) => hash,
                    None => {
                        return refuse(
                            "has no hash of the form `sha256:` and 64 hexadecimal digits: make key and hash with `belfry api-key new`",
                        );
                    }
                },
                ApiKeySecret::Plain(key) => {
                    let key = key.expose_secret();
                    if key.len() < PLAIN_BYTES_MIN {
                        return refuse("is shorter than 16 characters: take at least 32 random ones");
                    }
                    if key.len() > TOKEN_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
                        return refuse(
                            "is too long or has characters that cannot stand in a header: use letters and digits",
                        );
                    }
                    sha256(key)
                }
            };
            if keys.entries.iter().any(|(_, key)| key.name == name) {
                return refuse("is there twice: names tell keys apart");
            }
            if keys.entries.iter().any(|(other, _)| *other == hash) {
                return refuse("is the same as another one under another name");
            }
            let mut scopes = option.scopes.clone();
            scopes.sort_unstable();
            scopes.dedup();
            keys.entries.push((hash, ApiKey { name: name.to_owned(), scopes }));
        }
        Ok(keys)
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The key that was presented. Looks at every entry and compares in constant time, so that the answer's time
    /// tells nothing about a key.
    pub fn find(&self, presented: &str) -> Option<&ApiKey> {
        if presented.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash = sha256(presented);
        let mut found = None;
        for (known, key) in &self.entries {
            if verify_slices_are_equal(known, &hash).is_ok() {
                found = Some(key);
            }
        }
        found
    }

    /// Makes a key.
    pub fn generate() -> NewApiKey {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source does not fail");
        let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let hash = Self::hash(&key);
        NewApiKey { key: SecretString::from(key), hash }
    }

    /// The hash of a key as the configuration keeps it.
    pub fn hash(key: &str) -> String {
        let mut text = HASH_PREFIX.to_owned();
        for byte in sha256(key) {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
        }
        text
    }
}

fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim().strip_prefix(HASH_PREFIX)?;
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0u8; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, secret: ApiKeySecret) -> ApiKeyOptions {
        ApiKeyOptions { name: name.to_owned(), scopes: vec![Scope::Publish], secret }
    }

    fn plain(key: &str) -> ApiKeySecret {
        ApiKeySecret::Plain(SecretString::from(key))
    }

    #[test]
    fn a_generated_key_is_found_by_its_hash_and_no_other_is() {
        let (first, second) = (ApiKeys::generate(), ApiKeys::generate());
        assert_ne!(first.hash, second.hash);
        assert!(first.key.expose_secret().starts_with("bk_"));
        assert_eq!(first.key.expose_secret().len(), 3 + 43);
        let keys = ApiKeys::new(&[
            option("one", ApiKeySecret::Hash(first.hash.clone())),
            option("two", ApiKeySecret::Hash(second.hash.to_uppercase().replace("SHA256", "sha256"))),
        ])
        .unwrap();
        assert_eq!(keys.find(first.key.expose_secret()).unwrap().name(), "one");
        assert_eq!(keys.find(second.key.expose_secret()).unwrap().name(), "two");
        assert_eq!(keys.find(&first.hash), None, "the hash is no key");
        assert_eq!(keys.find(""), None);
        assert_eq!(keys.find(&"x".repeat(TOKEN_BYTES_MAX + 1)), None);
    }

    #[test]
    fn the_hash_is_plain_sha_256() {
        assert_eq!(
            ApiKeys::hash("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn plain_keys_have_at_least_16_characters() {
        assert!(ApiKeys::new(&[option("a", plain("0123456789abcde"))]).is_err());
        let keys = ApiKeys::new(&[option("a", plain("0123456789abcdef"))]).unwrap();
        assert_eq!(keys.find("0123456789abcdef").unwrap().name(), "a");
        assert!(ApiKeys::new(&[option("a", plain("0123456789abcdef ä"))]).is_err());
    }

    #[test]
    fn configured_keys_are_checked() {
        let hash = || ApiKeySecret::Hash(ApiKeys::generate().hash);
        let zeros = "0".repeat(64);
        for bad in ["", "sha256:", "abc", &zeros, &format!("sha256:{zeros}0"), "sha256:zz", "sha512:00"] {
            let error = ApiKeys::new(&[option("a", ApiKeySecret::Hash(bad.to_owned()))]).unwrap_err();
            assert_eq!(error.key, "api_keys");
        }
        assert!(ApiKeys::new(&[option("", hash())]).is_err());
        assert!(ApiKeys::new(&[option("a", hash()), option("a", hash())]).is_err());
        let same = ApiKeys::generate().hash;
        let same = [option("a", ApiKeySecret::Hash(same.clone())), option("b", ApiKeySecret::Hash(same))];
        assert!(ApiKeys::new(&same).is_err());
        assert!(ApiKeys::new(&[ApiKeyOptions { scopes: vec![], ..option("a", hash()) }]).is_err());
        assert!(ApiKeys::new(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_key_does_only_what_its_scopes_say() {
        let made = ApiKeys::generate();
        let options = ApiKeyOptions {
            scopes: vec![Scope::Operate, Scope::Publish, Scope::Publish],
            ..option("jobs", ApiKeySecret::Hash(made.hash))
        };
        let keys = ApiKeys::new(&[options]).unwrap();
        let key = keys.find(made.key.expose_secret()).unwrap();
        assert_eq!(key.scopes(), [Scope::Publish, Scope::Operate]);
        assert_eq!(key.require(Scope::Publish), Ok(()));
        let error = key.require(Scope::Manage).unwrap_err();
        assert_eq!(error.to_string(), "the API key `jobs` lacks the scope `manage`");
        assert_eq!(error.error_code().status(), 403);
    }

    #[test]
    fn scopes_have_names() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("admin".parse::<Scope>().is_err());
    }

    #[test]
    fn debug_prints_neither_keys_nor_hashes() {
        let options = [option("a", plain("SECRETSECRETSECRET"))];
        assert!(!format!("{options:?}").contains("SECRETSECRET"));
        let printed = format!("{:?} {:?}", ApiKeys::new(&options).unwrap(), ApiKeys::generate());
        assert!(!printed.contains("SECRETSECRET") && !printed.contains("bk_"));
    }
}
