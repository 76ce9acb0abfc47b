//! One test per rule, with the whole message, since the message is the help a person gets.

use super::*;
use belfry_protocol::{Action, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

fn read(text: &str) -> Result<Kinds, Vec<KindFault>> {
    Kinds::from_text(Path::new("k.toml"), text, &KindsOptions::default())
}

#[track_caller]
fn kind(text: &str) -> Kind {
    let kinds = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    kinds.into_kinds().next().expect("has one")
}

#[track_caller]
fn refused(text: &str, messages: &[&str]) {
    let faults = read(text).expect_err("is refused");
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said, messages);
}

#[track_caller]
fn warned(text: &str, messages: &[&str]) {
    let kinds = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let said: Vec<String> = kinds.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(said, messages);
}

fn facts() -> AlertFacts<'static> {
    AlertFacts {
        id: "0199",
        kind: "k",
        severity: Severity::Warning,
        created_at: "2026-01-02T03:04:05Z".parse().expect("is a time"),
    }
}

fn render_as(kind: &Kind, locale: &str, data: Value) -> Result<Rendered, TemplateFault> {
    kind.render(&RenderInput { locale, data: &data, alert: facts(), user: None, given: Given::default() })
}

fn render(kind: &Kind, data: Value) -> Result<Rendered, TemplateFault> {
    render_as(kind, "en", data)
}

/// The smallest sound file, with one line more.
fn with(line: &str) -> String {
    format!("kind = \"k\"\n{line}\n[templates.en]\ntitle = \"t\"\n")
}

#[test]
fn every_key_is_read() {
    let kind = kind(
        r#"
        kind = "exposure-detected"
        category = "security"
        severity = "critical"
        expires_after = "7d"
        collapse = "{{ data.source }}"
        link = "/alerts/{{ alert.id }}"
        image = "/pictures/{{ alert.severity }}.png"
        thread = "exposures"
        event = "kordant:exposure"
        breaks_through = true
        latecomers = "include"
        linger = "0s"
        [schema]
        type = "object"
        required = ["source"]
        properties.source.type = "string"
        [templates.en]
        title = "Found on {{ data.source }}"
        body = "At {{ alert.created_at }}"
        [[ladder]]
        channel = "live"
        wait = "5s"
        until = "displayed"
        [[ladder]]
        channel = "push"
        [[actions]]
        id = "open"
        label = { en = "Open {{ data.source }}", de = "Öffnen" }
        link = "/open/{{ data.source | urlencode }}"
        "#,
    );
    assert_eq!((kind.name.as_str(), kind.category.as_str()), ("exposure-detected", "security"));
    assert_eq!((kind.severity, kind.expires_after), (Severity::Critical, Some(Duration::from_secs(604_800))));
    assert_eq!((kind.event.as_str(), kind.breaks_through), ("kordant:exposure", true));
    assert_eq!((kind.latecomers, kind.linger), (Latecomers::Include, Some(Duration::ZERO)));
    assert_eq!((kind.ladder.steps().len(), kind.ladder_declared), (2, true));
    let open = |label: &str| Action {
        id: "open".to_owned(),
        label: label.to_owned(),
        link: Some("/open/a%20b".to_owned()),
    };
    let rendered = render(&kind, json!({"source": "a b"})).expect("renders");
    assert_eq!(
        rendered,
        Rendered {
            title: "Found on a b".to_owned(),
            body: Some("At 2026-01-02T03:04:05Z".to_owned()),
            link: Some("/alerts/0199".to_owned()),
            image: Some("/pictures/warning.png".to_owned()),
            thread: Some("exposures".to_owned()),
            collapse_key: Some("a b".to_owned()),
            actions: vec![open("Open a b")],
        }
    );
    assert_eq!(
        render_as(&kind, "de-AT", json!({"source": "a b"})).expect("renders").actions,
        [open("Öffnen")]
    );
}

#[test]
fn what_is_left_out_has_a_default() {
    let kind = kind("kind = \"spam-blocked\"");
    assert_eq!((kind.category.as_str(), kind.event.as_str()), ("spam-blocked", "notification:spam-blocked"));
    assert_eq!((kind.severity, kind.expires_after), (Severity::Info, None));
    assert_eq!((kind.breaks_through, kind.latecomers, kind.linger), (false, Latecomers::Exclude, None));
    assert_eq!((&kind.ladder, kind.ladder_declared), (&Ladder::default(), false));
    let rendered = render(&kind, json!({"any": 1})).expect("renders");
    assert_eq!((rendered.title.as_str(), rendered.body), ("Spam blocked", None));
    assert_eq!(kind.validate(&json!({"any": 1})), Ok(()));
    assert_eq!(default_event("deal-notification"), "notification:deal");
    assert_eq!(default_event("system-message"), "notification:system");
    assert_eq!(default_event("job-completed"), "notification:job");
}

