//! The kinds that ship with the examples, and what `belfry types` makes of kinds, compiled by the real compiler.

use belfry_protocol::Severity;
use belfry_server::kinds::{
    AlertFacts, Given, Kind, Kinds, KindsOptions, RenderInput, Rendered, UserFacts, typescript,
};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/examples")
}

#[track_caller]
fn load(folder: &Path) -> Kinds {
    let kinds = Kinds::load(folder, &KindsOptions::default());
    let kinds = kinds.unwrap_or_else(|faults| panic!("{}", texts(&faults)));
    assert!(kinds.warnings().is_empty(), "{}", texts(kinds.warnings()));
    kinds
}

fn texts(faults: &[belfry_server::kinds::KindFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn kordant() -> Kinds {
    load(&examples().join("kordant-solidstart/kinds"))
}

fn flyer_deals() -> Kinds {
    load(&examples().join("flyer-deals-react/kinds"))
}

#[track_caller]
fn render(kinds: &Kinds, name: &str, locale: &str, data: &Value) -> Rendered {
    let kind: &Kind = kinds.find(name).expect("is declared").expect("is declared");
    assert_eq!(kind.validate(data), Ok(()));
    let alert = AlertFacts {
        id: "0199",
        kind: name,
        severity: Severity::Info,
        created_at: "2026-01-02T03:04:05Z".parse().expect("is a time"),
    };
    kind.render(&RenderInput { locale, data, alert, user: None, given: Given::default() }).expect("renders")
}

#[track_caller]
fn says(kinds: &Kinds, name: &str, data: &Value, locale: &str, title: &str, body: &str) {
    let rendered = render(kinds, name, locale, data);
    assert_eq!((rendered.title.as_str(), rendered.body.as_deref()), (title, Some(body)));
}

#[test]
fn the_five_kordant_kinds_are_sound_and_speak_english_and_german() {
    let kinds = kordant();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "broker-listing-found",
            "exposure-detected",
            "property-changed",
            "spam-blocked",
            "synthetic-voice-found"
        ]
    );
    let data = |service: &str, more: Value| {
        let mut data = json!({"service": service, "subject": "Mia", "source": "ExampleLeak",
            "detected_at": "2026-01-02T03:04:05Z", "severity": "warning"});
        data.as_object_mut().expect("is an object").extend(more.as_object().expect("is an object").clone());
        data
    };
    let exposure =
        data("DarkWatch", json!({"exposed": ["email", "date_of_birth"], "account": "m…@example.com"}));
    says(
        &kinds,
        "exposure-detected",
        &exposure,
        "en-GB",
        "Mia's data was found in ExampleLeak",
        "Exposed: email, date of birth. Account: m…@example.com. Change the password there, and wherever else it is used.",
    );
    let rendered = render(&kinds, "exposure-detected", "de", &exposure);
    assert_eq!(rendered.title, "Daten von Mia in ExampleLeak gefunden");
    assert_eq!(rendered.link.as_deref(), Some("/alerts/0199"));
    assert_eq!(rendered.collapse_key.as_deref(), Some("exposure-detected:Mia:ExampleLeak"));
    let voice = data("VoicePrint", json!({"confidence": 0.934}));
    says(
        &kinds,
        "synthetic-voice-found",
        &voice,
        "en",
        "A synthetic voice imitates Mia",
        "Found in ExampleLeak, 93 % sure. Do not act on calls in this voice; call back on a number you know.",
    );
    assert!(render(&kinds, "synthetic-voice-found", "de", &voice).title.contains("Mia"));
    let spam = data("SpamShield", json!({"channel": "call"}));
    says(&kinds, "spam-blocked", &spam, "en", "Spam call to Mia blocked", "From ExampleLeak.");
    says(&kinds, "spam-blocked", &spam, "de", "Spam-Anruf an Mia blockiert", "Von ExampleLeak.");
    let change = data("HomeTitle", json!({"property": "12 Elm St", "change": "lien", "previous": null}));
    says(
        &kinds,
        "property-changed",
        &change,
        "en",
        "The record of 12 Elm St changed",
        "ExampleLeak reports a change of lien. If nobody in the family asked for it, act now.",
    );
    let rendered = render(&kinds, "property-changed", "de", &change);
    assert!(rendered.body.is_some_and(|body| body.starts_with("ExampleLeak meldet eine Änderung.")));
    let listing =
        data("RemoveBrokers", json!({"listed": ["address", "phone"], "removal_status": "requested"}));
    says(
        &kinds,
        "broker-listing-found",
        &listing,
        "en",
        "ExampleLeak lists Mia",
        "Listed: address, phone. Removal is requested.",
    );
    let rendered = render(&kinds, "broker-listing-found", "de", &listing);
    assert_eq!(rendered.actions[0].label, "Löschung verlangen");
    assert_eq!(rendered.actions[0].link.as_deref(), Some("/brokers/removals/new?alert=0199"));
}

