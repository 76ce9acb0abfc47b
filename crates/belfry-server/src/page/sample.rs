//! Examples of alerts for the form: written by hand for the shipped kinds, made of the schema for any other.

use crate::kinds::{Kind, Kinds};
use belfry_protocol::Severity;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How deep a schema is followed.
const DEPTH_MAX: usize = 8;

/// Written by hand, by kind; `{now}` stands for the present moment.
const SHIPPED: &str = include_str!("samples.json");

/// The fields of an alert that an example fills in.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Sample {
    title: String,
    body: String,
    link: String,
    severity: Severity,
    category: String,
    /// As it is written, in an order that reads well.
    data: Box<RawValue>,
}

/// Examples need no fractions of a second.
pub(super) fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn by_hand(now: Timestamp) -> BTreeMap<String, Sample> {
    serde_json::from_str(&SHIPPED.replace("{now}", &now.to_string())).expect("the examples are JSON")
}

/// An entry of the form's list.
#[derive(Debug, serde::Serialize)]
pub(super) struct Offer {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    sample: Box<RawValue>,
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("an example has a JSON form")
}

/// What the form offers: the declared kinds, else the shipped ones, whose texts come with the example.
pub(super) fn offers(kinds: &Kinds, now: Timestamp) -> Vec<Offer> {
    let mut by_hand = by_hand(now);
    if kinds.is_empty() {
        let offer = |(name, sample)| Offer { name, category: None, severity: None, sample: raw(&sample) };
        return by_hand.into_iter().map(offer).collect();
    }
    kinds.iter().map(|kind| of_kind(kind, by_hand.remove(&kind.name), now)).collect()
}

/// A declared kind: its templates write the texts, so the example is its data alone.
fn of_kind(kind: &Kind, by_hand: Option<Sample>, now: Timestamp) -> Offer {
    let fits = |data: &RawValue| {
        serde_json::from_str(data.get()).is_ok_and(|data: Value| kind.validate(&data).is_ok())
    };
    let data = by_hand.map(|sample| sample.data).filter(|data| fits(data)).unwrap_or_else(|| {
        raw(&kind.schema().map_or_else(|| json!({}), |schema| of_schema(schema.source(), now)))
    });
    Offer {
        name: kind.name.clone(),
        category: Some(kind.category.clone()),
        severity: Some(kind.severity),
        sample: raw(&BTreeMap::from([("data", data)])),
    }
}

/// A value that fits a schema, as far as its plain keywords say.
fn of_schema(schema: &Value, now: Timestamp) -> Value {
    match (Maker { root: schema, now }).value(schema, "data", 0) {
        object @ Value::Object(_) => object,
        _ => json!({}),
    }
}

struct Maker<'a> {
    root: &'a Value,
    now: Timestamp,
}

impl Maker<'_> {
    fn value(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(given) = given(schema) {
            return given;
        }
        if let Some(pointer) = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            return self
                .root
                .pointer(pointer)
                .map_or(Value::Null, |found| self.value(found, name, depth + 1));
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(first) = schema[choice].get(0).filter(|_| schema.get("properties").is_none()) {
                return self.value(first, name, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => number(schema, 1.0).map_or(Value::Null, |number| json!(number as i64)),
            "number" => number(schema, 0.5).map_or(Value::Null, |number| json!(number)),
            "boolean" => json!(true),
            "string" => json!(self.text(schema, name)),
            _ => Value::Null,
        }
    }

    /// Required fields; all of them where none is required, so that the form shows what there is.
    fn object(&self, schema: &Value, depth: usize) -> Value {
        let mut fields = Map::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Value::Object(more) = self.value(part, "data", depth + 1) {
                fields.extend(more);
            }
        }
        let required = schema["required"].as_array();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.is_none_or(|required| required.iter().any(|wanted| wanted == name.as_str())) {
                fields.insert(name.clone(), self.value(field, name, depth + 1));
            }
        }
        Value::Object(fields)
    }

    fn array(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
        let count = least.min(schema["maxItems"].as_u64().unwrap_or(least)).min(20);
        (0..count)
            .map(|index| {
                let of_place = usize::try_from(index).ok().and_then(|index| schema["prefixItems"].get(index));
                self.value(of_place.unwrap_or(&schema["items"]), name, depth + 1)
            })
            .collect()
    }

    fn text(&self, schema: &Value, name: &str) -> String {
        match schema["format"].as_str() {
            Some("date-time") => return self.now.to_string(),
            Some("date") => return self.now.strftime("%Y-%m-%d").to_string(),
            Some("time") => return self.now.strftime("%H:%M:%SZ").to_string(),
            Some("email") => return "ann@example.com".to_owned(),
            Some("uri" | "url" | "iri") => return "https://example.com/".to_owned(),
            Some("uuid") => return "00000000-0000-4000-8000-000000000001".to_owned(),
            _ => {}
        }
        let mut text = name.replace(['_', '-'], " ");
        let length = |key: &str| schema[key].as_u64().and_then(|length| usize::try_from(length).ok());
        while length("minLength").is_some_and(|least| text.chars().count() < least.min(1_000)) {
            text.push('.');
        }
        text.chars().take(length("maxLength").unwrap_or(usize::MAX)).collect()
    }
}

