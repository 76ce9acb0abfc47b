//! The smallest payload that a schema allows: on it the templates of a kind are tried before the first alert is.

use super::schema::{Schema, decoded};
use serde_json::{Map, Value, json};

/// Deeper than this nothing is made up.
const DEPTH_MAX: usize = 24;
/// Longest text and list that is made up.
const LENGTH_MAX: u64 = 1000;

/// A payload with the required fields only; `None` where the schema asks for what cannot be made up, such as a text
/// of a pattern.
pub(super) fn smallest(schema: &Schema) -> Option<Value> {
    let data = of(schema.source(), schema.source(), DEPTH_MAX)?;
    (data.is_object() && schema.validate(&data).is_ok()).then_some(data)
}

fn of(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let Some(fields) = schema.as_object() else {
        return (schema != &Value::Bool(false)).then(|| json!("text"));
    };
    if let Some(constant) = fields.get("const") {
        return Some(constant.clone());
    }
    if let Some(options) = fields.get("enum").and_then(Value::as_array) {
        return options.first().cloned();
    }
    let mut made = own(root, fields, depth);
    let reference =
        fields.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    let target = reference.and_then(|pointer| root.pointer(&decoded(pointer)));
    let first = |key: &str| fields.get(key).and_then(Value::as_array).and_then(|options| options.first());
    let all = fields.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for part in target.into_iter().chain(first("anyOf")).chain(first("oneOf")).chain(all) {
        made = merged(made, of(root, part, depth)?);
    }
    Some(made.unwrap_or_else(|| json!("text")))
}

/// What `type` and the keywords beside it ask for; `None` when they ask for nothing.
fn own(root: &Value, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
    let number = |key: &str| fields.get(key).and_then(Value::as_u64).unwrap_or(0).min(LENGTH_MAX);
    let named = match fields.get("type") {
        Some(Value::Array(many)) => many.first().and_then(Value::as_str),
        one => one.and_then(Value::as_str),
    };
    let implied =
        || ["properties", "required"].iter().any(|key| fields.contains_key(*key)).then_some("object");
    match named.or_else(implied)? {
        "object" => {
            let mut made = Map::new();
            let nothing = Value::Bool(true);
            for name in fields.get("required").and_then(Value::as_array).into_iter().flatten() {
                let name = name.as_str()?;
                let schema =
                    fields.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&nothing);
                made.insert(name.to_owned(), of(root, schema, depth)?);
            }
            Some(Value::Object(made))
        }
        "array" => {
            let nothing = Value::Bool(true);
            let item = of(root, fields.get("items").unwrap_or(&nothing), depth);
            let count = usize::try_from(number("minItems")).ok()?;
            Some(Value::Array(vec![item.unwrap_or(Value::Null); count]))
        }
        "string" => Some(Value::from(match fields.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-01-31T09:30:00Z".to_owned(),
            Some("date") => "2026-01-31".to_owned(),
            Some("time") => "09:30:00Z".to_owned(),
            Some("email") => "ann@example.com".to_owned(),
            Some("uri") => "https://example.com/".to_owned(),
            Some("uuid") => "0199e1a0-0000-7000-8000-000000000000".to_owned(),
            _ => {
                let longest = fields.get("maxLength").and_then(Value::as_u64).unwrap_or(4).min(4);
                "text".chars().cycle().take(usize::try_from(number("minLength").max(longest)).ok()?).collect()
            }
        })),
        "integer" | "number" => {
            let least = fields.get("minimum").or_else(|| fields.get("maximum")).cloned();
            let above = fields
                .get("exclusiveMinimum")
                .and_then(Value::as_i64)
                .map(|limit| json!(limit.saturating_add(1)));
            Some(least.or(above).unwrap_or_else(|| json!(1)))
        }
        "boolean" => Some(Value::Bool(true)),
        "null" => Some(Value::Null),
        _ => None,
    }
}

/// Objects grow together; of anything else the later stands.
fn merged(first: Option<Value>, second: Value) -> Option<Value> {
    match (first, second) {
        (Some(Value::Object(mut first)), Value::Object(second)) => {
            first.extend(second);
            Some(Value::Object(first))
        }
        (_, second) => Some(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn smallest_of(schema: Value) -> Option<Value> {
        smallest(&Schema::compile(schema).expect("is sound"))
    }

    #[test]
    fn required_fields_are_made_up_and_others_are_not() {
        let schema = json!({
            "type": "object",
            "required": ["name", "at", "count", "rate", "deals", "status", "service", "any", "who"],
            "properties": {
                "name": {"type": "string", "minLength": 6},
                "at": {"type": "string", "format": "date-time"},
                "count": {"type": "integer", "minimum": 3},
                "rate": {"type": "number", "exclusiveMinimum": 0},
                "deals": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/deal"}},
                "status": {"enum": ["a", "b"]},
                "service": {"const": "x"},
                "who": {"oneOf": [{"type": "null"}, {"type": "string"}]},
                "more": {"type": "string"}
            },
            "$defs": {"deal": {"required": ["id"], "properties": {"id": {"type": ["integer", "string"]}}}}
        });
        assert_eq!(
            smallest_of(schema),
            Some(
                json!({"name": "textte", "at": "2026-01-31T09:30:00Z", "count": 3, "rate": 1, "deals": [{"id": 1}],
                "status": "a", "service": "x", "any": "text", "who": null})
            )
        );
    }

    #[test]
    fn parts_of_a_whole_are_put_together() {
        let schema = json!({"allOf": [
            {"required": ["a"], "properties": {"a": {"type": "boolean"}}},
            {"required": ["b"], "properties": {"b": {"type": "null"}}}
        ]});
        assert_eq!(smallest_of(schema), Some(json!({"a": true, "b": null})));
    }

    #[test]
    fn what_cannot_be_made_up_is_left() {
        let pattern =
            json!({"required": ["a"], "properties": {"a": {"type": "string", "pattern": "^[0-9]+$"}}});
        assert_eq!(smallest_of(pattern), None);
        let endless = json!({"required": ["a"], "type": "object", "properties": {"a": {"$ref": "#"}}});
        assert_eq!(smallest_of(endless), None);
    }
}
