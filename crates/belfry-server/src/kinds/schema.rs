//! The JSON Schema of a kind's `data`, compiled once.

use super::fault::{Complaint, nearest};
use belfry_protocol::problem::FieldFault;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::collections::HashSet;

/// Most faults that one answer lists.
pub const DATA_FAULTS_MAX: usize = 20;
/// The one dialect: what `$schema` may say.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Most characters of a value that a sentence repeats.
const QUOTE_CHARS_MAX: usize = 60;

/// A schema that was compiled, beside its text for the TypeScript types.
#[derive(Debug, Clone)]
pub struct Schema {
    source: Value,
    validator: Validator,
}

impl Schema {
    /// Compiles a schema. The complaint says what is wrong with it.
    pub(super) fn compile(source: Value) -> Result<Self, Complaint> {
        let Some(root) = source.as_object() else {
            return Err(Complaint::error(
                "the schema is no JSON object",
                "Describe `data` with a JSON Schema, for example {\"type\": \"object\", \"properties\": {}}",
            ));
        };
        match root.get("$schema") {
            None => {}
            Some(Value::String(dialect)) if dialect.trim_end_matches('#') == DIALECT => {}
            Some(other) => {
                return Err(Complaint::error(
                    format!("`$schema` names {}, which is not read", quote(other)),
                    format!("Write \"{DIALECT}\", or leave `$schema` out"),
                ));
            }
        }
        if let Some(kind) = root.get("type")
            && kind != "object"
            && !kind.as_array().is_some_and(|types| types.iter().any(|kind| kind == "object"))
        {
            return Err(Complaint::error(
                format!("the schema describes {}, but `data` is always an object", quote(kind)),
                "Write \"type\": \"object\"",
            ));
        }
        refuse_foreign_and_endless_references(&source)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(true)
            // This engine takes linear time for every pattern and every text.
            .with_pattern_options(PatternOptions::regex())
            .build(&source)
            .map_err(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
                Complaint::error(
                    format!("the schema cannot be used{place}: {}", clipped(&error.to_string())),
                    "Correct the schema; it is read as JSON Schema draft 2020-12, patterns without look-around",
                )
            })?;
        Ok(Self { source, validator })
    }

    /// The schema as it was written.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Checks `data`: each fault has a JSON Pointer that begins with `/data`, and a plain sentence.
    pub fn validate(&self, data: &Value) -> Result<(), Vec<FieldFault>> {
        // The good day asks only for yes or no, which costs a fraction of listing the faults.
        if self.validator.is_valid(data) {
            return Ok(());
        }
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(data) {
            self.explain(&error, &mut faults);
            if faults.len() >= DATA_FAULTS_MAX {
                faults.truncate(DATA_FAULTS_MAX);
                break;
            }
        }
        if faults.is_empty() {
            faults.push(FieldFault {
                pointer: "/data".to_owned(),
                detail: "does not match the kind's schema".to_owned(),
            });
        }
        Err(faults)
    }

    fn explain(&self, error: &ValidationError<'_>, faults: &mut Vec<FieldFault>) {
        let pointer = format!("/data{}", error.instance_path());
        let mut say = |pointer: String, detail: String| faults.push(FieldFault { pointer, detail });
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                say(format!("{pointer}/{}", escaped(name)), "is missing".to_owned());
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.fields_beside(error.schema_path().as_str());
                for name in unexpected {
                    let detail = match nearest(name, known.iter().map(String::as_str)) {
                        Some(name) => format!("is not a field of this kind; did you mean `{name}`?"),
                        None => "is not a field of this kind".to_owned(),
                    };
                    say(format!("{pointer}/{}", escaped(name)), detail);
                }
            }
            kind => say(pointer, sentence(kind, error.instance())),
        }
    }

    /// The fields that the schema names beside the keyword at this place.
    fn fields_beside(&self, keyword: &str) -> Vec<String> {
        let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self.source.pointer(parent).and_then(|schema| schema.get("properties"));
        let names = properties.and_then(Value::as_object).map(|properties| properties.keys().cloned());
        names.into_iter().flatten().collect()
    }
}

/// Says that `data` is no object; `None` when it is one.
pub fn object_fault(data: &Value) -> Option<FieldFault> {
    (!data.is_object()).then(|| FieldFault {
        pointer: "/data".to_owned(),
        detail: format!("must be an object, not {}", type_of(data)),
    })
}

