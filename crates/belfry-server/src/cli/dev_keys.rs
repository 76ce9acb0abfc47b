//! The keys that `belfry dev` makes for itself and keeps beside its database.

use super::failure::Failure;
use crate::auth::{ApiKeyOptions, ApiKeySecret, ApiKeys, Scope};
use crate::config::Config;
use base64::Engine;
use belfry_channels::VapidKey;
use secrecy::{ExposeSecret, SecretString};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file in the data folder.
const KEYS_FILE: &str = "dev-keys.toml";
/// The API key alone, so that a shell can read it.
const API_KEY_FILE: &str = "api-key";
/// Where the running `belfry dev` answers, for the other commands.
const URL_FILE: &str = "dev-url";
/// The API key's name in logs.
const DEV_KEY_NAME: &str = "dev";

/// Made once, then kept: tokens and scripts stay valid over restarts.
#[derive(Debug, Clone)]
pub(crate) struct DevKeys {
    pub(crate) jwt_secret: SecretString,
    pub(crate) api_key: SecretString,
    /// Of the key pair that browsers subscribe with.
    pub(crate) vapid_private_key: SecretString,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    jwt_secret: SecretString,
    api_key: SecretString,
    /// Earlier versions made none.
    vapid_private_key: Option<SecretString>,
}

impl DevKeys {
    /// The keys of this data folder, where `belfry dev` has run.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = data_dir.join(KEYS_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        let KeysFile { jwt_secret, api_key, vapid_private_key } = toml::from_str(&text).map_err(|_| {
            // The parser's own message would show a line of the file.
            Failure::failed(format!("`{}` cannot be read as keys", path.display()))
                .remedy("delete it; `belfry dev` then makes new ones")
        })?;
        if let Some(vapid_private_key) = vapid_private_key {
            return Ok(Some(Self { jwt_secret, api_key, vapid_private_key }));
        }
        let keys = Self { jwt_secret, api_key, vapid_private_key: VapidKey::generate().private_key() };
        write_secret(&path, &keys.text()).map_err(|error| unusable(&path, &error))?;
        Ok(Some(keys))
    }

    /// The keys of this data folder, made where there are none. Only the owner may read the files.
    pub(crate) fn read_or_make(data_dir: &Path) -> Result<Self, Failure> {
        make_folder(data_dir).map_err(|error| unusable(data_dir, &error))?;
        let path = data_dir.join(KEYS_FILE);
        let keys = match Self::read(data_dir)? {
            Some(keys) => {
                restrict(&path).map_err(|error| unusable(&path, &error))?;
                keys
            }
            None => {
                let keys = Self {
                    jwt_secret: random_secret().into(),
                    api_key: ApiKeys::generate().key,
                    vapid_private_key: VapidKey::generate().private_key(),
                };
                write_secret(&path, &keys.text()).map_err(|error| unusable(&path, &error))?;
                keys
            }
        };
        let path = Self::api_key_file(data_dir);
        write_secret(&path, keys.api_key.expose_secret()).map_err(|error| unusable(&path, &error))?;
        Ok(keys)
    }

    /// The file that holds the API key alone.
    pub(crate) fn api_key_file(data_dir: &Path) -> PathBuf {
        data_dir.join(API_KEY_FILE)
    }

    /// Puts the keys into a configuration that has none of its own; the API key is added in any case.
    pub(crate) fn apply(&self, config: &mut Config) {
        let auth = &mut config.auth;
        if auth.jwt_secret.is_none() && auth.jwt_public_keys.is_empty() && auth.jwks_url.is_none() {
            auth.jwt_secret = Some(self.jwt_secret.clone());
        }
        if config.web_push.private_key.is_none() {
            config.web_push.private_key = Some(self.vapid_private_key.clone());
        }
        if !config.api_keys.iter().any(|key| key.name == DEV_KEY_NAME) {
            config.api_keys.push(ApiKeyOptions {
                name: DEV_KEY_NAME.to_owned(),
                scopes: Scope::ALL.to_vec(),
                secret: ApiKeySecret::Plain(self.api_key.clone()),
            });
        }
    }

    fn text(&self) -> String {
        format!(
            "# Made by `belfry dev`, for development only. Delete this file to get new keys.\n\
             jwt_secret = \"{}\"\napi_key = \"{}\"\nvapid_private_key = \"{}\"\n",
            self.jwt_secret.expose_secret(),
            self.api_key.expose_secret(),
            self.vapid_private_key.expose_secret()
        )
    }
}

