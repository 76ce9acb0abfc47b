//! The texts of a kind: templates, compiled once, and which locale speaks.

use super::fault::{Complaint, nearest};
use super::filters::{Home, add_filters, locale_of};
use super::{html, plural};
use belfry_protocol::Severity;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, context};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Calls of macros within each other.
const RECURSION_MAX: usize = 50;

/// The names a template may use at the top, and below `alert` and `user`.
const TOP: [&str; 3] = ["data", "alert", "user"];
const BELOW_ALERT: [&str; 4] = ["id", "kind", "severity", "created_at"];
const BELOW_USER: [&str; 4] = ["id", "name", "locale", "time_zone"];

/// What a template may say of the alert.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AlertFacts<'a> {
    /// The alert's id.
    pub id: &'a str,
    /// The kind's name.
    pub kind: &'a str,
    /// How much it matters.
    pub severity: Severity,
    /// When it was accepted.
    pub created_at: jiff::Timestamp,
}

/// What a template may say of the person; absent where one text goes to many.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UserFacts<'a> {
    /// The user's id.
    pub id: &'a str,
    /// What to call them.
    pub name: Option<&'a str>,
    /// Their language.
    pub locale: Option<&'a str>,
    /// Their IANA time zone.
    pub time_zone: Option<&'a str>,
}

/// A template failed on this data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template `{template}` failed: {problem}")]
pub struct TemplateFault {
    /// Which one, for example `templates.en.title`.
    pub template: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// What templates write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text: values stand as they are.
    Text,
    /// HTML: every value is escaped.
    Html,
}

impl Form {
    /// Steps of the engine for one template; more means that it loops over something without end.
    fn fuel(self) -> u64 {
        match self {
            Self::Text => 50_000,
            Self::Html => 200_000,
        }
    }

    /// Longest template.
    fn source_bytes_max(self) -> usize {
        match self {
            Self::Text => 16 * 1024,
            Self::Html => 64 * 1024,
        }
    }

    /// Most bytes that one template may write: a text is cut to its field's limit afterwards, and a mail of more is cut
    /// off by mail programs.
    fn output_bytes_max(self) -> usize {
        match self {
            Self::Text => 64 * 1024,
            Self::Html => 100 * 1024,
        }
    }
}

/// The compiled templates of one kind and form. Texts and HTML are apart, so that no HTML can include a text, which is
/// not escaped.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    form: Form,
    home: Arc<Home>,
    /// Texts without any `{`: they are their own result.
    fixed: BTreeMap<String, String>,
}

impl Templates {
    pub(super) fn new(form: Form, home: Arc<Home>) -> Self {
        let mut environment = Environment::new();
        match form {
            Form::Text => environment.set_auto_escape_callback(|_| AutoEscape::None),
            Form::Html => {
                environment.set_auto_escape_callback(|_| AutoEscape::Html);
                environment.add_filter("safe", refuse_safe);
            }
        }
        add_filters(&mut environment, Arc::clone(&home));
        // An undefined value may be asked for (`{% if data.link %}`, `is defined`, `default`), never printed.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(form.fuel()));
        environment.set_recursion_limit(RECURSION_MAX);
        environment.set_debug(true);
        Self { environment, form, home, fixed: BTreeMap::new() }
    }

