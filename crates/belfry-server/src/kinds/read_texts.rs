//! From the text tables of a kind file to compiled templates.

use super::KindsOptions;
use super::fault::Complaint;
use super::filters::Home;
use super::kind::{DeclaredAction, Texts};
use super::ladder;
use super::link::check_link_template;
use super::read_kind::read_key;
use super::reader::{Fields, Found, Reader, text_of};
use super::schema::Schema;
use super::template::{Form, Templates, is_locale};
use belfry_protocol::alert::ACTIONS_MAX;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeValue;

/// How files beside the kind's own are read.
pub(super) struct Beside<'a> {
    /// The kind's file.
    pub(super) file: &'a Path,
    pub(super) open: &'a dyn Fn(&Path) -> Result<String, String>,
}

/// What was read of templates beside themselves.
#[derive(Debug, Default)]
pub(super) struct ReadTemplates {
    pub(super) places: Vec<TemplatePlace>,
    /// Other files that hold them.
    pub(super) files: Vec<PathBuf>,
}

/// Where a template stands in the file.
#[derive(Debug)]
pub(super) struct TemplatePlace {
    pub(super) form: Form,
    /// Its name in the engine.
    pub(super) name: String,
    /// The key that holds it or names its file.
    pub(super) field: String,
    pub(super) at: Range<usize>,
}

/// Reads everything that is a template.
pub(super) fn read_texts(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    schema: Option<&Schema>,
    options: &KindsOptions,
    beside: &Beside<'_>,
) -> (Texts, ReadTemplates) {
    let home = Arc::new(Home {
        locale: options.default_locale.clone(),
        time_zone: options.default_time_zone.clone(),
    });
    let mut texts = Texts {
        templates: Templates::new(Form::Text, Arc::clone(&home)),
        html: Templates::new(Form::Html, home),
        locales: Vec::new(),
        actions: Vec::new(),
        link_schemes: options.link_schemes.clone(),
        default_locale: options.default_locale.clone(),
    };
    let mut compiler = Compiler {
        templates: &mut texts.templates,
        html: &mut texts.html,
        schema,
        schemes: &options.link_schemes,
        beside,
        read: ReadTemplates::default(),
    };
    for key in ["collapse", "thread"] {
        compiler.text(reader, fields, key);
    }
    for key in ["link", "image"] {
        compiler.link(reader, fields, key);
    }
    for key in ["title", "body"] {
        if let Some(value) = fields.value(key) {
            let complaint = Complaint::error(
                "texts stand below their language",
                format!("Move `{key}` below [templates.en]"),
            );
            reader.say(Some(&value.span()), key, complaint);
        }
    }
    texts.locales = read_locales(reader, fields, &mut compiler);
    texts.actions = read_actions(reader, fields, &mut compiler);
    let read = compiler.read;
    (texts, read)
}

/// Compiles templates under their whole names.
struct Compiler<'a> {
    templates: &'a mut Templates,
    html: &'a mut Templates,
    schema: Option<&'a Schema>,
    schemes: &'a [String],
    beside: &'a Beside<'a>,
    read: ReadTemplates,
}

impl Compiler<'_> {
    fn compile(&mut self, reader: &mut Reader<'_>, found: &Found<String>) {
        let place = TemplatePlace {
            form: Form::Text,
            name: found.field.clone(),
            field: found.field.clone(),
            at: found.at.clone(),
        };
        self.compile_at(reader, place, &found.value);
    }

    fn compile_at(&mut self, reader: &mut Reader<'_>, place: TemplatePlace, source: &str) {
        let templates = match place.form {
            Form::Text => &mut *self.templates,
            Form::Html => &mut *self.html,
        };
        for complaint in templates.add(&place.name, source, self.schema.map(Schema::source)) {
            reader.say(Some(&place.at), place.field.clone(), complaint);
        }
        self.read.places.push(place);
    }

    /// The HTML of a language: `html` in the file, or `html_file` beside it.
    fn html(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) {
        let place = |key: &str, at: Range<usize>| TemplatePlace {
            form: Form::Html,
            name: fields.name("html"),
            field: fields.name(key),
            at,
        };
        if let Some(found) = fields.text(reader, "html") {
            self.compile_at(reader, place("html", found.at), &found.value);
        }
        let Some(Found { value: name, at, field }) = fields.text(reader, "html_file") else { return };
        if fields.value("html").is_some() {
            let complaint = Complaint::error("the HTML stands twice", "Keep `html` or `html_file`");
            reader.say(Some(&at), field, complaint);
            return;
        }
        if Path::new(&name).is_absolute() {
            let complaint = Complaint::error(
                format!("\"{name}\" is an absolute path"),
                "Name the file relative to this one, for example \"deal-notification.en.html\"",
            );
            reader.say(Some(&at), field, complaint);
            return;
        }
        let path = self.beside.file.parent().unwrap_or(Path::new("")).join(&name);
        match (self.beside.open)(&path) {
            Ok(source) if source.trim().is_empty() => {
                let complaint =
                    Complaint::error(format!("\"{name}\" is empty"), "Fill it, or remove `html_file`");
                reader.say(Some(&at), field, complaint);
            }
            Ok(source) => self.compile_at(reader, place("html_file", at), &source),
            Err(reason) => {
                let complaint = Complaint::error(
                    format!("the HTML file \"{name}\" cannot be read: {reason}"),
                    "Put it beside this file, or correct the name",
                );
                reader.say(Some(&at), field, complaint);
            }
        }
        self.read.files.push(path);
    }

    fn text(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> bool {
        let Some(found) = fields.text(reader, key) else {
            return false;
        };
        self.compile(reader, &found);
        true
    }

    fn link(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) {
        let Some(found) = fields.text(reader, key) else {
            return;
        };
        if let Err(error) = check_link_template(&found.value, self.schemes) {
            reader.say(Some(&found.at), found.field.clone(), ladder::split_sentence(&error.to_string()));
        }
        self.compile(reader, &found);
    }
}