/// Where `belfry dev` answers with this data folder, if it ever ran.
pub(crate) fn read_dev_url(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join(URL_FILE)).ok()?;
    Some(text.trim().to_owned()).filter(|url| !url.is_empty())
}

/// Tells the other commands where `belfry dev` answers.
pub(crate) fn write_dev_url(data_dir: &Path, url: &str) -> Result<(), Failure> {
    let path = data_dir.join(URL_FILE);
    std::fs::write(&path, format!("{url}\n")).map_err(|error| unusable(&path, &error))
}

fn random_secret() -> String {
    let mut bytes = [0u8; 48];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source does not fail");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("`{}` cannot be used: {error}", path.display()))
        .remedy("make it accessible, or choose another folder with `--data-dir`")
}

/// Writes a file that only its owner may read; it is never there half-written or for others to read.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    restrict(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

#[cfg(unix)]
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        std::fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("deep/data");
        assert!(DevKeys::read(&data_dir).unwrap().is_none());
        let made = DevKeys::read_or_make(&data_dir).unwrap();
        let kept = DevKeys::read_or_make(&data_dir).unwrap();
        assert_eq!(made.jwt_secret.expose_secret(), kept.jwt_secret.expose_secret());
        assert_eq!(made.api_key.expose_secret(), kept.api_key.expose_secret());
        assert!(made.jwt_secret.expose_secret().len() >= 48);
        let alone = std::fs::read_to_string(DevKeys::api_key_file(&data_dir)).unwrap();
        assert_eq!(alone, made.api_key.expose_secret());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_keys_even_if_somebody_opened_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        DevKeys::read_or_make(&data_dir).unwrap();
        let path = data_dir.join(KEYS_FILE);
        assert_eq!((mode(&data_dir), mode(&path)), (0o700, 0o600));
        assert_eq!(mode(&DevKeys::api_key_file(&data_dir)), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        DevKeys::read_or_make(&data_dir).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_folder_of_an_earlier_version_gets_a_key_pair_for_browsers_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEYS_FILE);
        std::fs::write(&path, "jwt_secret = \"old secret\"\napi_key = \"old key\"\n").unwrap();
        let made = DevKeys::read(folder.path()).unwrap().unwrap();
        assert_eq!(made.jwt_secret.expose_secret(), "old secret");
        let kept = DevKeys::read(folder.path()).unwrap().unwrap();
        assert_eq!(made.vapid_private_key.expose_secret(), kept.vapid_private_key.expose_secret());
        assert!(VapidKey::parse(&kept.vapid_private_key).is_some());
        let mut config = Config::default();
        kept.apply(&mut config);
        assert!(config.web_push.options().is_some());
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEYS_FILE), "jwt_secret = \"hunter2").unwrap();
        let failure = DevKeys::read_or_make(folder.path()).unwrap_err();
        assert!(failure.message.ends_with("cannot be read as keys"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[test]
    fn no_key_is_printed_by_debug() {
        let folder = tempfile::tempdir().unwrap();
        let keys = DevKeys::read_or_make(folder.path()).unwrap();
        assert!(!format!("{keys:?}").contains(keys.api_key.expose_secret()));
        assert!(!format!("{keys:?}").contains(keys.vapid_private_key.expose_secret()));
    }
}
