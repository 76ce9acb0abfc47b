//! From the text of a kind file to a [`Kind`], or to everything that is wrong with it.

use super::KindsOptions;
use super::fault::Complaint;
use super::kind::{Everyone, Kind, Latecomers, ReadKind, default_event};
use super::ladder::{self, Ladder};
use super::read_texts::{Beside, TemplatePlace, read_texts};
use super::reader::{Fields, Found, Reader, json_of, wrong_type};
use super::schema::Schema;
use super::template::{AlertFacts, Facts, Form};
use belfry_protocol::alert::KEY_BYTES_MAX;
use belfry_protocol::frame::is_reserved_kind;
use belfry_protocol::ladder::OnlyIf;
use belfry_protocol::{Channel, Level, Severity, Step};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 20] = [
    "kind",
    "category",
    "severity",
    "schema",
    "expires_after",
    "collapse",
    "link",
    "image",
    "thread",
    "event",
    "title",
    "body",
    "templates",
    "ladder",
    "actions",
    "breaks_through",
    "mutable",
    "latecomers",
    "everyone",
    "linger",
];
const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
const CHANNELS: [(&str, Channel); 4] = [
    ("live", Channel::Live),
    ("push", Channel::Push),
    ("email", Channel::Email),
    ("webhook", Channel::Webhook),
];
const LEVELS: [(&str, Level); 5] = [
    ("received", Level::Received),
    ("displayed", Level::Displayed),
    ("seen", Level::Seen),
    ("read", Level::Read),
    ("acted", Level::Acted),
];

/// Reads the text of one kind file. `open` reads the other files it names.
pub(super) fn read_kind(
    file: &Path,
    text: &str,
    options: &KindsOptions,
    open: &dyn Fn(&Path) -> Result<String, String>,
) -> ReadKind {
    let mut reader = Reader::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let complaint = Complaint::error(error.message().trim(), "Correct the line; the file is TOML");
            reader.say(error.span().as_ref(), "", complaint);
        }
        return ReadKind { kind: None, faults: reader.faults };
    }
    let start = Range { start: 0, end: 0 };
    let fields = Fields::open(&mut reader, document.get_ref(), "", start, &KEYS);
    let kind = read_fields(&mut reader, &fields, file, options, open);
    let kind = if reader.has_errors() { None } else { kind };
    // A person mends a file from top to bottom.
    reader.faults.sort_by_key(|fault| fault.line);
    ReadKind { kind, faults: reader.faults }
}

fn read_fields(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    file: &Path,
    options: &KindsOptions,
    open: &dyn Fn(&Path) -> Result<String, String>,
) -> Option<Kind> {
    let name = read_name(reader, fields);
    let (schema, schema_file) = read_schema(reader, fields, file, open);
    let beside = Beside { file, open };
    let (texts, read) = read_texts(reader, fields, schema.as_ref(), options, &beside);
    let files = schema_file.into_iter().chain(read.files).collect();
    let severity = fields.choice(reader, "severity", &SEVERITIES).unwrap_or_default();
    let expires_after = read_expiry(reader, fields);
    let declared = fields.value("ladder").is_some();
    let ladder = read_ladder(reader, fields);
    if let (Some(ladder), Some(expiry)) = (&ladder, &expires_after) {
        for doubt in ladder.doubts(Some(expiry.value), severity) {
            reader.say(Some(&expiry.at), "expires_after", doubt);
        }
    }
    let key = |reader: &mut Reader<'_>, name: &str| read_key(reader, fields, name);
    let category = key(reader, "category");
    let event = key(reader, "event");
    let latecomers = fields.choice(
        reader,
        "latecomers",
        &[("include", Latecomers::Include), ("exclude", Latecomers::Exclude)],
    );
    let everyone = read_everyone(reader, fields, ladder.as_ref());
    let breaks_through = fields.flag(reader, "breaks_through").unwrap_or_default();
    let mutable = read_mutable(reader, fields, severity);
    let linger = fields.duration(reader, "linger").map(|found| found.value);
    let name = name?;
    let kind = Kind {
        file: file.to_owned(),
        category: category.unwrap_or_else(|| name.clone()),
        severity,
        expires_after: expires_after.map(|found| found.value),
        event: event.unwrap_or_else(|| default_event(&name)),
        breaks_through,
        mutable,
        latecomers: latecomers.unwrap_or_default(),
        everyone,
        linger,
        ladder: ladder?,
        ladder_declared: declared,
        schema,
        files,
        texts,
        name,
    };
    if !reader.has_errors() {
        try_templates(reader, &kind, &read.places);
    }
    Some(kind)
}

