//! Templates, languages, links.

use super::*;
use belfry_protocol::Action;

#[test]
fn links_are_checked_in_the_file_and_when_rendered() {
    refused(
        &with("link = \"javascript:alert(1)\""),
        &[
            "k.toml:2: `link`: a `javascript:` link can run code and is never accepted. Write a path or an `https:` \
           URL.",
        ],
    );
    let kind = kind(&with("link = \"/{{ data.where }}\""));
    assert_eq!(render(&kind, json!({"where": "deals"})).expect("renders").link.as_deref(), Some("/deals"));
    let fault = render(&kind, json!({"where": "/evil.example"})).expect_err("leaves for another host");
    assert_eq!(
        fault.to_string(),
        "the template `link` failed: it wrote `//evil.example`: a link beginning with `//` leaves for another host; \
         write a path with one `/`, or a whole `https:` URL"
    );
    let open = super::kind(&with("link = \"{{ data.where }}\""));
    assert!(render(&open, json!({"where": "javascript:alert(1)"})).is_err());
    assert_eq!(render(&open, json!({"where": ""})).expect("renders").link, None);
}

#[test]
fn a_template_that_does_not_parse_names_its_line() {
    let faults =
        read("kind = \"k\"\n[templates.en]\ntitle = \"t\"\nbody = \"{{ data.x \"\n").expect_err("is refused");
    assert_eq!((faults[0].line, faults[0].field.as_str()), (Some(4), "templates.en.body"));
    assert!(faults[0].problem.starts_with("the template does not parse: "), "{}", faults[0]);
    assert_eq!(faults[0].remedy, "Correct it; values stand in {{ }}, conditions in {% if … %}…{% endif %}");
}

#[test]
fn names_that_templates_cannot_know_are_found_in_the_file() {
    let text = r#"
kind = "k"
collapse = "{{ source }}{{ date.x }}"
thread = "{{ alert.ids }}{{ user.age }}"
[schema]
type = "object"
properties.source.type = "string"
properties.deep = { type = "object", additionalProperties = false, properties.inner.type = "string" }
properties.list = { type = "array", items.type = "string" }
[templates.en]
title = "{{ data.sorce }} {{ data.deep.iner }} {{ data.deep.inner }} {% for x in data.list %}{{ x }}{% endfor %}"
"#;
    refused(
        text,
        &[
            "k.toml:3: `collapse`: `date` is not known to templates. Write `data`.",
            "k.toml:3: `collapse`: `source` is not known to templates. Fields of the payload are written \
             `data.source`; there are data, alert and user.",
            "k.toml:4: `thread`: `alert` has no `ids`. Write `alert.id`.",
            "k.toml:4: `thread`: `user` has no `age`. `user` has id, name, locale, time_zone.",
            "k.toml:11: `templates.en.title`: the schema names no field `data.deep.iner`. Write `data.deep.inner`, or \
             add the field to the schema.",
        ],
    );
    let open = text.replace("date.x", "alert.id").replace("{{ source }}", "").replace(".ids", ".id");
    let open = open.replace("{{ user.age }}", "{{ user.name }}").replace("iner", "inner");
    warned(
        &open,
        &[
            "k.toml:4: warning: `thread`: with the required fields alone the template fails: `user.name` is not in \
             this alert; send it, or write {{ user.name | default(\"…\") }} or {% if … %}. Guard optional fields, or \
             make them required; such an alert would be refused.",
            "k.toml:11: warning: `templates.en.title`: the schema names no field `data.sorce`. Write `data.source`, \
             or add the field to the schema.",
        ],
    );
}

#[test]
fn an_undefined_value_is_refused_when_it_is_printed_but_may_be_asked_for() {
    let kind = kind(
        "kind = \"k\"\n[templates.en]\ntitle = \"{{ data.source }}\"\nbody = \"{% if data.more %}{{ data.more }}{% endif %}{{ data.x | default('-') }}\"",
    );
    assert_eq!(render(&kind, json!({"source": "s"})).expect("renders").body.as_deref(), Some("-"));
    let fault = render(&kind, json!({"sorce": "s"})).expect_err("prints nothing");
    assert_eq!(
        fault.to_string(),
        "the template `templates.en.title` failed: `data.source` is not in this alert; send it, or write \
         {{ data.source | default(\"…\") }} or {% if … %}"
    );
}

