//! One declared kind: what its file says, checked and compiled.

use super::fault::KindFault;
use super::ladder::Ladder;
use super::link::check_link;
use super::sample;
use super::schema::{Schema, object_fault};
use super::template::{AlertFacts, Facts, TemplateFault, Templates, UserFacts, locale_chain};
use belfry_protocol::alert::{BODY_BYTES_MAX, KEY_BYTES_MAX, TITLE_BYTES_MAX};
use belfry_protocol::problem::FieldFault;
use belfry_protocol::{Action, Severity};
use serde_json::Value;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

/// Whether people who come later see older alerts for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Latecomers {
    /// What was sent before a user was first seen does not exist for them.
    #[default]
    Exclude,
    /// They see active ones too.
    Include,
}

/// How an alert for everyone goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Everyone {
    /// To open tabs and devices only, whatever the ladder says: else a notice rings every phone.
    #[default]
    Live,
    /// By the whole ladder, to those who did not answer.
    Ladder,
}

/// The declared type of an alert.
#[derive(Debug)]
pub struct Kind {
    /// Its name, for example `deal-notification`.
    pub name: String,
    /// The file that declares it.
    pub file: PathBuf,
    /// What preferences are set on.
    pub category: String,
    /// How much its alerts matter.
    pub severity: Severity,
    /// How long an alert matters.
    pub expires_after: Option<Duration>,
    /// The name on the client's event bus, for example `notification:deal`.
    pub event: String,
    /// Whether it passes manual do-not-disturb.
    pub breaks_through: bool,
    /// Whether a person's preferences count; `false`: it goes out in any case, and its mails have no unsubscribe link.
    pub mutable: bool,
    /// Whether later users see older alerts for everyone.
    pub latecomers: Latecomers,
    /// How its alerts for everyone go out.
    pub everyone: Everyone,
    /// How long after the last session ended a user still counts as present; `None`: the server's `live.linger`.
    pub linger: Option<Duration>,
    /// The ways out.
    pub ladder: Ladder,
    /// Whether the file names a ladder of its own.
    pub ladder_declared: bool,
    pub(super) schema: Option<Schema>,
    /// Other files this kind was read from.
    pub(super) files: Vec<PathBuf>,
    pub(super) texts: Texts,
}

/// The templates of a kind, by their names.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) templates: Templates,
    pub(super) html: Templates,
    /// The declared locales in the order of the file, as they are written.
    pub(super) locales: Vec<String>,
    /// Ids of the actions, in order.
    pub(super) actions: Vec<DeclaredAction>,
    pub(super) link_schemes: Vec<String>,
    pub(super) default_locale: String,
}

/// An action as declared: its label may differ by locale.
#[derive(Debug)]
pub(super) struct DeclaredAction {
    pub(super) id: String,
    /// The locales of the label in the order of the file; empty: one label for all.
    pub(super) locales: Vec<String>,
}

/// What rendering works on.
#[derive(Debug, Clone, Copy)]
pub struct RenderInput<'a> {
    /// The wanted language.
    pub locale: &'a str,
    /// The payload.
    pub data: &'a Value,
    /// The alert.
    pub alert: AlertFacts<'a>,
    /// The person; `None` where one text goes to many.
    pub user: Option<UserFacts<'a>>,
    /// What the publisher wrote itself: taken as it is, and its template does not run.
    pub given: Given<'a>,
}

/// Texts that came with the publish.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the same fields as `NewAlert`, which describes them")]
pub struct Given<'a> {
    pub title: Option<&'a str>,
    pub body: Option<&'a str>,
    pub link: Option<&'a str>,
    pub image: Option<&'a str>,
    pub thread: Option<&'a str>,
    pub collapse_key: Option<&'a str>,
    pub actions: &'a [Action],
}

/// The finished texts of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Heading.
    pub title: String,
    /// Text below the heading.
    pub body: Option<String>,
    /// Where a click leads.
    pub link: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// Alerts of one thread belong together.
    pub thread: Option<String>,
    /// An alert replaces an unread one with the same key.
    pub collapse_key: Option<String>,
    /// What a person can do about it.
    pub actions: Vec<Action>,
}

