//! Schemas, and what they say of a payload.

use super::*;

fn schema_kind(schema: Value) -> Kind {
    let folder = tempfile::tempdir().expect("is made");
    std::fs::write(folder.path().join("s.json"), schema.to_string()).expect("is written");
    let file = folder.path().join("k.toml");
    let kinds = Kinds::from_text(&file, "kind = \"k\"\nschema = \"s.json\"", &KindsOptions::default());
    kinds.unwrap_or_else(|faults| panic!("{faults:#?}")).into_kinds().next().expect("has one")
}

#[track_caller]
fn data_faults(kind: &Kind, data: Value) -> Vec<String> {
    let faults = kind.validate(&data).expect_err("does not match");
    faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
}

#[test]
fn data_faults_carry_pointers_and_plain_sentences() {
    let kind = schema_kind(json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["deals", "message"],
        "properties": {
            "message": {"type": "string", "minLength": 1, "maxLength": 5},
            "count": {"type": "integer", "minimum": 0, "maximum": 9},
            "rate": {"exclusiveMinimum": 0, "exclusiveMaximum": 1, "type": "number"},
            "status": {"enum": ["succeeded", "failed"]},
            "service": {"const": "DarkWatch"},
            "at": {"type": "string", "format": "date-time"},
            "code": {"type": "string", "pattern": "^[A-Z]+$"},
            "tags": {"type": "array", "uniqueItems": true, "minItems": 1, "maxItems": 2},
            "either": {"oneOf": [{"type": "string"}, {"type": "null"}]},
            "a/b~c": {"type": "boolean"},
            "deals": {"type": "array", "items": {
                "type": "object",
                "required": ["store_id"],
                "additionalProperties": false,
                "properties": {"store_id": {"type": ["integer", "string"]}}
            }}
        }
    }));
    assert_eq!(
        kind.validate(&json!({"message": "m", "deals": [{"store_id": "a"}, {"store_id": 1}]})),
        Ok(())
    );
    for (data, faults) in [
        (json!({"message": "m"}), vec!["/data/deals is missing"]),
        (json!(null), vec!["/data must be an object, not null"]),
        (json!([]), vec!["/data must be an object, not an array"]),
        (
            json!({"message": 1, "deals": [{}, {"store_id": null}, {"store_id": 1, "stor_id": 2}]}),
            vec![
                "/data/message must be a string, not a number",
                "/data/deals/0/store_id is missing",
                "/data/deals/1/store_id must be a whole number or a string, not null",
                "/data/deals/2/stor_id is not a field of this kind; did you mean `store_id`?",
            ],
        ),
    ] {
        let mut said = data_faults(&kind, data);
        let mut faults: Vec<String> = faults.into_iter().map(str::to_owned).collect();
        said.sort();
        faults.sort();
        assert_eq!(said, faults);
    }
    for (field, value, detail) in [
        ("message", json!(""), "must have 1 character or more"),
        ("message", json!("123456"), "must have 5 characters or fewer"),
        ("count", json!(-1), "must be 0 or more"),
        ("count", json!(10), "must be 9 or less"),
        ("count", json!(1.5), "must be a whole number, not a number with a fraction"),
        ("rate", json!(0), "must be more than 0"),
        ("rate", json!(1), "must be less than 1"),
        (
            "status",
            json!("suceeded"),
            "must be one of \"succeeded\", \"failed\"; did you mean \"succeeded\"?",
        ),
        ("service", json!("x"), "must be \"DarkWatch\""),
        ("at", json!("today"), "must be a date and time such as 2026-01-31T09:30:00Z"),
        ("code", json!("a"), "must match the pattern `^[A-Z]+$`"),
        ("tags", json!([1, 1]), "must not hold the same item twice"),
        ("tags", json!([]), "must have 1 item or more"),
        ("tags", json!([1, 2, 3]), "must have 2 items or fewer"),
        ("either", json!(1), "must be a string or null, not a number"),
    ] {
        let mut data = json!({"message": "m", "deals": []});
        data[field] = value;
        assert_eq!(data_faults(&kind, data), [format!("/data/{field} {detail}")]);
    }
    assert_eq!(
        data_faults(&kind, json!({"message": "m", "deals": [], "a/b~c": 1})),
        ["/data/a~1b~0c must be a boolean, not a number"]
    );
}

#[test]
fn an_answer_lists_at_most_twenty_faults() {
    let kind = schema_kind(json!({"properties": {"a": {"items": {"type": "string"}}}}));
    let faults = |n: usize| kind.validate(&json!({"a": vec![1; n]})).expect_err("are numbers").len();
    assert_eq!((faults(20), faults(21)), (20, 20));
}