fn sentence(kind: &ValidationErrorKind, found: &Value) -> String {
    use ValidationErrorKind as K;
    match kind {
        K::Type { kind } => format!("must be {}, not {}", wanted(kind), type_of(found)),
        K::Enum { options } => {
            let names: Vec<&str> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let all: Vec<String> = options.as_array().into_iter().flatten().map(quote).collect();
            let hint = found.as_str().and_then(|found| nearest(found, names));
            let hint = hint.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
            format!("must be one of {}{hint}", clipped(&all.join(", ")))
        }
        K::Constant { expected_value } => format!("must be {}", quote(expected_value)),
        K::Minimum { limit } => format!("must be {limit} or more"),
        K::Maximum { limit } => format!("must be {limit} or less"),
        K::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        K::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        K::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        K::MinLength { limit } => format!("must have {} or more", counted(*limit, "character")),
        K::MaxLength { limit } => format!("must have {} or fewer", counted(*limit, "character")),
        K::MinItems { limit } => format!("must have {} or more", counted(*limit, "item")),
        K::MaxItems { limit } => format!("must have {} or fewer", counted(*limit, "item")),
        K::AdditionalItems { limit } => format!("must have {} or fewer", counted(*limit as u64, "item")),
        K::MinProperties { limit } => format!("must have {} or more", counted(*limit, "field")),
        K::MaxProperties { limit } => format!("must have {} or fewer", counted(*limit, "field")),
        K::Pattern { pattern } => format!("must match the pattern `{}`", clipped(pattern)),
        K::Format { format } => match format.as_str() {
            "date-time" => "must be a date and time such as 2026-01-31T09:30:00Z".to_owned(),
            "date" => "must be a date such as 2026-01-31".to_owned(),
            "email" => "must be an e-mail address".to_owned(),
            "uri" => "must be a whole URL".to_owned(),
            other => format!("must have the format \"{other}\""),
        },
        K::UniqueItems => "must not hold the same item twice".to_owned(),
        K::Contains => "must hold at least one item as the schema wants it".to_owned(),
        K::FalseSchema => "must not be there".to_owned(),
        K::Not { .. } => "has a form that the schema excludes".to_owned(),
        K::OneOfMultipleValid { .. } => {
            "matches more than one of the forms of which it must match one".to_owned()
        }
        K::AnyOf { context } | K::OneOfNotValid { context } => alternatives(context, found),
        K::PropertyNames { error } => {
            format!("has a field whose name is not allowed: {}", sentence(error.kind(), error.instance()))
        }
        K::UnevaluatedItems { .. } => "has items that the schema does not describe".to_owned(),
        K::BacktrackLimitExceeded { .. } | K::RegexEngineFailure { .. } => {
            "could not be compared with the schema's pattern".to_owned()
        }
        K::ContentEncoding { content_encoding } => format!("must be encoded as {content_encoding}"),
        K::ContentMediaType { content_media_type } => format!("must hold {content_media_type}"),
        K::FromUtf8 { .. } => "must decode to UTF-8 text".to_owned(),
        other => format!("does not match the schema's `{}`", other.keyword()),
    }
}

