//! No input makes anything panic.

use super::*;
use proptest::prelude::*;

fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "type",
        "object",
        "array",
        "string",
        "properties",
        "items",
        "$ref",
        "#",
        "#/$defs/a",
        "$defs",
        "a",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "enum",
        "const",
        "required",
        "pattern",
        "(",
        "format",
        "date-time",
        "minLength",
        "additionalProperties",
        "prefixItems",
        "if",
        "then",
        "dependentSchemas",
        "$id",
        "title",
        "Deal info",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_toml_makes_the_reader_panic(
        lines in prop::collection::vec(
            (prop::sample::select(vec![
                "kind", "category", "severity", "schema", "expires_after", "collapse", "link", "image", "thread",
                "event", "title", "templates", "ladder", "actions", "breaks_through", "latecomers", "linger",
                "templates.en.title", "templates.en", "ladder.channel",
            ]), any_json()),
            0..6,
        )
    ) {
        let text: String = lines.iter().map(|(key, value)| format!("{key} = {}\n", inline(value))).collect();
        let _ = read(&text);
    }

    #[test]
    fn no_template_makes_the_engine_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{%", "%}", "{#", "#}", " data", ".x", "alert", "|", "default", "('a')", "for", " in ",
            "if ", "endif", "endfor", "range(", "9", ")", "[", "]", "\"", "~", "-", "*", "macro f()", "loop", "ä", "\n",
        ]), 0..16),
        data in any_json(),
    ) {
        let mut text = String::from("kind = \"k\"\n[templates.en]\ntitle = ");
        text.push_str(&json!(parts.concat()).to_string());
        if let Ok(kinds) = read(&text) {
            for kind in kinds.iter() {
                let _ = render(kind, data.clone());
            }
        }
    }

    #[test]
    fn no_schema_and_no_data_make_the_validator_panic(schema in any_json(), data in any_json()) {
        if let Ok(kinds) = read(&format!("kind = \"k\"\nschema = {}", inline(&schema))) {
            prop_assert_eq!(typescript(&kinds), typescript(&kinds));
            for kind in kinds.iter() {
                if let Err(faults) = kind.validate(&data) {
                    prop_assert!(!faults.is_empty());
                    prop_assert!(faults.iter().all(|fault| fault.pointer.starts_with("/data")));
                }
            }
        }
    }
}
