//! The OpenAPI document hangs together, and its examples are what its schemas say.

use belfry_protocol::error_code::ErrorCode;
use belfry_protocol::openapi::{self, TAGS, Who};
use serde_json::Value;
use std::collections::BTreeSet;

fn walk<'a>(value: &'a Value, at: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(at, value);
    match value {
        Value::Object(object) => {
            object
                .iter()
                .for_each(|(key, inner)| walk(inner, &format!("{at}/{}", key.replace('/', "~1")), visit));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, inner)| walk(inner, &format!("{at}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    let document = openapi::document();
    let mut references = 0;
    walk(&document, "", &mut |at, value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            references += 1;
            let pointer = target.strip_prefix('#').expect("references stay inside the document");
            assert!(document.pointer(pointer).is_some(), "`{target}` at {at} leads nowhere");
        }
    });
    assert!(references > 100, "the walk sees the document");
}

#[test]
fn every_component_is_used() {
    let document = openapi::document();
    let mut used = BTreeSet::new();
    walk(&document, "", &mut |_, value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            used.insert(target.rsplit('/').next().expect("has a last part").to_owned());
        }
    });
    // The frames travel over the live routes, which OpenAPI cannot describe; they stand here for code generators.
    // What a status webhook posts goes the other way, to the application.
    let roots = ["ServerFrame", "ClientFrame", "StatusEvent"].map(str::to_owned);
    for name in document["components"]["schemas"].as_object().expect("is an object").keys() {
        assert!(used.contains(name) || roots.contains(name), "`{name}` is used nowhere");
    }
}

#[test]
fn operation_ids_are_unique_and_tags_are_declared() {
    let routes = openapi::routes();
    let ids: BTreeSet<&str> = routes.iter().map(|route| route.id).collect();
    assert_eq!(ids.len(), routes.len());
    let places: BTreeSet<(&str, &str)> = routes.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(places.len(), routes.len(), "a path and method are listed once");
    for route in &routes {
        assert!(TAGS.iter().any(|(tag, _)| *tag == route.tag), "{}", route.tag);
    }
}

#[test]
fn path_parameters_are_those_of_the_path() {
    for route in openapi::routes() {
        let named: BTreeSet<&str> = route
            .path
            .split(['{', '}'])
            .enumerate()
            .filter(|(index, _)| index % 2 == 1)
            .map(|(_, name)| name)
            .collect();
        let declared: BTreeSet<&str> = route
            .parameters
            .iter()
            .filter(|parameter| parameter.place == "path")
            .map(|parameter| parameter.name)
            .collect();
        assert_eq!(named, declared, "{} {}", route.method, route.path);
    }
}

#[test]
fn examples_are_valid_against_their_schemas() {
    let document = openapi::document();
    let mut checked = 0;
    walk(&document, "", &mut |at, value| {
        let (Some(schema), Some(examples)) =
            (value.get("schema"), value.get("examples").and_then(Value::as_object))
        else {
            return;
        };
        let mut whole = document["components"].clone();
        whole = serde_json::json!({ "components": whole, "allOf": [schema] });
        let validator = jsonschema::validator_for(&whole).expect("is a schema");
        for (name, example) in examples {
            checked += 1;
            assert!(validator.is_valid(&example["value"]), "example `{name}` at {at}");
        }
    });
    assert!(checked > 50, "the walk sees the examples: {checked}");
}

#[test]
fn every_http_code_can_be_met_on_some_route() {
    let met: BTreeSet<ErrorCode> = openapi::routes().iter().flat_map(openapi::Route::codes).collect();
    // These come only by frame and close code, or where no route is met at all.
    let elsewhere = BTreeSet::from([
        ErrorCode::MethodNotAllowed,
        ErrorCode::FrameInvalid,
        ErrorCode::Replaced,
        ErrorCode::Lagging,
        ErrorCode::HeartbeatMissed,
    ]);
    let all: BTreeSet<ErrorCode> = ErrorCode::ALL.iter().copied().collect();
    assert_eq!(all.difference(&met).copied().collect::<BTreeSet<_>>(), elsewhere);
}

#[test]
fn only_health_documents_and_signed_texts_are_open_to_anyone() {
    let open: BTreeSet<&str> =
        openapi::routes().iter().filter(|route| route.who == Who::Anyone).map(|route| route.path).collect();
    let documents = ["/docs/errors/{code}", "/healthz", "/readyz", "/v1/openapi.json"];
    // Their credential is the signed text in the path.
    let signed = ["/u/{signed}", "/v1/receipts/{receipt}"];
    assert_eq!(open, documents.into_iter().chain(signed).collect());
}