/// What the schema itself gives as a value.
fn given(schema: &Value) -> Option<Value> {
    let of = |key: &str| schema.get(key).cloned();
    of("const")
        .or_else(|| of("default"))
        .or_else(|| schema["examples"].get(0).cloned())
        .or_else(|| schema["enum"].get(0).cloned())
}

fn type_of(schema: &Value) -> &str {
    let named = schema["type"]
        .as_str()
        .or_else(|| schema["type"].as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    match named {
        Some(named) => named,
        None if schema.get("properties").is_some() || schema.get("allOf").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None => "string",
    }
}

fn number(schema: &Value, wanted: f64) -> Option<f64> {
    let bound = |key: &str| schema[key].as_f64();
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let mut number = step.map_or(wanted, |step| step.max(wanted));
    let low =
        bound("minimum").into_iter().chain(bound("exclusiveMinimum").map(|low| low + step.unwrap_or(1.0)));
    number = low.fold(number, f64::max);
    let high =
        bound("maximum").into_iter().chain(bound("exclusiveMaximum").map(|high| high - step.unwrap_or(1.0)));
    number = high.fold(number, f64::min);
    number.is_finite().then_some(step.map_or(number, |step| (number / step).floor() * step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Kinds, KindsOptions};
    use std::path::Path;

    const NOW_AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn shipped_kinds() -> Vec<Kinds> {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/examples");
        ["kordant-solidstart", "flyer-deals-react"]
            .map(|name| Kinds::load(&examples.join(name).join("kinds"), &KindsOptions::default()).unwrap())
            .into()
    }

    #[test]
    fn the_form_has_a_fitting_example_of_every_shipped_kind() {
        let samples = by_hand(NOW_AT);
        let mut names = Vec::new();
        for kinds in shipped_kinds() {
            for kind in kinds.iter() {
                let by_hand = serde_json::from_str(samples[&kind.name].data.get()).unwrap();
                assert_eq!(kind.validate(&by_hand), Ok(()), "{}", kind.name);
                let of_schema = of_schema(kind.schema().unwrap().source(), NOW_AT);
                assert_eq!(kind.validate(&of_schema), Ok(()), "{}", kind.name);
                names.push(kind.name.clone());
            }
        }
        names.sort();
        assert!(names.iter().eq(samples.keys()), "{names:?}");
    }

    #[test]
    fn an_example_follows_the_schema() {
        let schema = json!({
            "type": "object",
            "required": ["count", "price", "name", "kind", "tags", "when", "place", "either", "fixed"],
            "properties": {
                "count": {"type": "integer", "exclusiveMinimum": 3},
                "price": {"type": "number", "multipleOf": 0.25, "maximum": 10},
                "name": {"type": ["null", "string"], "minLength": 6, "maxLength": 6},
                "kind": {"enum": ["a", "b"]},
                "tags": {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 3}},
                "when": {"type": "string", "format": "date-time"},
                "place": {"$ref": "#/$defs/place"},
                "either": {"oneOf": [{"type": "boolean"}, {"type": "string"}]},
                "fixed": {"const": 7},
                "optional": {"type": "string"},
            },
            "$defs": {"place": {"properties": {"city": {"type": "string"}, "inner": {"$ref": "#/$defs/place"}}, "required": ["city"]}},
        });
        let made = json!({
            "count": 4, "price": 0.5, "name": "name..", "kind": "a", "tags": ["tag", "tag"],
            "when": "1970-01-01T00:00:00Z", "place": {"city": "city"}, "either": true, "fixed": 7,
        });
        assert_eq!(of_schema(&schema, NOW_AT), made);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let schema = json!({"properties": {"child": {"$ref": "#"}}});
        let mut depth = 0;
        let made = of_schema(&schema, NOW_AT);
        let mut inner = &made;
        while let Some(child) = inner.get("child") {
            inner = child;
            depth += 1;
        }
        assert!(depth <= DEPTH_MAX);
    }

    #[test]
    fn examples_of_undeclared_kinds_bring_their_texts_and_the_present_moment() {
        let offers = serde_json::to_value(offers(&Kinds::none(), NOW_AT)).unwrap();
        assert_eq!(offers.as_array().unwrap().len(), 8);
        for offer in offers.as_array().unwrap() {
            assert!(offer["sample"]["title"].is_string(), "{offer}");
            assert!(!offer.to_string().contains("{now}"), "{offer}");
        }
    }

    #[test]
    fn an_example_that_a_changed_schema_refuses_is_made_anew() {
        let text = "kind = \"job-completed\"\n[schema]\ntype = \"object\"\nrequired = [\"other\"]\n\
                    properties.other.type = \"integer\"\n";
        let kinds =
            Kinds::from_text(Path::new("job-completed.toml"), text, &KindsOptions::default()).unwrap();
        let offers = serde_json::to_value(offers(&kinds, NOW_AT)).unwrap();
        assert_eq!(offers[0]["sample"], json!({"data": {"other": 1}}));
    }
}