#[test]
fn an_unknown_key_is_named_with_its_nearest() {
    refused(
        &with("sevrity = \"info\"\nweather = 1"),
        &[
            "k.toml:2: `sevrity`: there is no such key. Write `severity`.",
            "k.toml:3: `weather`: there is no such key. Remove it; known are kind, category, severity, schema, \
             expires_after, collapse, link, image, thread, event, title, body, templates, ladder, actions, \
             breaks_through, latecomers, linger.",
        ],
    );
    refused(
        "kind = \"k\"\n[templates.en]\ntitle = \"t\"\ntext = \"b\"\n[[ladder]]\nchannel = \"live\"\nwhile = 1\n",
        &[
            "k.toml:4: `templates.en.text`: there is no such key. Remove it; known are title, body.",
            "k.toml:7: `ladder[0].while`: there is no such key. Remove it; known are channel, wait, until, only_if, \
             digest.",
        ],
    );
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let faults = read("kind = \"k\"\n\nseverity = \n").expect_err("is refused");
    assert_eq!(faults[0].line, Some(3));
    assert_eq!(faults[0].remedy, "Correct the line; the file is TOML");
}

#[test]
fn the_kinds_name_is_needed_and_must_not_be_the_protocols() {
    refused(
        "[templates.en]\ntitle = \"t\"\n",
        &[
            "k.toml: `kind`: the file does not name its kind. Write for example kind = \"deal-notification\" in the \
           first line.",
        ],
    );
    refused(
        "kind = \"ping\"\n[templates.en]\ntitle = \"t\"\n",
        &["k.toml:1: `kind`: \"ping\" is a name of the protocol. Choose another, for example with your \
           application's name in front; none may begin with `belfry.`."],
    );
    assert!(read("kind = \"belfry.later\"").is_err());
    refused(
        "kind = \"a kind\"\n[templates.en]\ntitle = \"t\"\n",
        &["k.toml:1: `kind`: a kind's name has no white space. Write \"a-kind\"."],
    );
    refused(
        "kind = \"\"\n[templates.en]\ntitle = \"t\"\n",
        &["k.toml:1: `kind`: it is empty. Give it a text, or remove it."],
    );
    assert!(read(&format!("kind = \"{}\"", "a".repeat(256))).is_ok());
    refused(
        &format!("kind = \"{}\"\n[templates.en]\ntitle = \"t\"\n", "a".repeat(257)),
        &["k.toml:1: `kind`: 257 bytes are too many. Use at most 256."],
    );
}

#[test]
fn wrong_types_say_what_to_write() {
    refused(
        &with("severity = 1\nbreaks_through = \"yes\"\nladder = 3\nactions = [1]\nschema = true"),
        &[
            "k.toml:2: `severity`: a number cannot stand here. Write a text in quotes.",
            "k.toml:3: `breaks_through`: a text cannot stand here. Write true or false.",
            "k.toml:4: `ladder`: a number cannot stand here. Write a list of tables, each beginning with [[ladder]].",
            "k.toml:5: `actions[0]`: a number cannot stand here. Write a table, beginning with [actions[0]].",
            "k.toml:6: `schema`: true or false cannot stand here. Write the name of a file in quotes, or a table \
             beginning with [schema].",
        ],
    );
}

#[test]
fn words_of_closed_lists_are_offered() {
    refused(
        &with("severity = \"critcal\""),
        &["k.toml:2: `severity`: \"critcal\" is not known. Write \"critical\"."],
    );
    refused(
        &with("severity = \"loud\""),
        &["k.toml:2: `severity`: \"loud\" is not known. Write \"info\", \"warning\" or \"critical\"."],
    );
    refused(
        &with("latecomers = \"yes\""),
        &["k.toml:2: `latecomers`: \"yes\" is not known. Write \"include\" or \"exclude\"."],
    );
}

