//! The JSON Schema accepts every fixture, and refuses what a body must not hold.

use belfry_protocol::fixtures::ALL;
use belfry_protocol::schema;
use serde_json::{Value, json};

fn validator(name: &str) -> jsonschema::Validator {
    let mut document = schema::document();
    document["$ref"] = format!("#/$defs/{name}").into();
    jsonschema::options().should_validate_formats(true).build(&document).expect("the document is a schema")
}

fn faults(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{} at `{}`", error, error.instance_path())).collect()
}

#[test]
fn every_fixture_is_valid_against_its_schema() {
    let mut schemas: Vec<&str> = ALL.iter().map(|fixture| fixture.schema).collect();
    schemas.dedup();
    for name in schemas {
        let validator = validator(name);
        for fixture in ALL.iter().filter(|fixture| fixture.schema == name) {
            let faults = faults(&validator, &fixture.value());
            assert!(faults.is_empty(), "`{}`: {faults:#?}", fixture.name);
        }
    }
}

#[test]
fn every_problem_names_its_page_title_and_status() {
    for fixture in ALL.iter().filter(|fixture| fixture.schema == "Problem") {
        let problem: belfry_protocol::Problem = serde_json::from_str(fixture.text).expect("is a problem");
        assert_eq!(problem.r#type, problem.code.docs_url(), "{}", fixture.name);
        assert_eq!(problem.title, problem.code.title(), "{}", fixture.name);
        assert_eq!(problem.status, problem.code.status(), "{}", fixture.name);
    }
}

#[test]
fn what_the_types_refuse_the_schema_refuses() {
    for (name, value) in [
        ("NewAlert", json!({"to": {"user": "ann"}, "kind": "k", "loud": true})),
        ("NewAlert", json!({"to": {"user": "ann", "group": "g"}, "kind": "k"})),
        ("NewAlert", json!({"to": {"everyone": false}, "kind": "k"})),
        ("NewAlert", json!({"kind": "k"})),
        ("NewAlert", json!({"to": {"user": ""}, "kind": "k"})),
        ("InboxStateBody", json!({"ids": [], "state": "gone"})),
        ("InboxStateBody", json!({"up_to": "42", "state": "read"})),
        ("GroupMembers", json!({"members": [1]})),
        ("DoNotDisturb", json!({"schedule": [{"days": ["mon"], "from": "25:00", "to": "07:00"}]})),
        ("ServerFrame", json!({"type": "later", "data": {}, "timestamp": "2026-01-02T03:04:05Z"})),
    ] {
        assert!(!faults(&validator(name), &value).is_empty(), "{name} accepts {value}");
    }
}
