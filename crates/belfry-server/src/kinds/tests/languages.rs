//! HTML for e-mail, plurals, money and dates, each in the language of its template.

use super::*;

/// A kind with these texts in one language.
fn speaking(locale: &str, texts: &str) -> String {
    format!("kind = \"k\"\n[templates.{locale}]\ntitle = \"t\"\n{texts}\n")
}

/// What an expression writes in a language, for a person in Berlin.
fn written(locale: &str, expression: &str, data: Value) -> Result<String, String> {
    let kind = kind(&speaking(locale, &format!("body = {}", json!(format!("{{{{ {expression} }}}}")))));
    let user = UserFacts { id: "ann", name: None, locale: None, time_zone: Some("Europe/Berlin") };
    let input =
        RenderInput { locale, data: &data, alert: facts(), user: Some(user), given: Given::default() };
    match kind.render(&input) {
        Ok(rendered) => Ok(rendered.body.unwrap_or_default()),
        Err(fault) => Err(fault.problem),
    }
}

fn html_as(kind: &Kind, locale: &str, data: Value) -> Result<Option<String>, TemplateFault> {
    kind.html(&RenderInput { locale, data: &data, alert: facts(), user: None, given: Given::default() })
}

#[test]
fn data_never_becomes_markup() {
    let kind = kind(&speaking(
        "en",
        r#"html = '''{% macro b(x) %}<b>{{ x }}</b>{% endmacro %}<p title="{{ data.x }}">{{ data.x }} {{ b(data.x) }} {{ data.x | upper }} {{ [data.x] | join }}{% set y %}{{ data.x }}{% endset %}{{ y }} {{ data.n | plural(one=data.x, other=data.x) }}</p>'''
body = "{{ data.x }}""#,
    ));
    let attack = "<img src=x onerror='a()'>\"&";
    let data = json!({"x": attack, "n": 1});
    let html = html_as(&kind, "en", data.clone()).expect("renders").expect("has html");
    assert_eq!(html.matches('<').count(), 4, "only the template's own tags: {html}");
    assert_eq!(html.matches('"').count(), 2, "{html}");
    assert!(html.contains("<b>&lt;img"), "{html}");
    assert_eq!(render(&kind, data).expect("renders").body.as_deref(), Some(attack), "texts stay as they are");
}

#[test]
fn nothing_switches_escaping_off() {
    let html = |source: &str| speaking("en", &format!("html = {}", json!(source)));
    refused(
        &html("<p>\n{{ data.x | safe }}</p>"),
        &[
            "k.toml:4: `templates.en.html`: `safe` would let data write HTML (line 2 of the HTML). Remove it; every \
           value is escaped.",
        ],
    );
    assert!(read(&html("{% autoescape false %}{{ data.x }}{% endautoescape %}")).is_err());
    refused(
        &html("<a href={{ data.x }}>x</a>"),
        &[
            "k.toml:4: `templates.en.html`: a value stands in a tag without quotes around it (line 1 of the HTML). Put \
           it in the quotes of an attribute: <a href=\"{{ … }}\">, or into the text.",
        ],
    );
    let round = kind(&html("{{ [data.x] | map('safe') | join }}"));
    let fault = html_as(&round, "en", json!({"x": "<b>"})).expect_err("is refused when it runs");
    assert_eq!(fault.problem, "`safe` would let data write HTML; remove it");
    // A text is not escaped, so HTML cannot take one in.
    let include =
        kind(&speaking("en", "body = \"{{ data.x }}\"\nhtml = \"{% include 'templates.en.body' %}\""));
    assert!(html_as(&include, "en", json!({"x": "<b>"})).is_err());
    // In texts it says nothing, as ever.
    assert_eq!(written("en", "data.x | safe", json!({"x": "<b>"})), Ok("<b>".to_owned()));
}

#[test]
fn html_is_of_the_language_that_speaks_and_of_no_other() {
    let kind = kind(
        "kind = \"k\"\n[templates.en]\ntitle = \"t\"\nhtml = \"<p>en</p>\"\n[templates.de]\ntitle = \"t\"\n\
         [templates.default]\ntitle = \"t\"\nhtml = \"<p>{{ data.x }}</p>\"",
    );
    let html = |locale: &str| html_as(&kind, locale, json!({"x": 1})).expect("renders");
    assert_eq!(html("en-GB").as_deref(), Some("<p>en</p>"));
    assert_eq!(html("fr").as_deref(), Some("<p>1</p>"));
    assert_eq!(html("de"), None, "a German mail has no English body");
    assert_eq!((kind.has_html("en"), kind.has_html("de"), kind.has_html("default")), (true, false, true));
    assert_eq!((kind.speaks("de-AT"), kind.speaks("fr")), (Some("de"), Some("default")));
    let given = Given { title: Some("own"), ..Given::default() };
    let data = json!({"x": 1});
    let input = RenderInput { locale: "en", data: &data, alert: facts(), user: None, given };
    assert_eq!(kind.html(&input), Ok(None), "what the publisher wrote itself stands");
}