    /// Compiles one text under its name. The complaints may be warnings.
    pub(super) fn add(
        &mut self,
        name: &str,
        source: &str,
        schema: Option<&serde_json::Value>,
    ) -> Vec<Complaint> {
        let bytes_max = self.form.source_bytes_max();
        // A text is cut anyway; a template has to be read before each use, and HTML is sent whole.
        if source.len() > bytes_max && (self.form == Form::Html || source.contains('{')) {
            let remedy = match self.form {
                Form::Text => "Shorten it; the texts it writes are cut far below that",
                Form::Html => "Shorten it; mail programs cut off what is longer",
            };
            let problem = format!("the template has {} bytes, and one has at most {bytes_max}", source.len());
            return vec![Complaint::error(problem, remedy)];
        }
        if !source.contains('{') {
            self.fixed.insert(name.to_owned(), source.to_owned());
            return Vec::new();
        }
        if let Err(error) = self.environment.add_template_owned(name.to_owned(), source.to_owned()) {
            let line = error.line().filter(|line| *line > 1).map(|line| format!(" in its line {line}"));
            return vec![Complaint::error(
                format!("the template does not parse{}: {}", line.unwrap_or_default(), said(&error)),
                "Correct it; values stand in {{ }}, conditions in {% if … %}…{% endif %}",
            )];
        }
        let Ok(template) = self.environment.get_template(name) else {
            return Vec::new();
        };
        let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        names.sort();
        let globals: Vec<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let mut complaints: Vec<Complaint> =
            names.iter().filter_map(|name| check_name(name, &globals, schema)).collect();
        complaints.extend(plural::check(source, locale_of(name).unwrap_or(&self.home.locale)));
        if self.form == Form::Html {
            complaints.extend(html::check(source));
        }
        complaints
    }

    /// Whether there is a template of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fixed.contains_key(name) || self.environment.get_template(name).is_ok()
    }

    /// Runs one template.
    pub(super) fn render(&self, name: &str, facts: &Facts) -> Result<String, TemplateFault> {
        if let Some(text) = self.fixed.get(name) {
            return Ok(text.clone());
        }
        let fault = |problem: String| TemplateFault { template: name.to_owned(), problem };
        let template = self.environment.get_template(name).map_err(|error| fault(said(&error)))?;
        let bytes_max = self.form.output_bytes_max();
        let mut output = Bounded { bytes: Vec::new(), bytes_max };
        match template.render_captured_to(facts.context.clone(), &mut output) {
            Ok(_) => String::from_utf8(output.bytes)
                .map_err(|_| fault("it wrote text that is no UTF-8".to_owned())),
            Err(error) => Err(fault(explain(&error, bytes_max))),
        }
    }
}

/// What all templates of one alert see, prepared once.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    context: Value,
}

impl Facts {
    pub(super) fn new(
        data: &serde_json::Value,
        alert: &AlertFacts<'_>,
        user: Option<&UserFacts<'_>>,
    ) -> Self {
        Self {
            context: context! {
                data => Value::from(Serde(data)),
                alert => Value::from(Serde(alert)),
                user => Value::from(Serde(user)),
            },
        }
    }
}

/// The names under which templates of this locale are looked for, best first: `en-GB`, `en`.
pub(super) fn locale_chain(locale: &str) -> Vec<String> {
    let mut rest = locale.replace('_', "-").to_ascii_lowercase();
    let mut chain = Vec::new();
    while !rest.is_empty() {
        chain.push(rest.clone());
        match rest.rfind('-') {
            Some(end) => rest.truncate(end),
            None => break,
        }
    }
    chain
}

/// Whether a text is a language tag such as `en`, `en-GB` or `zh-Hant-TW`.
pub(super) fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Says when a template uses a name that cannot be there.
fn check_name(name: &str, globals: &[&str], schema: Option<&serde_json::Value>) -> Option<Complaint> {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let below = |known: &[&str]| {
        let part = parts.clone().next()?;
        (!known.contains(&part)).then(|| {
            let hint = nearest(part, known.iter().copied());
            let remedy = match hint {
                Some(near) => format!("Write `{first}.{near}`"),
                None => format!("`{first}` has {}", known.join(", ")),
            };
            Complaint::error(format!("`{first}` has no `{part}`"), remedy)
        })
    };
    match first {
        "alert" => below(&BELOW_ALERT),
        "user" => below(&BELOW_USER),
        "data" => schema.and_then(|schema| check_data_path(schema, schema, parts, &mut "data".to_owned(), 0)),
        other if globals.contains(&other) => None,
        other => Some(Complaint::error(
            format!("`{other}` is not known to templates"),
            match nearest(other, TOP) {
                Some(near) => format!("Write `{near}`"),
                None => format!(
                    "Fields of the payload are written `data.{other}`; there are data, alert and user"
                ),
            },
        )),
    }
}

