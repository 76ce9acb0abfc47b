//! What a kind file and a folder of them may say.

use super::*;
use belfry_protocol::{Action, Severity};
use std::time::Duration;

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
        mutable = false
        latecomers = "include"
        everyone = "ladder"
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
    assert!(!kind.mutable);
    assert_eq!((kind.latecomers, kind.linger), (Latecomers::Include, Some(Duration::ZERO)));
    assert_eq!(kind.everyone, Everyone::Ladder);
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
    assert_eq!(kind.everyone, Everyone::Live);
    assert!(kind.mutable);
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
             breaks_through, mutable, latecomers, everyone, linger.",
        ],
    );
    refused(
        "kind = \"k\"\n[templates.en]\ntitle = \"t\"\ntext = \"b\"\n[[ladder]]\nchannel = \"live\"\nwhile = 1\n",
        &[
            "k.toml:4: `templates.en.text`: there is no such key. Remove it; known are title, body, html, \
             html_file.",
            "k.toml:7: `ladder[0].while`: there is no such key. Remove it; known are channel, wait, until, only_if, \
             digest, throttle.",
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
        &with("mutable = false"),
        &[
            "k.toml:2: `mutable`: only a critical kind can go out against a person's preferences. Write severity = \"critical\", or leave the line out.",
        ],
    );
    refused(
        &with("everyone = \"all\""),
        &["k.toml:2: `everyone`: \"all\" is not known. Write \"live\" or \"ladder\"."],
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