impl Kind {
    /// Checks a payload against the schema: each fault has a JSON Pointer below `/data` and a plain sentence.
    pub fn validate(&self, data: &Value) -> Result<(), Vec<FieldFault>> {
        if let Some(fault) = object_fault(data) {
            return Err(vec![fault]);
        }
        self.schema.as_ref().map_or(Ok(()), |schema| schema.validate(data))
    }

    /// Fills the templates. Texts are cut to their limits; keys and links that do not fit are refused.
    pub fn render(&self, input: &RenderInput<'_>) -> Result<Rendered, TemplateFault> {
        let writer = self.writer(input);
        let given = &input.given;
        let title = match given.title {
            Some(title) => Some(title.to_owned()),
            None => writer.text("title")?.map(|text| one_line(&text)),
        };
        Ok(Rendered {
            title: title
                .filter(|title| !title.is_empty())
                .map_or_else(|| default_title(&self.name), |title| cut(title, TITLE_BYTES_MAX)),
            body: writer.given_or(given.body, || writer.text("body"))?.map(|body| cut(body, BODY_BYTES_MAX)),
            link: writer.given_or(given.link, || writer.link("link"))?,
            image: writer.given_or(given.image, || writer.link("image"))?,
            thread: writer.given_or(given.thread, || writer.key("thread"))?,
            collapse_key: writer.given_or(given.collapse_key, || writer.key("collapse"))?,
            actions: match given.actions {
                [] => writer.actions()?,
                actions => actions.to_vec(),
            },
        })
    }

    /// Writes the kind's own HTML for an e-mail; `None`: the templates of the language that speaks have none, and the
    /// default layout stands. The same language speaks as for title and body, so a mail is never of two. What the
    /// publisher wrote itself has no HTML.
    ///
    /// It is apart from [`render`](Self::render), so that publishing never runs it and a fault in it costs no title.
    pub fn html(&self, input: &RenderInput<'_>) -> Result<Option<String>, TemplateFault> {
        if input.given.title.is_some() || input.given.body.is_some() {
            return Ok(None);
        }
        self.writer(input).html()
    }

    /// Whether the templates of this language, as [`locales`](Self::locales) names it, have HTML of their own.
    pub fn has_html(&self, locale: &str) -> bool {
        self.texts.html.has(&format!("templates.{locale}.html"))
    }

    /// The language of the templates that speak for the wanted one, as the file names it.
    pub fn speaks(&self, wanted: &str) -> Option<&str> {
        self.texts.locale_for(wanted)
    }

    /// The smallest payload that the schema allows; `None`: there is no schema, or it asks for what cannot be made up.
    pub fn sample(&self) -> Option<Value> {
        self.schema.as_ref().and_then(sample::smallest)
    }

    fn writer<'a>(&'a self, input: &'a RenderInput<'a>) -> Writer<'a> {
        let locale = self.texts.locale_for(input.locale);
        Writer { texts: &self.texts, facts: std::cell::OnceCell::new(), input, locale }
    }

    /// The languages the templates are written in, as the file names them.
    pub fn locales(&self) -> &[String] {
        &self.texts.locales
    }

    /// The schema of `data`, if there is one.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The files this kind was read from.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.file).chain(&self.files)
    }
}

/// A heading made of a kind's name, for alerts without one: `deal-notification` → `Deal notification`.
pub fn default_title(kind: &str) -> String {
    let words = kind.split(['-', '_', '.', ':', ' ']).filter(|word| !word.is_empty());
    let text = words.collect::<Vec<_>>().join(" ");
    let mut characters = text.chars();
    let title: String = match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => kind.to_owned(),
    };
    cut(title, TITLE_BYTES_MAX)
}

/// The event of a kind that names none.
pub fn default_event(kind: &str) -> String {
    match kind {
        "deal-notification" => "notification:deal".to_owned(),
        "system-message" => "notification:system".to_owned(),
        "job-completed" => "notification:job".to_owned(),
        other => format!("notification:{other}"),
    }
}

impl Texts {
    /// The declared locale that speaks for the wanted one: `en-GB`, `en`, then `default`, then the configured one, the
    /// first.
    fn locale_for(&self, wanted: &str) -> Option<&str> {
        self.pick(&self.locales, wanted)
    }