#[test]
fn durations_say_what_is_wrong_with_them() {
    refused(
        &with("expires_after = \"7\""),
        &[
            "k.toml:2: `expires_after`: `7` has no unit. Write for example \"7s\" for seconds (units: ms, s, m, h, d, \
           w).",
        ],
    );
    refused(
        &with("expires_after = \"0s\""),
        &[
            "k.toml:2: `expires_after`: an alert that expires at once reaches nobody. Write for example \"7d\", or \
           leave it out: the alert then never expires.",
        ],
    );
}

#[test]
fn expiry_shorter_than_a_night_is_doubted() {
    warned(
        &with("expires_after = \"2h\""),
        &[
            "k.toml:2: warning: `expires_after`: 2h is shorter than a night: quiet hours hold push and e-mail back, \
           and the alert may expire before they end. Choose at least \"12h\", or severity \"critical\", which passes \
           quiet hours.",
        ],
    );
    warned(&with("expires_after = \"2h\"\nseverity = \"critical\""), &[]);
}

#[test]
fn ladder_faults_name_step_and_line() {
    refused(
        &with("[[ladder]]\nchannel = \"life\"\n[[ladder]]\nwait = \"5s\"\n"),
        &[
            "k.toml:3: `ladder[0].channel`: \"life\" is not known. Write \"live\".",
            "k.toml:4: `ladder[1].channel`: it is missing. Write channel = \"live\", \"push\", \"email\" or \
             \"webhook\".",
        ],
    );
    refused(
        &with(
            "[[ladder]]\nchannel = \"live\"\nuntil = \"displayed\"\n[[ladder]]\nchannel = \"push\"\nwait = \"x\"\n",
        ),
        &[
            "k.toml:2: `ladder[0].wait`: the step does not wait for `until = \"displayed\"`: the next step would run \
             at once. Add a `wait`, for example \"5s\" or \"10m\", or remove `until`.",
            "k.toml:7: `ladder[1].wait`: `x` is no duration. Write a whole number and a unit, for example \"30s\", \
             \"10m\" or \"7d\".",
        ],
    );
    refused(
        "kind = \"k\"\nladder = []\n[templates.en]\ntitle = \"t\"\n",
        &[
            "k.toml: `ladder`: a ladder needs at least one step. Leave `ladder` out for the default: live, push, \
           e-mail.",
        ],
    );
    warned(
        &with(
            "[[ladder]]\nchannel = \"live\"\nwait = \"5s\"\nuntil = \"received\"\n[[ladder]]\nchannel = \"push\"\n",
        ),
        &[
            "k.toml:5: warning: `ladder[0].until`: a background tab or a forgotten laptop receives the alert and so \
           keeps the phone silent. Choose \"displayed\", unless the receivers are services or devices without a \
           screen.",
        ],
    );
}

#[test]
fn texts_stand_below_a_language() {
    warned(
        "kind = \"k\"",
        &[
            "k.toml: warning: `templates`: the kind has no texts: an alert without a `title` of its own gets the \
           kind's name as heading. Add [templates.en] with `title` and `body`.",
        ],
    );
    refused(
        "kind = \"k\"\ntitle = \"t\"\n[templates.en]\ntitle = \"t\"",
        &["k.toml:2: `title`: texts stand below their language. Move `title` below [templates.en]."],
    );
    refused(
        "kind = \"k\"\n[templates]\ntitle = \"t\"\n[templates.en]\nbody = \"b\"\n[templates.EN]\ntitle = \"t\"\n",
        &[
            "k.toml:3: `templates.title`: it is no language tag. Write [templates.en] above `title`.",
            "k.toml:4: `templates.en.title`: the heading is missing. Add for example title = \"New deals\".",
            "k.toml:6: `templates.EN`: this language stands twice. Keep one; capital letters do not count.",
        ],
    );
    refused(
        "kind = \"k\"\n[templates.english]\ntitle = \"t\"\n",
        &["k.toml:2: `templates.english`: it is no language tag. Write for example [templates.en], \
           [templates.en-GB] or [templates.default]."],
    );
}

#[test]
fn actions_are_at_most_three_with_id_and_label() {
    refused(
        &with("[[actions]]\nid = \"a\"\n[[actions]]\nid = \"a\"\nlabel = \"A\"\nlink = \"open\"\n"),
        &[
            "k.toml:2: `actions[0].label`: it is missing. Give each action an `id` and a `label`, for example label \
             = \"open\".",
            "k.toml:4: `actions[1].id`: \"a\" names two actions. Give each its own `id`.",
            "k.toml:7: `actions[1].link`: a link is a path that begins with `/`, or a whole `https:` URL. Write it \
             differently.",
        ],
    );
    let four: String = (0..4).map(|n| format!("[[actions]]\nid = \"{n}\"\nlabel = \"L\"\n")).collect();
    refused(&with(&four), &["k.toml:11: `actions`: 4 actions are too many. Keep at most 3."]);
    refused(
        &with("[[actions]]\nid = \"a\"\nlabel = { english = \"A\" }"),
        &[
            "k.toml:4: `actions[0].label.english`: it is no language tag. Write for example label = { en = \"Open\", \
           de = \"Öffnen\" }.",
        ],
    );
}

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
    let open = super::tests::kind(&with("link = \"{{ data.where }}\""));
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