/// Walks `data.a.b` through the schema's `properties` as far as those are plain.
fn check_data_path<'a>(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    mut parts: impl Iterator<Item = &'a str>,
    path: &mut String,
    references: usize,
) -> Option<Complaint> {
    if let Some(reference) = schema.get("$ref").and_then(serde_json::Value::as_str) {
        let target =
            reference.strip_prefix('#').and_then(|pointer| root.pointer(&super::schema::decoded(pointer)))?;
        if references > 32 {
            return None;
        }
        // The walk is over at most as many parts as the template wrote, so boxing the iterator is no cost.
        let parts: Box<dyn Iterator<Item = &'a str>> = Box::new(parts.collect::<Vec<_>>().into_iter());
        return check_data_path(root, target, parts, path, references + 1);
    }
    let part = parts.next()?;
    let properties = schema.get("properties").and_then(serde_json::Value::as_object)?;
    let branching = ["allOf", "anyOf", "oneOf", "then", "else", "patternProperties", "dependentSchemas"];
    if let Some(next) = properties.get(part) {
        path.push('.');
        path.push_str(part);
        let parts: Box<dyn Iterator<Item = &'a str>> = Box::new(parts.collect::<Vec<_>>().into_iter());
        return check_data_path(root, next, parts, path, references);
    }
    if branching.iter().any(|keyword| schema.get(keyword).is_some()) {
        return None;
    }
    let problem = format!("the schema names no field `{path}.{part}`");
    let remedy = match nearest(part, properties.keys().map(String::as_str)) {
        Some(near) => format!("Write `{path}.{near}`, or add the field to the schema"),
        None => "Add the field to the schema, or use one that it names".to_owned(),
    };
    match schema.get("additionalProperties") {
        Some(serde_json::Value::Bool(false)) => Some(Complaint::error(problem, remedy)),
        None => Some(Complaint::warning(problem, remedy)),
        Some(_) => None,
    }
}

/// What went wrong at run time, with the remedy.
fn explain(error: &minijinja::Error, bytes_max: usize) -> String {
    let place = error.range().and_then(|range| error.template_source()?.get(range).map(str::to_owned));
    let line =
        error.line().filter(|line| *line > 1).map(|line| format!(" (line {line})")).unwrap_or_default();
    match (error.kind(), place) {
        (ErrorKind::UndefinedError, Some(place)) if place.chars().all(is_path) => format!(
            "`{place}`{line} is not in this alert; send it, or write {{{{ {place} | default(\"…\") }}}} or {{% if … %}}"
        ),
        (ErrorKind::UndefinedError, Some(place)) => format!(
            "`{place}`{line} uses a field that is not in this alert; send it, or write `(data.field | default)` there"
        ),
        (ErrorKind::OutOfFuel, _) => {
            "it takes too many steps; loop over fewer items, for example `data.deals[:10]`".to_owned()
        }
        (ErrorKind::WriteFailure, _) => {
            format!("it writes more than {bytes_max} bytes; shorten it, for example with `| truncate`")
        }
        _ => format!("{}{line}", said(error)),
    }
}

/// What the name of a value is made of, in contrast to a statement.
fn is_path(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '_' | '[' | ']')
}

/// The engine's own words without its place, which we say ourselves.
fn said(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// Stands in for the engine's filter that switches escaping off. The file is refused already where the filter is seen
/// there; this answers the ways round, such as `map("safe")`.
fn refuse_safe(_: Value) -> Result<Value, minijinja::Error> {
    let problem = "`safe` would let data write HTML; remove it";
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, problem))
}

/// Takes bytes up to the limit.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other("the text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