#[test]
fn an_optional_field_that_is_printed_without_asking_is_found_in_the_file() {
    let text = r#"
kind = "k"
[schema]
type = "object"
required = ["source"]
properties = { source.type = "string", more.type = "string" }
[templates.en]
title = "{{ data.source }}"
body = "{{ data.more }}"
[templates.de]
title = "{{ data.source }}"
body = "{% if data.more %}{{ data.more }}{% endif %}"
"#;
    warned(
        text,
        &[
            "k.toml:9: warning: `templates.en.body`: with the required fields alone the template fails: `data.more` is \
           not in this alert; send it, or write {{ data.more | default(\"…\") }} or {% if … %}. Guard optional \
           fields, or make them required; such an alert would be refused.",
        ],
    );
}

#[test]
fn a_comparison_with_an_undefined_value_says_how_to_write_it() {
    let text = |condition: &str| {
        format!("kind = \"k\"\n[templates.en]\ntitle = \"a{{% if {condition} == 'x' %}}b{{% endif %}}\"")
    };
    assert_eq!(
        render(&kind(&text("data.x")), json!({})).expect_err("compares nothing").problem,
        "`if data.x == 'x'` uses a field that is not in this alert; send it, or write `(data.field | default)` there"
    );
    assert_eq!(render(&kind(&text("(data.x | default)")), json!({})).expect("renders").title, "a");
}

#[test]
fn text_is_not_escaped_and_titles_are_one_line() {
    let kind = kind(
        "kind = \"k\"\n[templates.en]\ntitle = \"\"\"  {{ data.a }}\n<b> \"\"\"\nbody = \"{{ data.a }}\\n-\"",
    );
    let rendered = render(&kind, json!({"a": "<&'\"\u{7}>"})).expect("renders");
    assert_eq!(rendered.title, "<&'\"> <b>");
    assert_eq!(rendered.body.as_deref(), Some("<&'\">\n-"));
}

#[test]
fn texts_are_cut_and_keys_are_refused_at_their_limits() {
    let kind = kind(
        "kind = \"k\"\ncollapse = \"{{ data.key }}\"\n[templates.en]\ntitle = \"{{ data.t }}\"\nbody = \"{{ data.b }}\"",
    );
    let at = json!({"key": "k".repeat(256), "t": "ä".repeat(256), "b": "b".repeat(4096)});
    let rendered = render(&kind, at).expect("fits");
    assert_eq!(rendered.title, "ä".repeat(256));
    assert_eq!(rendered.body, Some("b".repeat(4096)));
    assert_eq!(rendered.collapse_key, Some("k".repeat(256)));
    let over = json!({"key": "k", "t": "ä".repeat(257), "b": "b".repeat(4097)});
    let rendered = render(&kind, over).expect("is cut");
    assert_eq!(rendered.title, format!("{}…", "ä".repeat(254)));
    assert_eq!(rendered.body, Some(format!("{}…", "b".repeat(4093))));
    let fault = render(&kind, json!({"key": "k".repeat(257), "t": "t", "b": "b"})).expect_err("is no key");
    assert_eq!(
        fault.to_string(),
        "the template `collapse` failed: it wrote 257 bytes, and a key has at most 256; build it from an id instead \
         of a text"
    );
}

#[test]
fn an_endless_template_runs_out_of_fuel_and_a_long_one_of_room() {
    let spin = kind(
        "kind = \"k\"\n[templates.en]\ntitle = \"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}x\"",
    );
    assert_eq!(
        render(&spin, json!({})).expect_err("spins").problem,
        "it takes too many steps; loop over fewer items, for example `data.deals[:10]`"
    );
    let long =
        kind("kind = \"k\"\n[templates.en]\ntitle = \"{% for a in range(9000) %}0123456789{% endfor %}\"");
    assert_eq!(
        render(&long, json!({})).expect_err("is long").problem,
        "it writes more than 65536 bytes; shorten it, for example with `| truncate`"
    );
}