/// A JSON value as TOML.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{} = {}", json!(key), inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
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

#[test]
fn no_kinds_accept_every_name_but_the_protocols() {
    let kinds = Kinds::none();
    assert!(matches!(kinds.find("anything"), Ok(None)));
    assert_eq!(kinds.find("catch-up").expect_err("is reserved"), NameError::Reserved("catch-up".to_owned()));
    assert_eq!(object_fault(&json!({})), None);
    assert!(object_fault(&json!("text")).is_some());
}

#[test]
fn once_one_kind_is_declared_others_are_refused_with_the_nearest_name() {
    let kinds = read("kind = \"deal-notification\"").expect("is sound");
    assert_eq!(
        kinds.find("deal-notification").expect("is declared").map(|kind| kind.name.as_str()),
        Some("deal-notification")
    );
    assert_eq!(
        kinds.find("deal-notifcation").expect_err("is not declared").to_string(),
        "the kind `deal-notifcation` is not declared; did you mean `deal-notification`?"
    );
    assert_eq!(
        kinds.find("weather").expect_err("is not declared").to_string(),
        "the kind `weather` is not declared"
    );
    assert!(matches!(kinds.find("belfry.x"), Err(NameError::Reserved(_))));
}

#[test]
fn a_folder_is_read_whole_and_all_faults_of_all_files_are_given() {
    let folder = tempfile::tempdir().expect("is made");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("is written");
    write("a.toml", "kind = \"a\"");
    write("b.toml", "kind = \"b\"");
    write("notes.md", "nothing");
    write(".hidden.toml", "no toml");
    let kinds = Kinds::load(folder.path(), &KindsOptions::default()).expect("is sound");
    assert_eq!(kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((kinds.len(), kinds.is_empty()), (2, false));

    write("b.toml", "kind = \"a\"");
    write("c.toml", "kind = \"c\"\nx = 1\ny = 2");
    write("d.toml", "kind = ");
    std::fs::write(folder.path().join("e.toml"), [0xff]).expect("is written");
    let faults = Kinds::load(folder.path(), &KindsOptions::default()).expect_err("is refused");
    let places: Vec<String> = faults
        .iter()
        .map(|fault| {
            let name = fault.file.file_name().expect("is a file").to_string_lossy();
            format!("{name}:{} {}", fault.line.unwrap_or_default(), fault.field)
        })
        .collect();
    assert_eq!(places, ["b.toml:0 kind", "c.toml:2 x", "c.toml:3 y", "d.toml:1 ", "e.toml:0 "]);
    assert!(faults[0].problem.ends_with("a.toml already"), "{}", faults[0]);
    assert!(faults[4].problem.starts_with("the file cannot be read: "), "{}", faults[4]);
}

#[test]
fn a_folder_that_does_not_exist_declares_nothing_and_one_that_is_a_file_is_a_fault() {
    let folder = tempfile::tempdir().expect("is made");
    let missing =
        Kinds::load(&folder.path().join("none"), &KindsOptions::default()).expect("declares nothing");
    assert!(missing.is_empty());
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("is written");
    let faults = Kinds::load(&file, &KindsOptions::default()).expect_err("is no folder");
    assert!(faults[0].problem.starts_with("the folder cannot be read: "), "{}", faults[0]);
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().expect("is made");
    let text = |bytes: usize| format!("kind = \"k\"\n#{}", "x".repeat(bytes - 12));
    std::fs::write(folder.path().join("k.toml"), text(256 * 1024)).expect("is written");
    assert!(Kinds::load(folder.path(), &KindsOptions::default()).is_ok());
    std::fs::write(folder.path().join("k.toml"), text(256 * 1024 + 1)).expect("is written");
    let faults = Kinds::load(folder.path(), &KindsOptions::default()).expect_err("is too long");
    assert_eq!(faults[0].problem, "the file cannot be read: it has more than 262144 bytes");
}

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