#[test]
fn a_fault_in_the_html_costs_no_title() {
    let kind = kind(&speaking("en", "html = \"<p>{{ data.missing }}</p>\""));
    assert_eq!(render(&kind, json!({})).expect("renders").title, "t");
    assert!(html_as(&kind, "en", json!({})).expect_err("is missing").problem.contains("`data.missing`"));
}

#[test]
fn html_has_limits_of_its_own() {
    let folder = tempfile::tempdir().expect("is made");
    let file = folder.path().join("k.toml");
    let read = |html: &str| {
        std::fs::write(folder.path().join("m.html"), html).expect("is written");
        Kinds::from_text(&file, &speaking("en", "html_file = \"m.html\""), &KindsOptions::default())
    };
    assert!(read(&"x".repeat(64 * 1024)).is_ok());
    let faults = read(&"x".repeat(64 * 1024 + 1)).expect_err("is too long");
    assert_eq!(
        (faults[0].problem.as_str(), faults[0].field.as_str(), faults[0].line),
        ("the template has 65537 bytes, and one has at most 65536", "templates.en.html_file", Some(4))
    );
    let kinds = read("{% for a in range(9999) %}0123456789ab{% endfor %}").expect("is sound");
    let fault = html_as(kinds.get("k").expect("is declared"), "en", json!({})).expect_err("is long");
    assert_eq!(fault.problem, "it writes more than 102400 bytes; shorten it, for example with `| truncate`");
    assert_eq!(read(" \n").expect_err("is empty")[0].problem, "\"m.html\" is empty");
}

#[test]
fn an_html_file_stands_beside_the_kind() {
    refused(
        &speaking("en", "html_file = \"/etc/m.html\""),
        &[
            "k.toml:4: `templates.en.html_file`: \"/etc/m.html\" is an absolute path. Name the file relative to this \
           one, for example \"deal-notification.en.html\".",
        ],
    );
    refused(
        &speaking("en", "html_file = \"m.html\"\nhtml = \"x\""),
        &["k.toml:4: `templates.en.html_file`: the HTML stands twice. Keep `html` or `html_file`."],
    );
    let faults = read(&speaking("en", "html_file = \"none.html\"")).expect_err("is not there");
    assert!(faults[0].problem.starts_with("the HTML file \"none.html\" cannot be read: "), "{}", faults[0]);
}

#[test]
fn each_language_counts_by_its_own_rules() {
    let forms = "zero='zero #', one='one #', two='two #', few='few #', many='many #', other='other #'";
    let says = |locale: &str, number: Value| {
        written(locale, &format!("data.n | plural({forms})"), json!({"n": number})).expect("counts")
    };
    for (locale, number, said) in [
        ("en", json!(0), "other 0"),
        ("en", json!(1), "one 1"),
        ("en-GB", json!(1), "one 1"),
        ("en", json!(1.5), "other 1.5"),
        ("en", json!(2.0), "other 2"),
        ("en", json!(-1), "one -1"),
        ("en", json!(u64::MAX), "other 18446744073709551615"),
        ("fr", json!(0), "one 0"),
        ("ja", json!(1), "other 1"),
        ("pl", json!(1), "one 1"),
        ("pl", json!(22), "few 22"),
        ("pl", json!(25), "many 25"),
        ("ru", json!(21), "one 21"),
        ("ar", json!(0), "zero 0"),
        ("ar", json!(1), "one 1"),
        ("ar", json!(2), "two 2"),
        ("ar", json!(5), "few 5"),
        ("ar", json!(11), "many 11"),
        ("ar", json!(100), "other 100"),
        ("default", json!(1), "one 1"),
        ("tlh", json!(1), "other 1"),
    ] {
        assert_eq!(says(locale, number.clone()), said, "{locale} {number}");
    }
    let list = written("en", "data.n | length | plural(one='# of #', other='#')", json!({"n": [1]}));
    assert_eq!(list, Ok("1 of 1".to_owned()));
}

#[test]
fn the_language_is_the_templates_and_not_the_readers() {
    let kind = kind(
        "kind = \"k\"\n[templates.en]\ntitle = \"{{ 0 | plural(one='one', other='other') }}\"\n[[actions]]\nid = \"a\"\n\
         label = { en = \"x\", fr = \"{{ 0 | plural(one='un', other='autre') }}\" }",
    );
    let rendered = render_as(&kind, "fr", json!({})).expect("renders");
    assert_eq!((rendered.title.as_str(), rendered.actions[0].label.as_str()), ("other", "un"));
}