/// Runs every template on the smallest payload: one that prints an optional field without asking for it would
/// otherwise be found by the first alert that lacks the field.
fn try_templates(reader: &mut Reader<'_>, kind: &Kind, places: &[TemplatePlace]) {
    let Some(data) = kind.sample() else {
        return;
    };
    let alert = AlertFacts {
        id: "01998e5f-0000-7000-8000-000000000000",
        kind: &kind.name,
        severity: kind.severity,
        created_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let facts = Facts::new(&data, &alert, None);
    for TemplatePlace { form, name, field, at } in places {
        let known = reader.faults.iter().any(|known| known.field == *field);
        let templates = match form {
            Form::Text => &kind.texts.templates,
            Form::Html => &kind.texts.html,
        };
        if let (false, Err(fault)) = (known, templates.render(name, &facts)) {
            let complaint = Complaint::warning(
                format!("with the required fields alone the template fails: {}", fault.problem),
                match form {
                    Form::Text => {
                        "Guard optional fields, or make them required; such an alert would be refused"
                    }
                    Form::Html => {
                        "Guard optional fields, or make them required; such a mail gets the default layout"
                    }
                },
            );
            reader.say(Some(at), field, complaint);
        }
    }
}

fn read_name(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<String> {
    if fields.value("kind").is_none() {
        let remedy = "Write for example kind = \"deal-notification\" in the first line";
        reader.say(None, "kind", Complaint::error("the file does not name its kind", remedy));
        return None;
    }
    let at = fields.value("kind").map(|value| value.span());
    let name = read_key(reader, fields, "kind")?;
    if is_reserved_kind(&name) {
        let complaint = Complaint::error(
            format!("\"{name}\" is a name of the protocol"),
            "Choose another, for example with your application's name in front; none may begin with `belfry.`",
        );
        reader.say(at.as_ref(), "kind", complaint);
    } else if name.chars().any(char::is_whitespace) {
        let near = name.split_whitespace().collect::<Vec<_>>().join("-");
        let complaint = Complaint::error("a kind's name has no white space", format!("Write \"{near}\""));
        reader.say(at.as_ref(), "kind", complaint);
    }
    Some(name)
}

/// A short text that names something.
pub(super) fn read_key(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<String> {
    let Found { value, at, field } = fields.text(reader, key)?;
    if value.len() > KEY_BYTES_MAX {
        let complaint = Complaint::error(
            format!("{} bytes are too many", value.len()),
            format!("Use at most {KEY_BYTES_MAX}"),
        );
        reader.say(Some(&at), field, complaint);
        return None;
    }
    if value.chars().any(char::is_control) {
        reader.say(Some(&at), field, Complaint::error("it holds a control character", "Remove it"));
        return None;
    }
    Some(value)
}

/// Whether people may turn it off. Only what is critical can be forced on them.
fn read_mutable(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, severity: Severity) -> bool {
    let mutable = fields.flag(reader, "mutable").unwrap_or(true);
    if !mutable && severity != Severity::Critical {
        let at = fields.value("mutable").map(|value| value.span());
        let complaint = Complaint::error(
            "only a critical kind can go out against a person's preferences",
            "Write severity = \"critical\", or leave the line out",
        );
        reader.say(at.as_ref(), "mutable", complaint);
    }
    mutable
}

fn read_everyone(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, ladder: Option<&Ladder>) -> Everyone {
    let words = [("live", Everyone::Live), ("ladder", Everyone::Ladder)];
    let everyone = fields.choice(reader, "everyone", &words).unwrap_or_default();
    let live_only =
        ladder.is_some_and(|ladder| ladder.steps().iter().all(|step| step.channel == Channel::Live));
    if everyone == Everyone::Ladder && live_only {
        let at = fields.value("everyone").map(|value| value.span());
        let complaint = Complaint::warning(
            "the ladder has no step but live, so there is nothing to go on with",
            "Add a \"push\" or \"email\" step, or leave the line out",
        );
        reader.say(at.as_ref(), "everyone", complaint);
    }
    everyone
}

fn read_expiry(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Found<Duration>> {
    let found = fields.duration(reader, "expires_after")?;
    if found.value.is_zero() {
        let complaint = Complaint::error(
            "an alert that expires at once reaches nobody",
            "Write for example \"7d\", or leave it out: the alert then never expires",
        );
        reader.say(Some(&found.at), found.field, complaint);
        return None;
    }
    Some(found)
}

fn read_schema(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    file: &Path,
    open: &dyn Fn(&Path) -> Result<String, String>,
) -> (Option<Schema>, Option<PathBuf>) {
    let Some(value) = fields.value("schema") else {
        return (None, None);
    };
    let at = value.span();
    let mut say = |complaint| reader.say(Some(&at), "schema", complaint);
    match value.get_ref() {
        DeValue::Table(_) => {
            let Some(json) = json_of(value.get_ref()) else {
                say(Complaint::error(
                    "the schema holds a number that JSON cannot write",
                    "Use whole numbers below 2^63 and finite fractions",
                ));
                return (None, None);
            };
            let schema = Schema::compile(json).map_err(say).ok();
            (schema, None)
        }
        DeValue::String(name) if Path::new(name.as_ref()).is_absolute() => {
            say(Complaint::error(
                format!("\"{name}\" is an absolute path"),
                "Name the file relative to this one, for example \"deal-notification.schema.json\"",
            ));
            (None, None)
        }
        DeValue::String(name) => {
            let path = file.parent().unwrap_or(Path::new("")).join(name.as_ref());
            let schema = match open(&path) {
                Ok(text) => compile_text(&text, name).map_err(say).ok(),
                Err(reason) => {
                    say(Complaint::error(
                        format!("the schema file \"{name}\" cannot be read: {reason}"),
                        "Put it beside this file, or correct the name",
                    ));
                    None
                }
            };
            (schema, Some(path))
        }
        _ => {
            let wanted = "the name of a file in quotes, or a table beginning with [schema]";
            wrong_type(reader, value, "schema".to_owned(), wanted);
            (None, None)
        }
    }
}

fn compile_text(text: &str, name: &str) -> Result<Schema, Complaint> {
    let json = serde_json::from_str(text).map_err(|error| {
        Complaint::error(format!("\"{name}\" is no JSON: {error}"), "Correct the schema file at that line")
    })?;
    Schema::compile(json)
        .map_err(|complaint| Complaint { problem: format!("\"{name}\": {}", complaint.problem), ..complaint })
}

fn read_ladder(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Ladder> {
    if fields.value("ladder").is_none() {
        return Some(Ladder::default());
    }
    let before = reader.faults.len();
    let tables = fields.tables(reader, "ladder")?;
    let mut steps = Vec::with_capacity(tables.len());
    let mut places = Vec::with_capacity(tables.len());
    for table in tables {
        let step = Fields::open(
            reader,
            table.value,
            &table.field,
            table.at.clone(),
            &["channel", "wait", "until", "only_if", "digest", "throttle"],
        );
        if step.value("channel").is_none() {
            let complaint = Complaint::error(
                "it is missing",
                "Write channel = \"live\", \"push\", \"email\" or \"webhook\"",
            );
            reader.say(Some(&step.at), step.name("channel"), complaint);
        }
        let channel = step.choice(reader, "channel", &CHANNELS);
        let until = step.choice(reader, "until", &LEVELS);
        let only_if = step.choice(reader, "only_if", &[("failed", OnlyIf::Failed)]);
        let wait = step.text(reader, "wait").map(|found| found.value);
        let digest = step.text(reader, "digest").map(|found| found.value);
        let throttle = step.text(reader, "throttle").map(|found| found.value);
        let place = |key: &str| step.value(key).map(|value| value.span());
        places.push(StepPlace {
            path: table.field,
            at: table.at.clone(),
            fields: ["wait", "until", "only_if", "digest", "throttle"].map(|key| (key, place(key))),
        });
        if let Some(channel) = channel {
            steps.push(Step { channel, wait, until, only_if, digest, throttle });
        }
    }
    // A step that could not be read would shift the rules of its neighbours.
    if steps.len() < places.len() || reader.faults.len() > before {
        return None;
    }
    let (ladder, faults) = ladder::check(&steps);
    for fault in faults {
        let place = fault.step.and_then(|step| places.get(step));
        let at = place.map(|place| place.find(fault.field).unwrap_or_else(|| place.at.clone()));
        let name = match (place, fault.field) {
            (None, _) => "ladder".to_owned(),
            (Some(place), None) => place.path.clone(),
            (Some(place), Some(field)) => format!("{}.{field}", place.path),
        };
        reader.say(at.as_ref(), name, fault.complaint);
    }
    ladder
}

/// Where a step stands in its file.
struct StepPlace {
    path: String,
    at: Range<usize>,
    fields: [(&'static str, Option<Range<usize>>); 5],
}

impl StepPlace {
    fn find(&self, field: Option<&str>) -> Option<Range<usize>> {
        self.fields.iter().find(|(name, _)| Some(*name) == field).and_then(|(_, at)| at.clone())
    }
}
