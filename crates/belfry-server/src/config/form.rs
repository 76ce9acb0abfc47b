//! How a single value is read: what is expected, and what a wrong one is answered.

use super::sections::{BusUrl, DatabaseUrl, LogFormat};
use belfry_channels::email::SmtpTls;
use ipnet::IpNet;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Value;

/// A way to read a value.
pub(super) struct Form<T> {
    /// Completes "expected …".
    pub(super) expected: &'static str,
    /// The value is never shown.
    pub(super) secret: bool,
    /// Reads it.
    pub(super) read: fn(&Raw<'_>) -> Result<T, Wrong>,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Not what is expected at all.
    Shape,
    /// The right shape, but …
    Because(String),
}

/// A value as it was found.
pub(super) struct Raw<'a> {
    /// From a file, or text from environment and flags.
    pub(super) found: &'a Found,
    /// Where relative paths start.
    pub(super) base: &'a Path,
}

/// A value from a file, or text from environment and flags.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// Has a type of its own.
    Toml(Value),
    /// Takes the type that is wanted.
    Text(String),
}

impl Found {
    /// Whether it is the empty text or the empty list.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) | Self::Toml(Value::String(text)) => text.is_empty(),
            Self::Toml(Value::Array(values)) => values.is_empty(),
            Self::Toml(_) => false,
        }
    }
}

impl Raw<'_> {
    fn text(&self) -> Result<&str, Wrong> {
        match self.found {
            Found::Toml(Value::String(text)) | Found::Text(text) => Ok(text),
            Found::Toml(_) => Err(Wrong::Shape),
        }
    }

    fn integer(&self) -> Result<i64, Wrong> {
        match self.found {
            Found::Toml(Value::Integer(number)) => Ok(*number),
            Found::Text(text) => text.trim().parse().map_err(|_| Wrong::Shape),
            Found::Toml(_) => Err(Wrong::Shape),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Value>, Wrong> {
        match self.found {
            Found::Toml(Value::Array(values)) => Ok(values.clone()),
            Found::Text(text) if text.trim_start().starts_with('[') => match inline(text)? {
                Value::Array(values) => Ok(values),
                _ => Err(Wrong::Shape),
            },
            // From the environment a plain list does without brackets and quotes.
            Found::Text(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Value::String(part.to_owned()))
                .collect()),
            Found::Toml(_) => Err(Wrong::Shape),
        }
    }

    fn table(&self) -> Result<toml::Table, Wrong> {
        match self.found {
            Found::Toml(Value::Table(table)) => Ok(table.clone()),
            Found::Text(text) => match inline(text)? {
                Value::Table(table) => Ok(table),
                _ => Err(Wrong::Shape),
            },
            Found::Toml(_) => Err(Wrong::Shape),
        }
    }
}

fn inline(text: &str) -> Result<Value, Wrong> {
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("value = {text}"));
    parsed
        .map_err(|error| Wrong::Because(format!("it is no TOML value: {}", error.message())))?
        .remove("value")
        .ok_or(Wrong::Shape)
}

/// Shows a found value in a message.
pub(super) fn show(found: &Found) -> String {
    match found {
        Found::Text(text) => format!("`{text}`"),
        Found::Toml(Value::Table(_)) => "a table".to_owned(),
        Found::Toml(value) => format!("`{value}`"),
    }
}

const fn form<T>(expected: &'static str, read: fn(&Raw<'_>) -> Result<T, Wrong>) -> Form<T> {
    Form { expected, secret: false, read }
}

pub(super) const TEXT: Form<String> = form("text", |raw| Ok(raw.text()?.to_owned()));

pub(super) const OPTIONAL_TEXT: Form<Option<String>> = form("text, or \"\" for none", |raw| {
    Ok(Some(raw.text()?).filter(|text| !text.is_empty()).map(str::to_owned))
});

pub(super) const SWITCH: Form<bool> = form("true or false", |raw| match raw.found {
    Found::Toml(Value::Boolean(value)) => Ok(*value),
    Found::Text(text) => text.trim().parse().map_err(|_| Wrong::Shape),
    Found::Toml(_) => Err(Wrong::Shape),
});

pub(super) const COUNT: Form<u32> = form("a whole number from 1 to 4294967295", |raw| {
    u32::try_from(raw.integer()?).ok().filter(|count| *count > 0).ok_or(Wrong::Shape)
});

pub(super) const COUNT_OR_ZERO: Form<u32> = form("a whole number from 0 to 4294967295", |raw| {
    u32::try_from(raw.integer()?).map_err(|_| Wrong::Shape)
});

pub(super) const PORT_OR_ZERO: Form<u16> = form("a port from 1 to 65535, or 0 for the usual one", |raw| {
    u16::try_from(raw.integer()?).map_err(|_| Wrong::Shape)
});