#[test]
fn an_exposure_is_mailed_in_html_in_english_and_from_right_to_left_in_arabic() {
    let kinds = kordant();
    let kind = kinds.get("exposure-detected").expect("is declared");
    assert_eq!(kind.locales(), ["en", "de", "ar"]);
    let data = json!({"service": "DarkWatch", "subject": "Mia", "source": "Leak <1>",
        "detected_at": "2026-01-02T03:04:05Z", "severity": "warning", "exposed": ["email", "date_of_birth"]});
    says(
        &kinds,
        "exposure-detected",
        &data,
        "ar-EG",
        "عُثر على بيانات Mia في Leak <1>",
        "كُشف نوعان من البيانات. غيّر كلمة المرور هناك وفي كل مكان آخر تستخدمها فيه.",
    );
    let html = |locale| {
        let alert = AlertFacts {
            id: "0199",
            kind: &kind.name,
            severity: Severity::Critical,
            created_at: "2026-01-02T03:04:05Z".parse().expect("is a time"),
        };
        let zone = Some("America/New_York");
        let user = UserFacts { id: "ann", name: Some("Ann"), locale: Some(locale), time_zone: zone };
        let input = RenderInput { locale, data: &data, alert, user: Some(user), given: Given::default() };
        kind.html(&input).expect("renders")
    };
    let english = html("en").expect("has html");
    for part in [
        "<html lang=\"en\" dir=\"ltr\">",
        "Mia's data was found in Leak &lt;1&gt;</h1>",
        "2 kinds of data are exposed, noticed 2026-01-01 22:04:",
        "<li><bdi>date of birth</bdi></li>",
        "https://kordant.example/alerts/0199",
    ] {
        assert!(english.contains(part), "{part}: {english}");
    }
    assert!(html("ar").is_some_and(|html| html.contains("<html lang=\"ar\" dir=\"rtl\">")));
    assert_eq!(html("de"), None, "gets the default layout");
}

#[test]
fn the_three_flyer_deals_kinds_are_sound_and_take_their_teams_payloads() {
    let kinds = flyer_deals();
    let events: Vec<(&str, &str)> =
        kinds.iter().map(|kind| (kind.name.as_str(), kind.event.as_str())).collect();
    assert_eq!(
        events,
        [
            ("deal-notification", "notification:deal"),
            ("job-completed", "notification:job"),
            ("system-message", "notification:system"),
        ]
    );
    let deal = |id: Value| json!({"item_name": "Oat milk", "best_price_in_cents": 199, "store_name": "Corner", "store_id": id});
    let one = json!({"deals": [deal(json!(7))], "user_id": "ann", "message": "Found overnight."});
    says(
        &kinds,
        "deal-notification",
        &one,
        "en",
        "A deal on Oat milk",
        "Found overnight.\nOat milk: 1.99 at Corner",
    );
    let two = json!({"notification_id": "n1", "deals": [deal(json!("c7")), deal(json!(7))], "user_id": "ann", "message": "m"});
    assert_eq!(render(&kinds, "deal-notification", "en", &two).title, "2 deals on items you watch");
    assert_eq!(render(&kinds, "deal-notification", "de", &two).title, "2 Angebote auf Ihrer Liste");
    let many = |count: usize| json!({"deals": vec![deal(json!(7)); count], "user_id": "ann", "message": "m"});
    let body =
        |count, locale| render(&kinds, "deal-notification", locale, &many(count)).body.unwrap_or_default();
    assert!(body(5, "en").ends_with("\nOat milk: 1.99 at Corner"), "{}", body(5, "en"));
    assert!(body(6, "en").ends_with("at Corner\nand one more deal"), "{}", body(6, "en"));
    assert!(body(8, "de").ends_with("bei Corner\nund 3 weitere Angebote"), "{}", body(8, "de"));
    let none = json!({"deals": [], "user_id": "ann", "message": "m"});
    assert_eq!(render(&kinds, "deal-notification", "en", &none).title, "0 deals on items you watch");

    let message = json!({"message": "Back at six.", "severity": "warning", "link": "/status"});
    says(&kinds, "system-message", &message, "en", "Please note", "Back at six.");
    assert_eq!(render(&kinds, "system-message", "de", &message).link.as_deref(), Some("/status"));
    let message = json!({"message": "m", "severity": "error"});
    assert_eq!(render(&kinds, "system-message", "de", &message).title, "Störung");
    assert_eq!(render(&kinds, "system-message", "de", &message).link, None);

    let job = json!({"job_id": "j 1", "job_name": "Import", "status": "succeeded", "message": "12 items.",
        "finished_at": "2026-01-02T03:04:05Z"});
    says(&kinds, "job-completed", &job, "en", "Import is done", "12 items.");
    let rendered = render(&kinds, "job-completed", "de", &job);
    assert_eq!(
        (rendered.title.as_str(), rendered.link.as_deref()),
        ("Import ist fertig", Some("/jobs/j%201"))
    );
}

