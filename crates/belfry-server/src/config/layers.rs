//! Where values come from, and which one wins.

use super::form::{Form, Found, Raw, Wrong, show};
use super::sections::SECTIONS;
use super::{ConfigFaults, Fault, Origin, Sources};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// Keys that stand above all sections.
pub(super) const TOP_KEYS: &[&str] = &["api_keys"];

/// Environment variables with a short name of their own.
pub(super) const SHORT_NAMES: &[(&str, &str)] = &[
    ("BELFRY_LISTEN", "server.listen"),
    ("BELFRY_DATA_DIR", "server.data_dir"),
    ("BELFRY_DATABASE_URL", "database.url"),
    ("BELFRY_BUS_URL", "bus.url"),
    ("BELFRY_JWT_SECRET", "auth.jwt_secret"),
    ("BELFRY_KINDS_DIR", "kinds.dir"),
];

/// The short name that adds an API key instead of setting one value.
pub(super) const API_KEY_VARIABLE: &str = "BELFRY_API_KEY";

const LONG_PREFIX: &str = "BELFRY__";

/// One value, and where it is from.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) found: Found,
    pub(super) origin: Origin,
}

/// All values, the winning ones only.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    pub(super) entries: BTreeMap<String, Entry>,
    faults: Vec<Fault>,
}

static DEFAULTS: LazyLock<Layers> = LazyLock::new(|| {
    let mut layers = Layers::default();
    layers.add_document(super::DEFAULTS, &|_| Origin::Default);
    layers
});

impl Layers {
    /// Puts the sources over the defaults.
    pub(super) fn of(sources: &Sources) -> Self {
        let mut layers = DEFAULTS.clone();
        match &sources.file {
            super::FileSource::None => {}
            super::FileSource::IfPresent(path) => {
                if path.exists() {
                    layers.read_file(path);
                }
            }
            super::FileSource::Named(path) => layers.read_file(path),
        }
        layers.add_environment(&sources.environment);
        for flag in &sources.flags {
            layers.put(flag.key, Found::Text(flag.value.clone()), Origin::Flag(flag.name));
        }
        layers
    }

    fn fault(&mut self, origin: Origin, text: String) {
        self.faults.push(Fault { origin: Some(origin), text });
    }

    fn read_file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add_file(&text, path),
            Err(error) => self.faults.push(Fault {
                origin: None,
                text: format!("the configuration file `{}` cannot be read: {error}", path.display()),
            }),
        }
    }

    fn add_file(&mut self, text: &str, path: &Path) {
        self.add_document(text, &|offset| {
            let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
            Origin::File { path: path.to_owned(), line }
        });
    }

    /// `at` says where a byte of the text is.
    fn add_document(&mut self, text: &str, at: &dyn Fn(usize) -> Origin) {
        let document = match DeTable::parse(text) {
            Ok(document) => document.into_inner(),
            Err(error) => {
                let origin = at(error.span().map_or(0, |span| span.start));
                return self.fault(origin, error.message().to_owned());
            }
        };
        for (name, value) in document {
            let origin = at(name.span().start);
            let name = name.into_inner();
            if TOP_KEYS.contains(&name.as_ref()) {
                self.put(&name, Found::Toml(plain(value.into_inner())), origin);
            } else if let Some((section, keys)) = SECTIONS.iter().find(|(section, _)| *section == name) {
                let DeValue::Table(table) = value.into_inner() else {
                    self.fault(
                        origin,
                        format!("`{section}` is a section: write `[{section}]` and its keys below it"),
                    );
                    continue;
                };
                for (key, value) in table {
                    let origin = at(key.span().start);
                    let key = key.into_inner();
                    if keys.contains(&key.as_ref()) {
                        self.put(&format!("{section}.{key}"), Found::Toml(plain(value.into_inner())), origin);
                    } else {
                        self.fault(origin, unknown_key(section, &key));
                    }
                }
            } else {
                self.fault(origin, unknown_section(&name));
            }
        }
    }

    fn add_environment(&mut self, environment: &[(String, String)]) {
        for (name, value) in environment {
            if let Some((_, path)) = SHORT_NAMES.iter().find(|(short, _)| short == name) {
                self.put(path, Found::Text(value.clone()), Origin::Environment(name.clone()));
            } else if let Some(meant) = nearly_short(name) {
                // Other variables named BELFRY_… are left alone: orchestrators set them for a service of this name.
                self.fault(
                    Origin::Environment(name.clone()),
                    format!("there is no such variable; did you mean `{meant}`?"),
                );
            }
        }
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix(LONG_PREFIX) else { continue };
            let rest = rest.to_ascii_lowercase();
            let origin = Origin::Environment(name.clone());
            let known = |section: &str| SECTIONS.iter().find(|(name, _)| *name == section);
            match rest.split_once("__") {
                None if TOP_KEYS.contains(&rest.as_str()) => {
                    self.put(&rest, Found::Text(value.clone()), origin)
                }
                None => self.fault(origin, unknown_section(&rest)),
                Some((section, key)) => match known(section) {
                    None => self.fault(origin, unknown_section(section)),
                    Some((_, keys)) if !keys.contains(&key) => self.fault(origin, unknown_key(section, key)),
                    Some(_) => self.put(&format!("{section}.{key}"), Found::Text(value.clone()), origin),
                },
            }
        }
    }

    /// Sets a value. A secret and its `_file` are one thing: the later layer's form takes the place of the earlier's.
    fn put(&mut self, path: &str, found: Found, origin: Origin) {
        let twin = match path.strip_suffix("_file") {
            Some(plain) => plain.to_owned(),
            None => format!("{path}_file"),
        };
        if !found.is_empty()
            && let Some(other) = self.entries.get_mut(&twin)
            && !other.found.is_empty()
        {
            if other.origin.rank() == origin.rank() {
                return self.fault(origin, format!("`{path}` and `{twin}` are both set; keep one"));
            }
            other.found = Found::Text(String::new());
            other.origin = Origin::Default;
        }
        self.entries.insert(path.to_owned(), Entry { found, origin });
    }
}