pub(super) const SMTP_TLS: Form<SmtpTls> =
    form("\"starttls\", \"tls\" or \"none\"", |raw| match raw.text()? {
        "starttls" => Ok(SmtpTls::StartTls),
        "tls" => Ok(SmtpTls::Tls),
        "none" => Ok(SmtpTls::None),
        _ => Err(Wrong::Shape),
    });

/// The largest size that can be configured.
const SIZE_MAX: usize = 1 << 40;

pub(super) const SIZE: Form<usize> =
    form("a size in bytes like 65536 or \"64KiB\", from 1 byte to 1024GiB", |raw| {
        let bytes = match raw.integer() {
            Ok(number) => usize::try_from(number).map_err(|_| Wrong::Shape)?,
            Err(_) => size(raw.text()?).ok_or(Wrong::Shape)?,
        };
        (1..=SIZE_MAX).contains(&bytes).then_some(bytes).ok_or(Wrong::Shape)
    });

fn size(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

fn duration(text: &str) -> Result<Duration, Wrong> {
    crate::duration::parse(text).map_err(|error| Wrong::Because(error.to_string()))
}

pub(super) const DURATION: Form<Duration> = form("a duration like \"30s\", above zero", |raw| {
    let duration = duration(raw.text()?)?;
    (!duration.is_zero()).then_some(duration).ok_or(Wrong::Shape)
});

pub(super) const DURATION_OR_ZERO: Form<Duration> =
    form("a duration like \"30s\"", |raw| duration(raw.text()?));

pub(super) const DURATIONS: Form<BTreeMap<String, Duration>> =
    form("a table of durations like { security = \"365d\" }", |raw| {
        let entry = |(name, value): (String, Value)| match value {
            Value::String(text) => match duration(&text) {
                Ok(length) => Ok((name, length)),
                Err(Wrong::Because(reason)) => Err(Wrong::Because(format!("`{name}`: {reason}"))),
                Err(Wrong::Shape) => Err(Wrong::Shape),
            },
            _ => Err(Wrong::Shape),
        };
        raw.table()?.into_iter().map(entry).collect()
    });

pub(super) const ADDRESS: Form<SocketAddr> = form("an address and port like \"127.0.0.1:8787\"", |raw| {
    let text = raw.text()?;
    // `localhost` may mean two addresses; the listener takes one.
    let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| Wrong::Shape)
});

pub(super) const OPTIONAL_ADDRESS: Form<Option<SocketAddr>> =
    form("an address and port like \"127.0.0.1:9100\", or \"\" for none", |raw| match raw.text()? {
        "" => Ok(None),
        _ => (ADDRESS.read)(raw).map(Some),
    });

pub(super) const NETWORKS: Form<Vec<IpNet>> =
    form("a list of addresses or networks like [\"10.0.0.0/8\", \"192.0.2.7\"]", |raw| {
        let network = |value: Value| match value {
            Value::String(text) => text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| Wrong::Because(format!("`{text}` is no address and no network"))),
            _ => Err(Wrong::Shape),
        };
        raw.list()?.into_iter().map(network).collect()
    });

pub(super) const TEXTS: Form<Vec<String>> = form("a list of texts like [\"a\", \"b\"]", |raw| {
    let text = |value: Value| match value {
        Value::String(text) if !text.is_empty() => Ok(text),
        _ => Err(Wrong::Shape),
    };
    raw.list()?.into_iter().map(text).collect()
});

fn path(raw: &Raw<'_>, text: &str) -> PathBuf {
    raw.base.join(text)
}

pub(super) const PATH: Form<PathBuf> = form("a path", |raw| match raw.text()? {
    "" => Err(Wrong::Shape),
    text => Ok(path(raw, text)),
});

pub(super) const OPTIONAL_PATH: Form<Option<PathBuf>> = form("a path, or \"\" for none", |raw| {
    let text = raw.text()?;
    Ok((!text.is_empty()).then(|| path(raw, text)))
});

pub(super) const BASE_PATH: Form<String> =
    form("\"\", or a path like \"/belfry\" that begins with a slash and does not end with one", |raw| {
        let text = raw.text()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        let good = text.is_empty()
            || (text.starts_with('/')
                && !text.ends_with('/')
                && !text.contains("//")
                && text.chars().all(plain));
        good.then(|| text.to_owned()).ok_or(Wrong::Shape)
    });

pub(super) const OPTIONAL_URL: Form<Option<String>> =
    form("a URL like \"https://id.example.com/jwks.json\", or \"\" for none", |raw| {
        let text = raw.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        match reqwest::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(Some(text.to_owned())),
            _ => Err(Wrong::Shape),
        }
    });

