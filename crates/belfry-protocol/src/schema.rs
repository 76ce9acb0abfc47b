//! JSON Schema (2020-12) of every frame and body, taken from the types themselves.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Where schemas of an OpenAPI or AsyncAPI document refer to each other.
const COMPONENTS: &str = "#/components/schemas/";

type Collected = Vec<(String, RefOr<Schema>)>;

fn collect<T: ToSchema + PartialSchema>(into: &mut Collected) {
    into.push((T::name().into_owned(), T::schema()));
    T::schemas(into);
}

/// Gives every frame and body to another macro: one list for all that is generated from the types. What these refer to
/// comes by itself.
macro_rules! every_root {
    ($with:ident) => {
        $with! {
            crate::frame::ServerFrame,
            crate::frame::ClientFrame,
            crate::frame::Item,
            crate::alert::NewAlert,
            crate::alert::AlertAnswer,
            crate::batch::BatchResult,
            crate::trace::AlertTrace,
            crate::user::UserProfile,
            crate::user::User,
            crate::export::ExportLine,
            crate::user::DisconnectBody,
            crate::user::DisconnectAnswer,
            crate::group::GroupMembers,
            crate::group::GroupSize,
            crate::group::Group,
            crate::stats::Stats,
            crate::inbox::InboxPage,
            crate::inbox::InboxStateBody,
            crate::inbox::InboxStateAnswer,
            crate::inbox::UnreadCount,
            crate::inbox::AckBody,
            crate::operation::AuthenticateAnswer,
            crate::operation::RevokedKey,
            crate::operation::RevokedKeys,
            crate::do_not_disturb::DoNotDisturb,
            crate::device::DeviceBody,
            crate::device::Device,
            crate::device::Devices,
            crate::device::UserDevices,
            crate::preferences::Preferences,
            crate::device::WebPushKey,
            crate::delivery::ReceiptBody,
            crate::delivery::OneClick,
            crate::webhook::WebhookBody,
            crate::webhook::Webhook,
            crate::webhook::Webhooks,
            crate::webhook::WebhookTest,
            crate::webhook::StatusEvent,
            crate::operation::Health,
            crate::operation::BackupBody,
            crate::operation::BackupLine,
            crate::delivery::DeadLetters,
            crate::delivery::ReplayBody,
            crate::delivery::ReplayAnswer,
            crate::delivery::ResumeBody,
            crate::delivery::ResumeAnswer,
            crate::delivery::Providers,
            crate::delivery::ProviderStatus,
            crate::problem::Problem,
        }
    };
}
#[cfg(test)]
pub(crate) use every_root;

macro_rules! collect_roots {
    ($($type:path),+ $(,)?) => {
        fn collect_roots() -> Collected {
            let mut collected = Vec::new();
            $(collect::<$type>(&mut collected);)+
            collected
        }
    };
}
every_root!(collect_roots);

/// Every schema by name; they refer to each other as `#/components/schemas/…`.
pub fn components() -> BTreeMap<String, Value> {
    let mut schemas: BTreeMap<String, Value> = collect_roots()
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema has a JSON form")))
        .collect();
    schemas.values_mut().for_each(first_paragraphs);
    close_audience(schemas.get_mut("Audience").expect("an alert has an audience"));
    close_device(&mut schemas);
    merge_flattened(&mut schemas);
    part_forms(&mut schemas);
    name_frames(&mut schemas, "ServerFrame", "Server");
    name_frames(&mut schemas, "ClientFrame", "Client");
    schemas
}

