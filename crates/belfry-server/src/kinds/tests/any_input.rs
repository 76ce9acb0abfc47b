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

#[test]
fn deep_nesting_is_refused_or_read_but_never_exhausts_the_stack() {
    let deep = 30_000;
    // Each template is about as deep as one of the allowed length can be.
    let title = |template: &str| format!("kind = \"k\"\n[templates.en]\ntitle = {}", json!(template));
    let templates = [
        format!("{{{{ {}1{} }}}}", "(".repeat(8_000), ")".repeat(8_000)),
        format!("{{{{ {}1{} }}}}", "[".repeat(8_000), "]".repeat(8_000)),
        format!("{{{{ {} }}}}", "not ".repeat(4_090)),
        format!("{{{{ {}1 }}}}", "-".repeat(16_300)),
        format!("{{{{ data{} }}}}", ".a".repeat(8_100)),
        format!("{{{{ data{} }}}}", "[0]".repeat(5_400)),
        format!("{{{{ 1{} }}}}", "|string".repeat(2_300)),
        format!("{{{{ 1{} }}}}", " + 1".repeat(4_000)),
        format!("{{{{ 1{} }}}}", "**1".repeat(5_400)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(1_300)),
        "{% if 1 %}".repeat(760) + &"{% endif %}".repeat(760),
        "{% for a in [1] %}".repeat(530) + &"{% endfor %}".repeat(530),
        "{% if 1 %}".to_owned() + &"{% elif 1 %}".repeat(1_300) + "{% endif %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}".to_owned(),
    ];
    for template in templates {
        assert!(template.len() <= 16 * 1024, "is refused unread: {}", template.len());
        if let Ok(kinds) = read(&title(&template)) {
            let _ = render(kinds.get("k").expect("is declared"), json!({}));
        }
    }
    for template in [
        format!("{{{{ {}1{} }}}}", "[".repeat(32_000), "]".repeat(32_000)),
        format!("{{{{ {} }}}}", "not ".repeat(16_300)),
        format!("{{{{ data{} }}}}", ".a".repeat(32_000)),
        format!("{{{{ 1{} }}}}", "|string".repeat(9_300)),
        format!("{{{{ 1{} }}}}", " + 1".repeat(16_300)),
        "{% if 1 %}".to_owned() + &"{% elif 1 %}".repeat(5_400) + "{% endif %}",
    ] {
        assert!(template.len() <= 64 * 1024, "is refused unread: {}", template.len());
        let text = format!("kind = \"k\"\n[templates.en]\ntitle = \"t\"\nhtml = {}", json!(template));
        if let Ok(kinds) = read(&text) {
            let data = json!({});
            let input = RenderInput {
                locale: "en",
                data: &data,
                alert: facts(),
                user: None,
                given: Given::default(),
            };
            let _ = kinds.get("k").expect("is declared").html(&input);
        }
    }
    for text in [
        format!("kind = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("kind = {}", "{ a = ".repeat(deep)),
        format!("kind{} = 1", ".a".repeat(deep)),
        format!("[kind{}]", ".a".repeat(deep)),
    ] {
        assert!(read(&text).is_err());
    }
    let folder = tempfile::tempdir().expect("is made");
    let nested =
        |open: &str, close: &str, times: usize| format!("{}{{}}{}", open.repeat(times), close.repeat(times));
    for schema in [
        nested("{\"allOf\":[", "]}", 60),
        nested("{\"properties\":{\"a\":", "}}", 60),
        nested("{\"not\":", "}", 120),
        nested("{\"items\":", "}", 9_000),
    ] {
        std::fs::write(folder.path().join("s.json"), &schema).expect("is written");
        let file = folder.path().join("k.toml");
        if let Ok(kinds) =
            Kinds::from_text(&file, "kind = \"k\"\nschema = \"s.json\"", &KindsOptions::default())
        {
            let _ = kinds.get("k").expect("is declared").validate(&json!({"a": {"a": 1}}));
            let _ = typescript(&kinds);
        }
    }
    let chain: serde_json::Map<String, Value> =
        (0..499).map(|n| (n.to_string(), json!({"$ref": format!("#/$defs/{}", n + 1)}))).collect();
    let mut schema = json!({"$ref": "#/$defs/0", "$defs": chain});
    schema["$defs"]["499"] = json!({"type": "object", "required": ["a"]});
    std::fs::write(folder.path().join("s.json"), schema.to_string()).expect("is written");
    let file = folder.path().join("k.toml");
    let kinds = Kinds::from_text(&file, "kind = \"k\"\nschema = \"s.json\"", &KindsOptions::default());
    let kinds = kinds.unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(kinds.get("k").expect("is declared").validate(&json!({})).is_err());
    let _ = typescript(&kinds);
}

proptest! {

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_toml_makes_the_reader_panic(
        lines in prop::collection::vec(
            (prop::sample::select(vec![
                "kind", "category", "severity", "schema", "expires_after", "collapse", "link", "image", "thread",
                "event", "title", "templates", "ladder", "actions", "breaks_through", "latecomers", "everyone", "linger",
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
            "plural", "(one=", "'#'", ", other=", "money('EUR')", "date", "<a b=", ">", "{% set ",
        ]), 0..16),
        data in any_json(),
    ) {
        for key in ["title", "title = \"t\"\nhtml"] {
            let text = format!("kind = \"k\"\n[templates.en]\n{key} = {}", json!(parts.concat()));
            for kind in read(&text).iter().flat_map(Kinds::iter) {
                let _ = render(kind, data.clone());
                let alert = facts();
                let given = Given::default();
                let _ = kind.html(&RenderInput { locale: "en", data: &data, alert, user: None, given });
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