#[test]
fn forms_that_all_fail_are_explained_by_the_nearest() {
    let kind = schema_kind(json!({"properties": {"a": {"anyOf": [
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        {"type": "string", "minLength": 2}
    ]}}}));
    assert_eq!(
        data_faults(&kind, json!({"a": {}})),
        ["/data/a matches none of the 2 allowed forms; the nearest says: `id` is missing"]
    );
    assert_eq!(data_faults(&kind, json!({"a": 1})), ["/data/a must be an object or a string, not a number"]);
}

#[test]
fn schemas_that_cannot_be_used_say_why() {
    let refused_schema = |schema: Value, message: &str| {
        let text = format!("kind = \"k\"\nschema = {}\n[templates.en]\ntitle = \"t\"\n", inline(&schema));
        refused(&text, &[&format!("k.toml:2: `schema`: {message}")]);
    };
    refused_schema(
        json!({"type": "array"}),
        "the schema describes \"array\", but `data` is always an object. Write \"type\": \"object\".",
    );
    refused_schema(
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        "`$schema` names \"http://json-schema.org/draft-07/schema#\", which is not read. Write \
         \"https://json-schema.org/draft/2020-12/schema\", or leave `$schema` out.",
    );
    refused_schema(
        json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}}),
        "`$ref` \"https://example.com/a.json\" leads out of this schema. Copy what it names into `$defs` and refer \
         to \"#/$defs/…\"; nothing is fetched.",
    );
    refused_schema(
        json!({"properties": {"a": {"$ref": "#/$defs/a"}}}),
        "`$ref` \"#/$defs/a\" leads nowhere. Correct it, or add what it names under `$defs`.",
    );
    refused_schema(
        json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}),
        "`$ref` \"#/$defs/b\" refers to itself without end. Put it below `properties` or `items`, so that each round \
         goes deeper into the data.",
    );
    refused_schema(
        json!({"properties": {"a": {"$id": "https://example.com"}}}),
        "`$id` is read only at the root of the schema. Remove it.",
    );
    refused_schema(json!({"$dynamicRef": "#x"}), "`$dynamicRef` is not read. Use `$ref`.");
    for schema in [json!({"type": "objekt"}), json!({"properties": {"a": {"pattern": "(?=x)"}}})] {
        let text = format!("kind = \"k\"\nschema = {}", inline(&schema));
        let faults = read(&text).expect_err("is refused");
        let fault = faults.iter().find(|fault| fault.field == "schema").expect("is named");
        assert!(
            fault.problem.starts_with("the schema ") && fault.remedy.starts_with("Correct the schema")
                || fault.problem.contains("objekt"),
            "{fault}"
        );
    }
}

#[test]
fn a_recursive_schema_that_goes_deeper_is_accepted() {
    let kind = schema_kind(json!({
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "name": {"type": "string"}}
    }));
    assert_eq!(kind.validate(&json!({"children": [{"children": [{"name": "x"}]}]})), Ok(()));
    assert_eq!(
        data_faults(&kind, json!({"children": [{"name": 1}]})),
        ["/data/children/0/name must be a string, not a number"]
    );
}

#[test]
fn schema_files_are_found_beside_the_kind_file() {
    let folder = tempfile::tempdir().expect("is made");
    let file = folder.path().join("k.toml");
    let read = |schema: &str| {
        let text = format!("kind = \"k\"\nschema = \"{schema}\"");
        let read = Kinds::from_text(&file, &text, &KindsOptions::default());
        read.map(|_| ()).map_err(|faults| format!("{} {}", faults[0].problem, faults[0].remedy))
    };
    std::fs::write(folder.path().join("good.json"), "{}").expect("is written");
    std::fs::write(folder.path().join("bad.json"), "{\n\"type\": }").expect("is written");
    std::fs::write(folder.path().join("list.json"), "[]").expect("is written");
    assert_eq!(read("good.json"), Ok(()));
    assert_eq!(
        read("bad.json").expect_err("is no JSON"),
        "\"bad.json\" is no JSON: expected value at line 2 column 9 Correct the schema file at that line"
    );
    assert!(
        read("list.json").expect_err("is a list").starts_with("\"list.json\": the schema is no JSON object")
    );
    assert!(
        read("none.json")
            .expect_err("is missing")
            .starts_with("the schema file \"none.json\" cannot be read: ")
    );
    assert_eq!(
        read("/etc/schema.json").expect_err("is absolute"),
        "\"/etc/schema.json\" is an absolute path Name the file relative to this one, for example \
         \"deal-notification.schema.json\""
    );
}