#[test]
fn faulty_plurals_are_found_in_the_file() {
    let title = |locale: &str, expression: &str| {
        format!(
            "kind = \"k\"\n[templates.{locale}]\ntitle = {}\n",
            json!(format!("{{% if data.x %}}{{{{ {expression} }}}}{{% endif %}}"))
        )
    };
    refused(
        &title("en", "data.n | plural(one='#')"),
        &[
            "k.toml:3: `templates.en.title`: `plural` needs `other`. Write for example {{ data.count | plural(one=\"# \
           deal\", other=\"# deals\") }}.",
        ],
    );
    assert_eq!(read(&title("en", "data.n | plural")).expect_err("is refused").len(), 1);
    refused(
        &title("en", "data.n | plural(ones=dict(a=1), other='#')"),
        &["k.toml:3: `templates.en.title`: `plural` has no `ones`. Write `one`."],
    );
    warned(
        &title("pl", "data.n | plural(one='(#', other='#')"),
        &[
            "k.toml:3: warning: `templates.pl.title`: `plural` lacks `few`, `many`, which `pl` uses: `other` stands \
           instead. Add the missing forms.",
        ],
    );
    warned(
        &title("en", "data.n | plural(zero='none', one='#', other='#')"),
        &[
            "k.toml:3: warning: `templates.en.title`: `en` never uses the form `zero`: it is not chosen for any \
           number. Remove `zero`, or use {% if … %} for a number of its own.",
        ],
    );
    warned(&title("lt", "data.n | plural(one='#', few='#', many='#', other='#')"), &[]);
    warned(&title("fr", "data.n | plural(one='#', many='#', other='#')"), &[]);
    warned(&title("en", "data.n | plural(**data.forms)"), &[]);
    assert_eq!(
        written("en", "data.n | plural(**data.forms)", json!({"n": 1, "forms": {"one": "#"}})),
        Err("`plural` needs `other`, for example {{ data.count | plural(one=\"# deal\", other=\"# deals\") }}".to_owned())
    );
}

#[test]
fn what_is_no_number_is_not_counted() {
    let says =
        |data: Value| written("en", "data.n | plural(one='#', other='#')", data).expect_err("is no number");
    assert_eq!(
        says(json!({"n": [1]})),
        "`plural` takes a number, and this is sequence; of a list write `data.deals | length | plural(…)`"
    );
    assert!(says(json!({"n": "3"})).starts_with("`plural` takes a number"));
    assert!(says(json!({})).contains("is not in this alert"), "{}", says(json!({})));
}

#[test]
fn money_is_written_from_its_smallest_unit() {
    for (locale, cents, currency, said) in [
        ("en", 199, "EUR", "€1.99"),
        ("en", -5, "USD", "-$0.05"),
        ("de", 199, "EUR", "1,99\u{a0}€"),
        ("de-CH", 199, "CHF", "1.99\u{a0}CHF"),
        ("en", 199, "CHF", "CHF\u{a0}1.99"),
        ("ja", 199, "JPY", "JPY\u{a0}199"),
        ("ar", 1999, "KWD", "1.999\u{a0}KWD"),
        ("es-MX", 123_456_789, "MXN", "1234567.89\u{a0}MXN"),
    ] {
        let expression = format!("data.n | money('{currency}')");
        assert_eq!(
            written(locale, &expression, json!({"n": cents})),
            Ok(said.to_owned()),
            "{locale} {currency}"
        );
    }
    let refused =
        |expression: &str, n: Value| written("en", expression, json!({"n": n})).expect_err("is refused");
    assert_eq!(
        refused("data.n | money('EUR')", json!(1.5)),
        "`money` takes a whole number of the smallest unit, for example cents"
    );
    assert_eq!(
        refused("data.n | money('€')", json!(1)),
        "`€` is no currency; write its three letters, for example money(\"EUR\")"
    );
    assert!(refused("data.m | money('EUR')", json!(1)).contains("is not in this alert"));
}

#[test]
fn dates_are_of_the_persons_zone_and_name_the_zone_where_there_is_none() {
    let says = |expression: &str, x: &str| written("de", expression, json!({"x": x}));
    assert_eq!(says("alert.created_at | date", ""), Ok("2026-01-02 04:04".to_owned()));
    assert_eq!(
        says("alert.created_at | date('%d.%m.%Y, %H:%M Uhr')", ""),
        Ok("02.01.2026, 04:04 Uhr".to_owned())
    );
    assert_eq!(says("data.x | date", "2026-07-01T12:00:00+05:00"), Ok("2026-07-01 09:00".to_owned()));
    assert_eq!(says("data.x | date", "2026-07-01"), Ok("2026-07-01".to_owned()));
    let fault = says("data.x | date", "soon").expect_err("is no date");
    assert!(fault.ends_with("and this is another text"), "{fault}");
    assert!(
        says("data.x | date('%Q!')", "2026-07-01").expect_err("is no format").starts_with("`date` cannot")
    );

    let text = speaking("en", "body = \"{{ alert.created_at | date }}\"");
    assert_eq!(
        render(&kind(&text), json!({})).expect("renders").body.as_deref(),
        Some("2026-01-02 03:04 UTC")
    );
    let options = KindsOptions { default_time_zone: "Asia/Tokyo".to_owned(), ..KindsOptions::default() };
    let kinds = Kinds::from_text(Path::new("k.toml"), &text, &options).expect("is sound");
    assert_eq!(
        render(kinds.get("k").expect("is declared"), json!({})).expect("renders").body.as_deref(),
        Some("2026-01-02 12:04 JST")
    );
}