/// Why none of several forms fits: the wanted types when only those differ, else what the nearest form says.
fn alternatives(context: &[Vec<ValidationError<'static>>], found: &Value) -> String {
    let types: Option<Vec<String>> = context
        .iter()
        .map(|branch| match branch.as_slice() {
            [only] if only.instance_path().as_str() == shortest_path(context) => match only.kind() {
                ValidationErrorKind::Type { kind } => Some(wanted(kind)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if let Some(types) = types
        && !types.is_empty()
    {
        return format!("must be {}, not {}", types.join(" or "), type_of(found));
    }
    let nearest = context.iter().filter(|branch| !branch.is_empty()).min_by_key(|branch| {
        let wrong_type = branch.iter().any(|error| matches!(error.kind(), ValidationErrorKind::Type { .. }));
        (wrong_type, branch.len())
    });
    let Some(error) = nearest.and_then(|branch| branch.first()) else {
        return "matches none of the allowed forms".to_owned();
    };
    let detail = match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("`{}` is missing", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            format!("`{}` is not a field of it", unexpected.first().map_or("", String::as_str))
        }
        // Deeper alternatives are not unfolded: one level is what a sentence can carry.
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            "it has several forms itself".to_owned()
        }
        kind => sentence(kind, error.instance()),
    };
    format!("matches none of the {} allowed forms; the nearest says: {detail}", context.len())
}

fn shortest_path<'a>(context: &'a [Vec<ValidationError<'static>>]) -> &'a str {
    let paths = context.iter().flatten().map(|error| error.instance_path().as_str());
    paths.min_by_key(|path| path.len()).unwrap_or_default()
}

fn wanted(kind: &TypeKind) -> String {
    let article = |name: &str| match name {
        "null" => "null".to_owned(),
        "integer" => "a whole number".to_owned(),
        "array" | "object" => format!("an {name}"),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(one) => article(one.as_str()),
        TypeKind::Multiple(many) => {
            let names: Vec<String> = many.iter().map(|one| article(one.as_str())).collect();
            names.join(" or ")
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

fn quote(value: &Value) -> String {
    clipped(&value.to_string())
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX * 4) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A name as a part of a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Keywords whose schemas apply to the same value, so that a chain of them must end somewhere.
const IN_PLACE_MANY: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const IN_PLACE_ONE: [&str; 4] = ["not", "if", "then", "else"];

/// Most references of one schema.
const REFERENCES_MAX: usize = 500;

/// Every `$ref` stays in this schema, and no chain of them comes back to itself without going deeper into the data.
fn refuse_foreign_and_endless_references(root: &Value) -> Result<(), Complaint> {
    let mut found = Vec::new();
    collect_references(root, true, &mut found)?;
    if found.len() > REFERENCES_MAX {
        return Err(Complaint::error(
            format!("{} references are too many", found.len()),
            format!("Use at most {REFERENCES_MAX}"),
        ));
    }
    for reference in found {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(Complaint::error(
                format!("`$ref` {} leads out of this schema", quote(&Value::from(reference))),
                "Copy what it names into `$defs` and refer to \"#/$defs/…\"; nothing is fetched",
            ));
        };
        if root.pointer(&decoded(pointer)).is_none() {
            return Err(Complaint::error(
                format!("`$ref` {} leads nowhere", quote(&Value::from(reference))),
                "Correct it, or add what it names under `$defs`",
            ));
        }
        let mut visited = HashSet::new();
        if comes_back(root, reference, reference, &mut visited) {
            return Err(Complaint::error(
                format!("`$ref` {} refers to itself without end", quote(&Value::from(reference))),
                "Put it below `properties` or `items`, so that each round goes deeper into the data",
            ));
        }
    }
    Ok(())
}

fn collect_references<'a>(
    schema: &'a Value,
    is_root: bool,
    found: &mut Vec<&'a str>,
) -> Result<(), Complaint> {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => found.push(reference),
                    ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                        return Err(Complaint::error(format!("`{key}` is not read"), "Use `$ref`"));
                    }
                    // A nested base would change where `#` leads.
                    ("$id", Value::String(_)) if !is_root => {
                        return Err(Complaint::error(
                            "`$id` is read only at the root of the schema",
                            "Remove it",
                        ));
                    }
                    _ => collect_references(value, false, found)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect_references(item, false, found)),
        _ => Ok(()),
    }
}

fn comes_back<'a>(root: &'a Value, start: &str, reference: &'a str, visited: &mut HashSet<&'a str>) -> bool {
    if !visited.insert(reference) {
        return reference == start;
    }
    let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(&decoded(pointer)));
    let mut next = Vec::new();
    if let Some(target) = target {
        references_in_place(target, &mut next);
    }
    next.into_iter().any(|reference| comes_back(root, start, reference, visited))
}

fn references_in_place<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    let Some(fields) = schema.as_object() else { return };
    found.extend(fields.get("$ref").and_then(Value::as_str));
    for key in IN_PLACE_ONE {
        fields.get(key).into_iter().for_each(|schema| references_in_place(schema, found));
    }
    for key in IN_PLACE_MANY {
        let schemas = fields.get(key).and_then(Value::as_array);
        schemas.into_iter().flatten().for_each(|schema| references_in_place(schema, found));
    }
    let dependent = fields.get("dependentSchemas").and_then(Value::as_object);
    dependent
        .into_iter()
        .flat_map(|schemas| schemas.values())
        .for_each(|schema| references_in_place(schema, found));
}

/// A pointer in a URL fragment may be percent-encoded.
pub(super) fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| pointer.to_owned())
}