/// These schemas and all that they refer to.
pub fn reachable<'a>(roots: impl Iterator<Item = &'a str>) -> BTreeMap<String, Value> {
    fn visit(value: &Value, all: &BTreeMap<String, Value>, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(object) => {
                if let Some(name) =
                    object.get("$ref").and_then(|target| target.as_str()?.strip_prefix(COMPONENTS))
                {
                    add(name, all, found);
                }
                object.values().for_each(|inner| visit(inner, all, found));
            }
            Value::Array(values) => values.iter().for_each(|inner| visit(inner, all, found)),
            _ => {}
        }
    }
    fn add(name: &str, all: &BTreeMap<String, Value>, found: &mut BTreeMap<String, Value>) {
        let Some(schema) = all.get(name) else { return };
        if found.insert(name.to_owned(), schema.clone()).is_none() {
            visit(schema, all, found);
        }
    }
    let (all, mut found) = (components(), BTreeMap::new());
    roots.for_each(|name| add(name, &all, &mut found));
    found
}

/// One JSON Schema document with everything under `$defs`.
pub fn document() -> Value {
    let mut definitions: Map<String, Value> = components().into_iter().collect();
    for schema in definitions.values_mut() {
        refer_to_definitions(schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:belfry:belfry.v1.schema.json",
        "$comment": "@generated by xtask codegen",
        "title": "belfry.v1",
        "description": "Every frame of the socket and every body of the HTTP interface. Validate against `#/$defs/<name>`.",
        "$defs": definitions,
    })
}

fn refer_to_definitions(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref") {
                *target = target.replace(COMPONENTS, "#/$defs/");
            }
            object.values_mut().for_each(refer_to_definitions);
        }
        Value::Array(values) => values.iter_mut().for_each(refer_to_definitions),
        _ => {}
    }
}

/// Keeps of each description what callers need: the first paragraph, without links into the source.
fn first_paragraphs(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                let paragraph = text.split("\n\n").next().unwrap_or_default();
                *text = paragraph.replace('\n', " ").replace("[`", "`").replace("`]", "`");
            }
            object.values_mut().for_each(first_paragraphs);
        }
        Value::Array(values) => values.iter_mut().for_each(first_paragraphs),
        _ => {}
    }
}

/// Says what the derived schema of an enum with one field per variant leaves open: no second form beside the first,
/// no empty `everyone`, no endless list.
fn close_audience(audience: &mut Value) {
    for form in audience["oneOf"].as_array_mut().into_iter().flatten() {
        form["additionalProperties"] = false.into();
        if let Some(everyone) = form["properties"].get_mut("everyone") {
            everyone["const"] = true.into();
        }
        if let Some(users) = form["properties"].get_mut("users") {
            users["minItems"] = 1.into();
            users["maxItems"] = crate::audience::AUDIENCE_USERS_MAX.into();
        }
    }
}

/// A device's body has the fields of one provider beside its own, and of two ways to name one for Firebase exactly one.
fn close_device(schemas: &mut BTreeMap<String, Value>) {
    let parts = schemas["DeviceBody"]["allOf"].as_array().cloned().unwrap_or_default();
    let own = parts.iter().find_map(|part| part["properties"].as_object()).cloned().unwrap_or_default();
    let mut forms = Vec::new();
    for variant in schemas["PushAddress"]["oneOf"].as_array().into_iter().flatten() {
        let ways: &[(&str, &str)] = match variant["properties"]["installation_id"] {
            Value::Null => &[("", "")],
            _ => &[("token", "installation_id"), ("installation_id", "token")],
        };
        for (given, absent) in ways {
            let mut form = variant.clone();
            form["additionalProperties"] = false.into();
            if let Some(required) = form["required"].as_array_mut().filter(|_| !given.is_empty()) {
                required.push((*given).into());
            }
            if let Some(properties) = form["properties"].as_object_mut() {
                properties.remove(*absent);
                if let Some(given) = properties.get_mut(*given) {
                    given["type"] = "string".into();
                }
                properties.extend(own.clone());
            }
            forms.push(form);
        }
    }
    let description = schemas["DeviceBody"]["description"].clone();
    schemas.insert("DeviceBody".to_owned(), json!({ "description": description, "oneOf": forms }));
}

