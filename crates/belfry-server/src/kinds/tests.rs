//! One test per rule, with the whole message, since the message is the help a person gets.

mod any_input;
mod data;
mod files;
mod languages;
mod texts;

use super::*;
use belfry_protocol::Severity;
use serde_json::{Value, json};
use std::path::Path;

fn read(text: &str) -> Result<Kinds, Vec<KindFault>> {
    Kinds::from_text(Path::new("k.toml"), text, &KindsOptions::default())
}

#[track_caller]
fn kind(text: &str) -> Kind {
    let kinds = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    kinds.into_kinds().next().expect("has one")
}

#[track_caller]
fn refused(text: &str, messages: &[&str]) {
    let faults = read(text).expect_err("is refused");
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said, messages);
}

#[track_caller]
fn warned(text: &str, messages: &[&str]) {
    let kinds = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let said: Vec<String> = kinds.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(said, messages);
}

fn facts() -> AlertFacts<'static> {
    AlertFacts {
        id: "0199",
        kind: "k",
        severity: Severity::Warning,
        created_at: "2026-01-02T03:04:05Z".parse().expect("is a time"),
    }
}

fn render_as(kind: &Kind, locale: &str, data: Value) -> Result<Rendered, TemplateFault> {
    kind.render(&RenderInput { locale, data: &data, alert: facts(), user: None, given: Given::default() })
}

fn render(kind: &Kind, data: Value) -> Result<Rendered, TemplateFault> {
    render_as(kind, "en", data)
}

/// The smallest sound file, with one line more.
fn with(line: &str) -> String {
    format!("kind = \"k\"\n{line}\n[templates.en]\ntitle = \"t\"\n")
}

/// A JSON value as TOML.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{} = {}", json!(key), inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