    fn pick<'a>(&self, locales: &'a [String], wanted: &str) -> Option<&'a str> {
        let find = |tag: &str| locales.iter().find(|locale| locale.eq_ignore_ascii_case(tag));
        let by_chain = |tag: &str| locale_chain(tag).iter().find_map(|tag| find(tag));
        by_chain(wanted)
            .or_else(|| find("default"))
            .or_else(|| by_chain(&self.default_locale))
            .or_else(|| locales.first())
            .map(String::as_str)
    }
}

/// Writes the texts of one alert in one locale.
struct Writer<'a> {
    texts: &'a Texts,
    /// Made at the first template that needs it: a publisher that gives all texts pays nothing.
    facts: std::cell::OnceCell<Facts>,
    input: &'a RenderInput<'a>,
    locale: Option<&'a str>,
}

impl Writer<'_> {
    fn given_or(
        &self,
        given: Option<&str>,
        template: impl FnOnce() -> Result<Option<String>, TemplateFault>,
    ) -> Result<Option<String>, TemplateFault> {
        match given {
            Some(given) => Ok(Some(given.to_owned())),
            None => template(),
        }
    }

    /// Runs the template of this name if there is one; nothing but white space counts as nothing.
    fn run(&self, name: &str) -> Result<Option<String>, TemplateFault> {
        self.run_of(&self.texts.templates, name)
    }

    fn html(&self) -> Result<Option<String>, TemplateFault> {
        match self.locale {
            Some(locale) => self.run_of(&self.texts.html, &format!("templates.{locale}.html")),
            None => Ok(None),
        }
    }

    fn run_of(&self, templates: &Templates, name: &str) -> Result<Option<String>, TemplateFault> {
        if !templates.has(name) {
            return Ok(None);
        }
        let facts = self
            .facts
            .get_or_init(|| Facts::new(self.input.data, &self.input.alert, self.input.user.as_ref()));
        let text = templates.render(name, facts)?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| without_controls(text).into_owned()))
    }

    fn text(&self, name: &str) -> Result<Option<String>, TemplateFault> {
        match self.locale {
            Some(locale) => self.run(&format!("templates.{locale}.{name}")),
            None => Ok(None),
        }
    }

    fn key(&self, name: &str) -> Result<Option<String>, TemplateFault> {
        let key = self.run(name)?.map(|key| one_line(&key));
        match key {
            // Cutting a key would let alerts replace each other that have nothing in common.
            Some(key) if key.len() > KEY_BYTES_MAX => Err(TemplateFault {
                template: name.to_owned(),
                problem: format!(
                    "it wrote {} bytes, and a key has at most {KEY_BYTES_MAX}; build it from an id instead of a text",
                    key.len()
                ),
            }),
            key => Ok(key),
        }
    }

    fn link(&self, name: &str) -> Result<Option<String>, TemplateFault> {
        let Some(link) = self.run(name)? else {
            return Ok(None);
        };
        match check_link(&link, &self.texts.link_schemes) {
            Ok(()) => Ok(Some(link)),
            Err(error) => Err(TemplateFault {
                template: name.to_owned(),
                problem: format!("it wrote `{}`: {error}", cut(link, 200)),
            }),
        }
    }

    fn actions(&self) -> Result<Vec<Action>, TemplateFault> {
        let declared = self.texts.actions.iter().enumerate();
        declared
            .map(|(n, action)| {
                let label = match self.texts.pick(&action.locales, self.input.locale) {
                    Some(locale) => format!("actions[{n}].label.{locale}"),
                    None => format!("actions[{n}].label"),
                };
                Ok(Action {
                    id: action.id.clone(),
                    label: self.run(&label)?.map_or_else(
                        || default_title(&action.id),
                        |label| cut(one_line(&label), TITLE_BYTES_MAX),
                    ),
                    link: self.link(&format!("actions[{n}].link"))?,
                })
            })
            .collect()
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Control characters other than line breaks and tabs have no place in a text that devices show.
fn without_controls(text: &str) -> Cow<'_, str> {
    let unwanted = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    match text.contains(unwanted) {
        true => Cow::Owned(text.replace(unwanted, "")),
        false => Cow::Borrowed(text),
    }
}

/// Cuts a text to its limit in bytes, between characters, and says so by an ellipsis.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    text
}

/// A kind as read, and all that is wrong or doubtful about it.
pub(super) struct ReadKind {
    pub(super) kind: Option<Kind>,
    pub(super) faults: Vec<KindFault>,
}