/// Says which fields stand together in bodies of two forms.
fn part_forms(schemas: &mut BTreeMap<String, Value>) {
    let form = |there: Value, absent: &[&str]| {
        let required: Vec<String> = there.as_object().expect("is an object").keys().cloned().collect();
        let mut properties = there;
        for name in absent {
            properties[name] = json!({ "type": "null" });
        }
        json!({ "required": required, "properties": properties })
    };
    let (list, number, text) =
        (json!({ "type": "array" }), json!({ "type": "integer" }), json!({ "type": "string" }));
    schemas.get_mut("InboxStateBody").expect("is a root")["allOf"] = json!([{ "oneOf": [
        form(json!({ "ids": list }), &["up_to"]),
        form(json!({ "up_to": text }), &["ids"]),
    ] }]);
    let object = json!({ "type": "object" });
    schemas.get_mut("ReplayBody").expect("is a root")["allOf"] = json!([{ "oneOf": [
        form(json!({ "ids": list }), &["filter"]),
        form(json!({ "filter": object }), &["ids"]),
    ] }]);
    schemas.get_mut("AckBody").expect("is a root")["allOf"] = json!([{ "oneOf": [
        form(
            json!({ "ids": list, "level": { "enum": ["received", "displayed"] } }),
            &["stream", "after", "up_to"],
        ),
        form(
            json!({ "stream": text, "after": number, "up_to": number, "level": { "const": "received" } }),
            &["ids"],
        ),
    ] }]);
}

/// Joins `allOf` of a flattened struct and its own fields into one object: a closed struct beside further fields
/// would accept nothing.
fn merge_flattened(schemas: &mut BTreeMap<String, Value>) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(Value::Array(parts)) = schemas[&name].get("allOf").cloned() else { continue };
        let mut whole = schemas[&name].as_object().cloned().unwrap_or_default();
        whole.remove("allOf");
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for part in parts {
            let target = part["$ref"].as_str().and_then(|target| target.strip_prefix(COMPONENTS));
            let part = target.map_or(&part, |target| &schemas[target]);
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        whole.insert("type".into(), "object".into());
        whole.insert("properties".into(), properties.into());
        whole.insert("required".into(), required.into());
        schemas.insert(name, whole.into());
    }
}

/// Gives each variant of a frame enum its own name, so that documents can point at one frame.
fn name_frames(schemas: &mut BTreeMap<String, Value>, whole: &str, prefix: &str) {
    let variants = schemas[whole]["oneOf"].as_array().cloned().unwrap_or_default();
    let mut references = Vec::new();
    let mut mapping = Map::new();
    for variant in variants {
        let Some(frame_type) = frame_type(&variant).map(ToOwned::to_owned) else { continue };
        let name = frame_name(prefix, &frame_type);
        let reference = format!("{COMPONENTS}{name}");
        mapping.insert(frame_type, reference.clone().into());
        references.push(json!({ "$ref": reference }));
        schemas.insert(name, variant);
    }
    let description = schemas[whole]["description"].clone();
    schemas.insert(
        whole.to_owned(),
        json!({
            "description": description,
            "oneOf": references,
            "discriminator": { "propertyName": "type", "mapping": mapping },
        }),
    );
}

/// The `type` that a frame's schema demands.
fn frame_type(schema: &Value) -> Option<&str> {
    schema["properties"]["type"]["enum"][0].as_str()
}

/// The schema's name of a frame type: `ServerCatchUp`, `ClientAck`.
pub fn frame_name(prefix: &str, frame_type: &str) -> String {
    let mut name = prefix.to_owned();
    for word in frame_type.split('-') {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

/// The same value with its keys sorted, so that its text is the same whatever features a build turns on.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let by_key: BTreeMap<&String, &Value> = object.iter().collect();
            Value::Object(by_key.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The text of a generated JSON document.
pub fn to_sorted_json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(&sorted(value)).expect("a JSON value has a text");
    text.push('\n');
    text
}