#[test]
fn the_types_of_the_flyer_deals_kinds_read_like_written_by_hand() {
    let text = typescript(&flyer_deals());
    let expected = r#"// Written by `belfry types`. Do not edit: change the kind files and write it again.
/* eslint-disable */
export {};

/** Deals on items that a user watches. */
export type DealNotificationData = {
  /** The deals, best first. */
  deals: DealInfo[];
  /** The sentence to show. */
  message: string;
  /** The stored notification's id; two publishes with the same one are the same notification. */
  notification_id?: string;
  /** Whose watched items these are. */
  user_id: string;
};

/** One deal on a watched item. */
export type DealInfo = {
  /** The best price, in cents. */
  best_price_in_cents: number;
  /** The watched item. */
  item_name: string;
  /** The store's id. */
  store_id: number | string;
  /** The store that offers it. */
  store_name: string;
};
"#;
    assert_eq!(text.get(..expected.len()), Some(expected), "{text}");
    let end = r#"
/** What each kind is called on the event bus: `createClient({ events: kindEvents })`. */
export const kindEvents: Readonly<Record<string, string>> = {
  "deal-notification": "notification:deal",
  "job-completed": "notification:job",
  "system-message": "notification:system",
};

declare global {
  /** The declared kinds and their payloads. */
  interface BelfryKinds {
    "deal-notification": DealNotificationData;
    "job-completed": JobCompletedData;
    "system-message": SystemMessageData;
  }
  /** The events of the bus and what their handlers get. */
  interface BelfryEvents {
    "notification:deal": DealNotificationData;
    "notification:job": JobCompletedData;
    "notification:system": SystemMessageData;
  }
}
"#;
    assert!(text.ends_with(end), "{text}");
    assert_eq!(text, typescript(&flyer_deals()), "the same kinds give the same text");
}

/// A folder with the compiler and the given types and use of them; what the compiler says.
fn compile(tools: &Path, case: &str, types: &str) -> Result<(), String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/typescript");
    let folder = tempfile::tempdir_in(tools).expect("is made");
    for (from, to) in [("tsconfig.json", "tsconfig.json"), ("sdk.d.ts", "sdk.d.ts"), (case, "use.ts")] {
        fs::copy(sources.join(from), folder.path().join(to)).expect("is copied");
    }
    fs::write(folder.path().join("kinds.ts"), types).expect("is written");
    let output = Command::new("node")
        .arg(tools.join("node_modules/typescript/lib/tsc.js"))
        .args(["--project", "."])
        .current_dir(folder.path())
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Installs the compiler below the target directory once; `None` where there is no npm.
fn tools() -> Option<PathBuf> {
    let npm = |command: &mut Command| command.output().ok().filter(|output| output.status.success());
    npm(Command::new("npm").arg("--version"))?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/typescript");
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript-6.0.3");
    if !tools.join("node_modules/typescript/lib/tsc.js").is_file() {
        // Installed aside and moved, so that a test that was stopped half-way leaves nothing half-installed.
        let staged = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("is made");
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(sources.join(file), staged.path().join(file)).expect("is copied");
        }
        let install =
            Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(staged.path()).output();
        let install = install.expect("npm runs");
        assert!(install.status.success(), "npm ci: {}", String::from_utf8_lossy(&install.stderr));
        let _ = fs::remove_dir_all(&tools);
        fs::rename(staged.keep(), &tools).expect("is moved");
    }
    Some(tools)
}