#[test]
fn a_template_over_the_limit_is_refused() {
    let text = |bytes: usize| {
        let template = format!("{{{{ 1 }}}}{}", "x".repeat(bytes - 7));
        format!("kind = \"k\"\n[templates.en]\ntitle = \"t\"\nbody = \"{template}\"")
    };
    assert!(read(&text(16 * 1024)).is_ok());
    refused(
        &text(16 * 1024 + 1),
        &[
            "k.toml:4: `templates.en.body`: the template has 16385 bytes, and one has at most 16384. Shorten it; the \
           texts it writes are cut far below that.",
        ],
    );
}

#[test]
fn the_language_falls_back_from_region_to_language_to_default_to_the_configured_to_the_first() {
    let titles = |tags: &[&str]| {
        let tables = tags.iter().map(|tag| format!("[templates.{tag}]\ntitle = \"{tag}\"\n"));
        kind(&format!("kind = \"k\"\n{}", tables.collect::<String>()))
    };
    let said = |kind: &Kind, locale: &str| render_as(kind, locale, json!({})).expect("renders").title;
    let all = titles(&["fr", "en", "en-GB", "default", "zh-Hant-TW"]);
    for (wanted, speaks) in [
        ("en-GB", "en-GB"),
        ("en_gb", "en-GB"),
        ("en-US", "en"),
        ("en", "en"),
        ("fr-CA", "fr"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("zh", "default"),
        ("pt", "default"),
        ("", "default"),
        ("-", "default"),
    ] {
        assert_eq!(said(&all, wanted), speaks, "{wanted}");
    }
    assert_eq!(said(&titles(&["fr", "en"]), "pt"), "en");
    assert_eq!(said(&titles(&["fr", "de"]), "pt"), "fr");
    let options = KindsOptions { default_locale: "de-AT".to_owned(), ..KindsOptions::default() };
    let text = "kind = \"k\"\n[templates.en]\ntitle = \"en\"\n[templates.de]\ntitle = \"de\"";
    let german = Kinds::from_text(Path::new("k.toml"), text, &options).expect("is sound");
    assert_eq!(said(german.get("k").expect("is declared"), "pt"), "de");
    assert_eq!(all.locales(), ["fr", "en", "en-GB", "default", "zh-Hant-TW"]);
}

#[test]
fn what_the_publisher_gives_stands_and_its_template_does_not_run() {
    let kind = kind(
        "kind = \"k\"\nlink = \"/{{ data.x }}\"\n[templates.en]\ntitle = \"{{ data.x }}\"\nbody = \"{{ data.x }}\"",
    );
    let actions = [Action { id: "a".to_owned(), label: "A".to_owned(), link: None }];
    let given = Given {
        title: Some("T"),
        body: Some("B"),
        link: Some("/l"),
        image: Some("/i"),
        thread: Some("th"),
        collapse_key: Some("c"),
        actions: &actions,
    };
    let data = json!({});
    let rendered = kind
        .render(&RenderInput { locale: "en", data: &data, alert: facts(), user: None, given })
        .expect("no template runs");
    assert_eq!((rendered.title.as_str(), rendered.body.as_deref()), ("T", Some("B")));
    assert_eq!((rendered.link.as_deref(), rendered.image.as_deref()), (Some("/l"), Some("/i")));
    assert_eq!((rendered.thread.as_deref(), rendered.collapse_key.as_deref()), (Some("th"), Some("c")));
    assert_eq!(rendered.actions, actions);
}

#[test]
fn a_template_may_address_the_user_where_there_is_one() {
    let kind =
        kind("kind = \"k\"\n[templates.en]\ntitle = \"{% if user %}{{ user.name }}, {% endif %}hello\"");
    assert_eq!(render(&kind, json!({})).expect("renders").title, "hello");
    let user = UserFacts { id: "ann", name: Some("Ann"), locale: None, time_zone: None };
    let data = json!({});
    let input =
        RenderInput { locale: "en", data: &data, alert: facts(), user: Some(user), given: Given::default() };
    assert_eq!(kind.render(&input).expect("renders").title, "Ann, hello");
}