/// Hands out values and collects what is wrong with them.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(layers: &'a Layers) -> Self {
        Self { layers, faults: layers.faults.clone() }
    }

    pub(super) fn of_defaults() -> Reader<'static> {
        Reader { layers: &DEFAULTS, faults: Vec::new() }
    }

    /// The value, or the default where it is wrong, so that all faults are found at once.
    pub(super) fn get<T>(&mut self, path: &str, form: &Form<T>) -> T {
        let entry = self.layers.entries.get(path).or_else(|| DEFAULTS.entries.get(path));
        let entry = entry.expect("every key stands in config.default.toml, a test compares them");
        match read(entry, form) {
            Ok(value) => value,
            Err(wrong) => {
                let found = if form.secret {
                    "a value that is not shown here".to_owned()
                } else {
                    show(&entry.found)
                };
                let text = match wrong {
                    Wrong::Shape => format!("`{path}` is {found}; expected {}", form.expected),
                    Wrong::Because(reason) if form.secret => format!("`{path}`: {reason}"),
                    Wrong::Because(reason) => format!("`{path}` is {found}: {reason}"),
                };
                self.faults.push(Fault { origin: Some(entry.origin.clone()), text });
                let default = DEFAULTS.entries.get(path).map(|entry| read(entry, form));
                let Some(Ok(default)) = default else {
                    unreachable!("the defaults are valid, a test reads them")
                };
                default
            }
        }
    }

    /// Says that something is wrong with a value.
    pub(super) fn fault(&mut self, path: &str, text: String) {
        let origin = self.layers.entries.get(path).map(|entry| entry.origin.clone());
        self.faults.push(Fault { origin, text });
    }

    /// What was wrong.
    pub(super) fn finish(mut self) -> Result<(), ConfigFaults> {
        self.faults.sort_by_key(|fault| match &fault.origin {
            Some(origin @ Origin::File { line, .. }) => (origin.rank(), *line),
            Some(origin) => (origin.rank(), 0),
            None => (0, 0),
        });
        if self.faults.is_empty() { Ok(()) } else { Err(ConfigFaults(self.faults)) }
    }
}

fn read<T>(entry: &Entry, form: &Form<T>) -> Result<T, Wrong> {
    let base = match &entry.origin {
        Origin::File { path, .. } => path.parent().map(Path::to_owned).unwrap_or_default(),
        _ => PathBuf::new(),
    };
    (form.read)(&Raw { found: &entry.found, base: &base })
}

fn plain(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float)
        }
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(value) => Value::Datetime(value),
        DeValue::Array(values) => {
            Value::Array(values.into_iter().map(|value| plain(value.into_inner())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| (key.into_inner().into_owned(), plain(value.into_inner())))
                .collect(),
        ),
    }
}

fn unknown_section(name: &str) -> String {
    // A key that stands outside its section is the commonest slip in TOML.
    let home = SECTIONS.iter().find(|(_, keys)| keys.contains(&name));
    if let Some((section, _)) = home {
        return format!("`{name}` stands outside a section; it belongs below `[{section}]`");
    }
    let names = SECTIONS.iter().map(|(section, _)| *section).chain(TOP_KEYS.iter().copied());
    format!("`{name}` is not a section{}", did_you_mean(name, names))
}

fn unknown_key(section: &str, key: &str) -> String {
    let keys = SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[] as &[&str], |(_, keys)| keys);
    if let Some(near) = nearest(key, keys.iter().copied()) {
        return format!("`{section}.{key}` is not a key; did you mean `{section}.{near}`?");
    }
    match SECTIONS.iter().find(|(_, keys)| keys.contains(&key)) {
        Some((home, _)) => format!("`{section}.{key}` is not a key; did you mean `{home}.{key}`?"),
        None => format!("`{section}.{key}` is not a key"),
    }
}

fn nearly_short(name: &str) -> Option<&'static str> {
    if name.starts_with(LONG_PREFIX) {
        return None;
    }
    let all = SHORT_NAMES.iter().map(|(short, _)| *short).chain([API_KEY_VARIABLE]);
    let mut near = all.map(|short| (strsim::damerau_levenshtein(name, short), short));
    near.find(|(distance, _)| (1..=2).contains(distance)).map(|(_, short)| short)
}

/// `; did you mean …?`, or nothing where nothing is near.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.len() / 3).clamp(1, 4);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