#[test]
fn belfry_types_output_compiles_under_tsc_strict() {
    let Some(tools) = tools() else {
        eprintln!("skipped: there is no npm on this machine");
        return;
    };
    let none = typescript(&Kinds::none());
    assert_eq!(compile(&tools, "use-none.ts", &none), Ok(()), "no kinds");

    let folder = tempfile::tempdir().expect("is made");
    for example in ["kordant-solidstart", "flyer-deals-react"] {
        for file in fs::read_dir(examples().join(example).join("kinds")).expect("is there").flatten() {
            fs::copy(file.path(), folder.path().join(file.file_name())).expect("is copied");
        }
    }
    let shipped = typescript(&load(folder.path()));
    assert_eq!(compile(&tools, "use-shipped.ts", &shipped), Ok(()), "the shipped kinds");
    // The control: without the types the expected errors are not found, so the case above means something.
    assert!(compile(&tools, "use-shipped.ts", &none).is_err());

    let forms = typescript(&every_form());
    assert_eq!(compile(&tools, "use-forms.ts", &forms), Ok(()), "every form:\n{forms}");
}

/// A kind that uses every form a schema can have.
fn every_form() -> Kinds {
    let folder = tempfile::tempdir().expect("is made");
    let schema = json!({
        "description": "Ends */ early?\n\nAnd again.",
        "type": "object",
        "required": ["tree", "pair", "either", "both", "literal", "map", "counted", "nothing", "leaf"],
        "properties": {
            "tree": {"$ref": "#/$defs/node"},
            "pair": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "boolean"}, "minItems": 1},
            "either": {"oneOf": [
                {"type": "object", "required": ["left"], "properties": {"left": {"type": "integer"}}},
                {"type": "object", "required": ["right"], "properties": {"right": {"type": "string"}}}
            ]},
            "both": {"allOf": [
                {"required": ["a"], "properties": {"a": {"type": "string"}}},
                {"required": ["b"], "properties": {"b": {"enum": [1, 2, null]}}}
            ]},
            "literal": {"const": {"deep": [1, "two", null]}},
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
            "counted": {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}, "note": {"type": "string"}},
                "additionalProperties": {"type": "integer"}},
            "nothing": {"type": ["null", "array"], "items": {"enum": ["a\"b", "c\\d"]}},
            "never": false,
            "any": true,
            "leaf": {"title": "leaf", "type": "object", "properties": {"dash-ed": {"type": "integer"}, "3d": {"type": "boolean"},
                "class": {"description": "A word of the language.", "type": "string"}}},
            "other_leaf": {"title": "leaf", "type": "object", "properties": {"other": {"type": "integer"}}},
            "self": {"$ref": "#"},
            "pattern": {"patternProperties": {"^x-": {"type": "string"}}}
        },
        "$defs": {"node": {
            "type": "object",
            "required": ["name", "children"],
            "additionalProperties": false,
            "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}
        }}
    });
    fs::write(folder.path().join("forms.json"), schema.to_string()).expect("is written");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("is written");
    write("forms.toml", "kind = \"any-forms\"\nschema = \"forms.json\"");
    write("plain.toml", "kind = \"plain\"\nevent = \"shared\"");
    write("quoted.toml", "kind = 'quo\"ted\\kind'\nevent = \"shared\"");
    let shared = "schema = { title = \"BelfryKinds\", type = \"object\", properties.x.type = \"string\" }";
    write("again.toml", &format!("kind = \"again\"\n{shared}"));
    write("same.toml", &format!("kind = \"same\"\n{shared}"));
    Kinds::load(folder.path(), &KindsOptions::default()).unwrap_or_else(|faults| panic!("{}", texts(&faults)))
}
