//! The reference page of the types, and how a schema reads in a table.

use super::PAGE_MARK;
use crate::schema;
use serde_json::Value;

/// `types.md`.
pub(super) fn types() -> String {
    let mut out = format!(
        "{PAGE_MARK}\n# Types\n\nWhat frames and bodies are made of. The same as JSON Schema: \
         [belfry.v1.schema.json](schemas/belfry.v1.schema.json).\n"
    );
    for (name, schema) in schema::components() {
        // Each frame has its place on the page of the frames.
        if schema.get("discriminator").is_some() || schema["properties"]["type"].get("enum").is_some() {
            continue;
        }
        out += &format!("\n## {name}\n\n{}\n", description(&schema));
        out += &body(&schema);
    }
    out
}

/// What stands below a type's heading.
fn body(schema: &Value) -> String {
    if schema["properties"].is_object() {
        return fields(schema, "");
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        return forms
            .iter()
            .map(|form| format!("\n* {}: {}", text(form, ""), description(form)))
            .collect::<String>()
            + "\n";
    }
    if schema.get("type").is_none() && schema.get("$ref").is_none() {
        return "\nAny JSON.\n".to_owned();
    }
    format!("\n{}\n", text(schema, ""))
}

/// The fields of an object as a table; links to types begin with `page`.
pub(super) fn fields(schema: &Value, page: &str) -> String {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut out = String::from("\n| field | type | |\n|---|---|---|\n");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let optional = if required.iter().any(|entry| entry == name) { "" } else { ", optional" };
        out += &format!(
            "| `{name}` | {}{optional} | {} |\n",
            text(field, page),
            description(field).replace('|', "\\|")
        );
    }
    out
}

/// The description of a schema; where it is a choice with `null`, of the other one.
pub(super) fn description(schema: &Value) -> &str {
    let inner = schema["oneOf"]
        .as_array()
        .and_then(|forms| forms.iter().find_map(|form| form["description"].as_str()));
    schema["description"].as_str().or(inner).unwrap_or_default()
}

/// A schema in a few words.
pub(super) fn text(schema: &Value, page: &str) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap_or_default();
        return format!("[{name}]({page}#{})", name.to_ascii_lowercase());
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        return forms.iter().map(|form| text(form, page)).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema, page),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| named(name, schema, page))
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "any JSON".to_owned(),
    }
}

fn named(name: &str, schema: &Value, page: &str) -> String {
    match name {
        "array" => format!("list of {}", text(&schema["items"], page)),
        "object" if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields: Vec<String> =
                fields.map(|(name, field)| format!("`{name}`: {}", text(field, page))).collect();
            format!("object with {}", fields.join(", "))
        }
        "object" if schema["additionalProperties"].is_object() => {
            format!("object, each value {}", text(&schema["additionalProperties"], page))
        }
        "string" => match schema["format"].as_str() {
            Some("date-time") => "time (RFC 3339)".to_owned(),
            Some("uuid") => "UUID".to_owned(),
            Some("email") => "e-mail address".to_owned(),
            _ => "string".to_owned(),
        },
        "null" => "`null`".to_owned(),
        other => other.to_owned(),
    }
}