fn read_locales(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    compiler: &mut Compiler<'_>,
) -> Vec<String> {
    let Some(templates) = fields.table(reader, "templates") else {
        if fields.value("templates").is_none() {
            let complaint = Complaint::warning(
                "the kind has no texts: an alert without a `title` of its own gets the kind's name as heading",
                "Add [templates.en] with `title` and `body`",
            );
            reader.say(None, "templates", complaint);
        }
        return Vec::new();
    };
    let mut locales: Vec<String> = Vec::new();
    for (tag, value) in Fields::open_free(templates.value, "templates", templates.at).entries() {
        if tag.value != "default" && !is_locale(&tag.value) {
            let remedy = match tag.value.as_str() {
                "title" | "body" => format!("Write [templates.en] above `{}`", tag.value),
                _ => "Write for example [templates.en], [templates.en-GB] or [templates.default]".to_owned(),
            };
            reader.say(Some(&tag.at), tag.field, Complaint::error("it is no language tag", remedy));
            continue;
        }
        if locales.iter().any(|known| known.eq_ignore_ascii_case(&tag.value)) {
            let complaint =
                Complaint::error("this language stands twice", "Keep one; capital letters do not count");
            reader.say(Some(&tag.at), tag.field, complaint);
            continue;
        }
        let Some(table) = super::reader::table_of(reader, value, tag.field.clone()) else {
            continue;
        };
        let texts =
            Fields::open(reader, table.value, &tag.field, table.at, &["title", "body", "html", "html_file"]);
        if texts.value("title").is_none() {
            let complaint =
                Complaint::error("the heading is missing", "Add for example title = \"New deals\"");
            reader.say(Some(&tag.at), texts.name("title"), complaint);
        }
        compiler.text(reader, &texts, "title");
        compiler.text(reader, &texts, "body");
        compiler.html(reader, &texts);
        locales.push(tag.value);
    }
    locales
}

fn read_actions(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    compiler: &mut Compiler<'_>,
) -> Vec<DeclaredAction> {
    let tables = fields.tables(reader, "actions").unwrap_or_default();
    if tables.len() > ACTIONS_MAX {
        let at = tables.get(ACTIONS_MAX).map(|table| table.at.clone());
        let problem = format!("{} actions are too many", tables.len());
        reader.say(at.as_ref(), "actions", Complaint::error(problem, format!("Keep at most {ACTIONS_MAX}")));
    }
    let mut actions: Vec<DeclaredAction> = Vec::new();
    for table in tables {
        let action = Fields::open(reader, table.value, &table.field, table.at, &["id", "label", "link"]);
        for key in ["id", "label"] {
            if action.value(key).is_none() {
                let complaint = Complaint::error(
                    "it is missing",
                    format!("Give each action an `id` and a `label`, for example {key} = \"open\""),
                );
                reader.say(Some(&action.at), action.name(key), complaint);
            }
        }
        let id = read_key(reader, &action, "id").unwrap_or_default();
        if !id.is_empty() && actions.iter().any(|known| known.id == id) {
            let complaint = Complaint::error(format!("\"{id}\" names two actions"), "Give each its own `id`");
            reader.say(Some(&action.at), action.name("id"), complaint);
        }
        let locales = read_label(reader, &action, compiler);
        compiler.link(reader, &action, "link");
        actions.push(DeclaredAction { id, locales });
    }
    actions
}

/// A label: one text, or one text per language.
fn read_label(reader: &mut Reader<'_>, action: &Fields<'_, '_>, compiler: &mut Compiler<'_>) -> Vec<String> {
    let Some(DeValue::Table(_)) = action.value("label").map(|value| value.get_ref()) else {
        compiler.text(reader, action, "label");
        return Vec::new();
    };
    let Some(table) = action.table(reader, "label") else {
        return Vec::new();
    };
    let mut locales = Vec::new();
    for (tag, value) in Fields::open_free(table.value, &table.field, table.at.clone()).entries() {
        if tag.value != "default" && !is_locale(&tag.value) {
            let complaint = Complaint::error(
                "it is no language tag",
                "Write for example label = { en = \"Open\", de = \"Öffnen\" }",
            );
            reader.say(Some(&tag.at), tag.field, complaint);
            continue;
        }
        if let Some(text) = text_of(reader, value, tag.field) {
            compiler.compile(reader, &text);
            locales.push(tag.value);
        }
    }
    locales
}
