//! Lists of tables: API keys and public keys.

use super::form::{Form, Raw, Wrong};
use crate::auth::{ApiKeyOptions, ApiKeySecret, PublicKeyOptions, Scope};
use secrecy::SecretString;
use std::path::Path;
use toml::Value;

/// The fields of one table in a list of tables.
struct Fields<'a> {
    list: &'static str,
    index: usize,
    table: toml::Table,
    base: &'a Path,
}

impl<'a> Fields<'a> {
    fn all<T>(
        raw: &Raw<'a>,
        list: &'static str,
        known: &[&str],
        read: fn(Fields<'a>) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, Wrong> {
        let entry = |(index, value): (usize, Value)| {
            let Value::Table(table) = value else { return Err(Wrong::Shape) };
            if let Some(unknown) = table.keys().find(|key| !known.contains(&key.as_str())) {
                let hint = super::layers::did_you_mean(unknown, known.iter().copied());
                return Err(Wrong::Because(format!("`{list}[{index}].{unknown}` is not a key{hint}")));
            }
            read(Fields { list, index, table, base: raw.base })
        };
        raw.list()?.into_iter().enumerate().map(entry).collect()
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Wrong {
        Wrong::Because(format!("`{}[{}]` {what}", self.list, self.index))
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Wrong> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.wrong(format_args!("needs text in `{key}`"))),
        }
    }

    fn required(&self, key: &str) -> Result<&str, Wrong> {
        self.text(key)?.ok_or_else(|| self.wrong(format_args!("has no `{key}`")))
    }

    /// The text of `key`, or of the file that `key_file` names.
    fn text_or_file(&self, key: &str) -> Result<Option<String>, Wrong> {
        let file_key = format!("{key}_file");
        match (self.text(key)?, self.text(&file_key)?) {
            (Some(_), Some(_)) => Err(self.wrong(format_args!("has `{key}` and `{file_key}`; keep one"))),
            (Some(text), None) => Ok(Some(text.to_owned())),
            (None, Some(file)) => {
                read_secret(&self.base.join(file)).map(Some).map_err(|reason| self.wrong(reason))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The text of a file that holds one secret, without the newline at its end.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot be read from `{}`: {error}", path.display()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("is empty in `{}`", path.display())),
        text => Ok(text.to_owned()),
    }
}

/// The lines of a file that holds several secrets.
pub(super) fn read_secrets(path: &Path) -> Result<Vec<SecretString>, String> {
    let text = read_secret(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(SecretString::from).collect())
}

/// What a public key may be for.
const ALGORITHMS: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

pub(super) const PUBLIC_KEYS: Form<Vec<PublicKeyOptions>> = Form {
    expected: "a list of tables like { kid = \"2026-01\", algorithm = \"ES256\", pem_file = \"key.pem\" }",
    // A private key pasted by mistake must not end up in a log.
    secret: true,
    read: |raw| {
        Fields::all(raw, "jwt_public_keys", &["kid", "algorithm", "pem", "pem_file"], |fields| {
            let algorithm = fields.text("algorithm")?;
            if let Some(name) = algorithm.filter(|name| !ALGORITHMS.contains(name)) {
                return Err(fields.wrong(format_args!(
                    "has the algorithm `{name}`; use one of {}",
                    ALGORITHMS.join(", ")
                )));
            }
            let pem =
                fields.text_or_file("pem")?.ok_or_else(|| fields.wrong("has no `pem` and no `pem_file`"))?;
            Ok(PublicKeyOptions {
                kid: fields.text("kid")?.map(str::to_owned),
                algorithm: algorithm.map(str::to_owned),
                pem,
            })
        })
    },
};

pub(super) const API_KEYS: Form<Vec<ApiKeyOptions>> = Form {
    expected: "tables `[[api_keys]]` with `name`, `scopes` and one of `hash`, `key`, `key_file`",
    secret: true,
    read: |raw| {
        Fields::all(raw, "api_keys", &["name", "scopes", "hash", "key", "key_file"], |fields| {
            let name = fields.required("name")?.to_owned();
            let scopes = scopes(&fields)?;
            let secret = match (fields.text("hash")?, fields.text_or_file("key")?) {
                (Some(_), Some(_)) => return Err(fields.wrong("has a `hash` and a key; keep the hash")),
                (None, None) => return Err(fields.wrong("has none of `hash`, `key`, `key_file`")),
                (None, Some(key)) => ApiKeySecret::Plain(key.into()),
                (Some(hash), None) if is_sha256(hash) => ApiKeySecret::Hash(hash.to_owned()),
                (Some(_), None) => {
                    return Err(fields.wrong("needs `sha256:` and 64 hexadecimal digits in `hash`"));
                }
            };
            Ok(ApiKeyOptions { name, scopes, secret })
        })
    },
};

fn scopes(fields: &Fields<'_>) -> Result<Vec<Scope>, Wrong> {
    let names = || Scope::ALL.iter().map(|scope| scope.as_str());
    let scope = |value: &Value| {
        let name = value.as_str().unwrap_or_default();
        Scope::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or_else(|| {
            let hint = super::layers::did_you_mean(name, names());
            fields.wrong(format_args!("has the scope `{name}`, which does not exist{hint}"))
        })
    };
    match fields.table.get("scopes") {
        Some(Value::Array(values)) if !values.is_empty() => values.iter().map(scope).collect(),
        _ => Err(fields.wrong("needs `scopes`, a list of `publish`, `manage`, `operate`")),
    }
}

fn is_sha256(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