pub(super) const URL: Form<String> =
    form("a URL like \"https://push.example.com\"", |raw| (OPTIONAL_URL.read)(raw)?.ok_or(Wrong::Shape));

/// A URL may hold a password, so a wrong one is not shown either.
pub(super) const DATABASE_URL: Form<DatabaseUrl> = Form {
    expected: "`sqlite:FILE` or `postgres://user:password@host/database`",
    secret: true,
    read: |raw| database_url(raw.text()?),
};

/// The store that a URL means.
pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, Wrong> {
    // Where a file holds the URL, the default is no second one.
    if text.is_empty() {
        return Ok(DatabaseUrl::Sqlite(PathBuf::from("belfry.db")));
    }
    match text.split_once(':') {
        Some(("sqlite", file)) => match file.strip_prefix("//").unwrap_or(file) {
            "" => Err(Wrong::Shape),
            ":memory:" => {
                Err(Wrong::Because("a store in memory would forget accepted alerts; name a file".to_owned()))
            }
            file => Ok(DatabaseUrl::Sqlite(PathBuf::from(file))),
        },
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
            Ok(DatabaseUrl::Postgres(SecretString::from(text)))
        }
        _ => Err(Wrong::Shape),
    }
}

/// The same.
pub(super) const BUS_URL: Form<BusUrl> = Form {
    expected: "\"\", `memory`, `postgres`, or a URL with `postgres://`, `redis://`, `rediss://`, `nats://` or `tls://`",
    secret: true,
    read: |raw| bus_url(raw.text()?),
};

/// The bus that a URL means; several addresses of one cluster stand behind each other, with a comma.
pub(super) fn bus_url(text: &str) -> Result<BusUrl, Wrong> {
    let scheme = |text: &str| text.split_once("://").map(|(scheme, _)| scheme.to_owned());
    let each = |schemes: &[&str]| -> Result<Vec<SecretString>, Wrong> {
        let one = |url: &str| match scheme(url.trim()) {
            Some(own) if schemes.contains(&own.as_str()) => Ok(SecretString::from(url.trim())),
            _ => {
                Err(Wrong::Because("all addresses must be of the same sort, each with its scheme".to_owned()))
            }
        };
        text.split(',').map(one).collect()
    };
    match (text, scheme(text).as_deref()) {
        ("", _) => Ok(BusUrl::Auto),
        ("memory", _) => Ok(BusUrl::Memory),
        ("postgres", _) => Ok(BusUrl::Postgres(None)),
        (_, Some("postgres" | "postgresql")) => Ok(BusUrl::Postgres(Some(SecretString::from(text)))),
        (_, Some("redis" | "rediss")) => each(&["redis", "rediss"]).map(BusUrl::Redis),
        (_, Some("nats" | "tls")) => each(&["nats", "tls"]).map(BusUrl::Nats),
        _ => Err(Wrong::Shape),
    }
}

pub(super) const SECRET: Form<Option<SecretString>> = Form {
    expected: "text, or \"\" for none",
    secret: true,
    read: |raw| Ok(Some(raw.text()?).filter(|text| !text.is_empty()).map(SecretString::from)),
};

pub(super) const SECRETS: Form<Vec<SecretString>> = Form {
    expected: "a list of texts",
    secret: true,
    read: |raw| Ok((TEXTS.read)(raw)?.into_iter().map(SecretString::from).collect()),
};

pub(super) const CLAIMS: Form<BTreeMap<String, serde_json::Value>> =
    form("a table of claims like { type = \"access\" } with texts, whole numbers, true or false", |raw| {
        let claim = |(name, value): (String, Value)| match value {
            Value::String(text) => Ok((name, text.into())),
            Value::Integer(number) => Ok((name, number.into())),
            Value::Boolean(switch) => Ok((name, switch.into())),
            _ => Err(Wrong::Shape),
        };
        raw.table()?.into_iter().map(claim).collect()
    });

pub(super) const LOG_FORMAT: Form<LogFormat> =
    form("\"auto\", \"text\" or \"json\"", |raw| match raw.text()? {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::Shape),
    });

pub(super) const LOG_LEVEL: Form<String> = form(
    "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or a filter like \"info,belfry_server=debug\"",
    |raw| {
        let text = raw.text()?;
        // The filter's own parser takes any word as the name of a part, so a misspelt level would silence everything.
        let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
        let directive = |part: &str| part.rsplit_once('=').map_or(level(part), |(_, word)| level(word));
        let good = !text.is_empty()
            && text.split(',').all(|part| directive(part.trim()))
            && tracing_subscriber::EnvFilter::try_new(text).is_ok();
        good.then(|| text.to_owned()).ok_or(Wrong::Shape)
    },
);
