//! What a mail looks like: the built-in layout, as text and as HTML.
//!
//! Readable without any style, in light and dark, narrow and wide; it loads nothing from anywhere. What the
//! application wrote is escaped; only a kind's own HTML is not, since its template escaped it already.

use super::language::{Language, Zone};
use crate::Notice;
use belfry_protocol::{Action, Severity};
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use std::sync::LazyLock;

/// Steps of the template engine for one part; the longest digest takes a tenth of it.
const FUEL: u64 = 200_000;
/// Items of a digest that are listed; beyond them stands how many more there are. Some mail programs cut a mail off
/// after 100 kB.
pub(super) const ITEMS_MAX: usize = 50;
/// Characters of an item's body in a digest.
const ITEM_BODY_CHARACTERS_MAX: usize = 280;
/// Characters of the line that lists of mails show below the subject.
const PREVIEW_CHARACTERS_MAX: usize = 140;

/// Both parts of a mail.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) text: String,
    pub(super) html: String,
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.set_fuel(Some(FUEL));
    for (name, source) in
        [("layout.html", include_str!("layout.html")), ("layout.txt", include_str!("layout.txt"))]
    {
        environment.add_template(name, source).expect("the built-in layout compiles, a test renders it");
    }
    environment
});

/// A text in paragraphs, each in lines.
type Paragraphs<'a> = Vec<Vec<&'a str>>;

#[derive(Serialize)]
struct Item<'a> {
    title: &'a str,
    body: Paragraphs<'a>,
    link: Option<&'a str>,
    moment: String,
}

#[derive(Serialize)]
struct Button<'a> {
    label: &'a str,
    link: &'a str,
}

/// What the templates know.
#[derive(Serialize)]
struct Values<'a> {
    lang: &'a str,
    dir: &'a str,
    /// The side on which lines begin.
    start: &'a str,
    accent: &'a str,
    title: String,
    preview: String,
    subtitle: String,
    body: Paragraphs<'a>,
    items: Vec<Item<'a>>,
    /// How many items are not listed.
    more: usize,
    link: Option<&'a str>,
    buttons: Vec<Button<'a>>,
    own_html: Option<&'a str>,
    brand: Option<&'a str>,
    unsubscribe: Option<&'a str>,
    texts: Words,
}

#[derive(Serialize)]
struct Words {
    open: &'static str,
    unsubscribe: &'static str,
    times: String,
}

/// Renders both parts. `brand` is the sender's name, for the foot.
pub(super) fn render(
    notice: &Notice,
    language: &Language,
    brand: Option<&str>,
) -> Result<Parts, minijinja::Error> {
    let zone = Zone::of(notice.time_zone.as_deref());
    let own_html = notice.html.as_deref().filter(|html| !html.trim().is_empty());
    let subtitle = match notice.items.is_empty() {
        true => language.moment(notice.created_at, &zone),
        false => language.new_alerts(notice.items.len()),
    };
    let values = Values {
        lang: language.tag.as_deref().unwrap_or("en"),
        dir: if language.rtl { "rtl" } else { "ltr" },
        start: if language.rtl { "right" } else { "left" },
        accent: accent(notice.severity),
        title: one_line(&notice.title),
        preview: preview(notice),
        subtitle,
        body: paragraphs(notice.body.as_deref().unwrap_or_default()),
        more: notice.items.len().saturating_sub(ITEMS_MAX),
        items: items(notice, language, &zone),
        link: clickable(notice.link.as_deref()),
        buttons: notice.actions.iter().filter_map(button).collect(),
        own_html,
        brand,
        unsubscribe: unsubscribe(notice),
        texts: Words {
            open: language.texts.open,
            unsubscribe: language.texts.unsubscribe,
            times: language.texts.times.replace("{zone}", &zone.name),
        },
    };
    let values = Value::from(Serde(&values));
    let text = ENVIRONMENT.get_template("layout.txt")?.render(&values)?;
    let html = match own_html.filter(|html| is_document(html)) {
        Some(document) => document.to_owned(),
        None => ENVIRONMENT.get_template("layout.html")?.render(&values)?,
    };
    Ok(Parts { text, html })
}

fn items<'a>(notice: &'a Notice, language: &Language, zone: &Zone) -> Vec<Item<'a>> {
    notice
        .items
        .iter()
        .take(ITEMS_MAX)
        .map(|item| Item {
            title: &item.title,
            body: paragraphs(cut(item.body.as_deref().unwrap_or_default(), ITEM_BODY_CHARACTERS_MAX)),
            link: clickable(item.link.as_deref()),
            moment: language.moment(item.created_at, zone),
        })
        .collect()
}

fn button(action: &Action) -> Option<Button<'_>> {
    Some(Button { label: &action.label, link: clickable(action.link.as_deref())? })
}

/// A kind's own HTML is either the middle of the layout or a document that stands alone.
fn is_document(html: &str) -> bool {
    let start = html.trim_start().trim_start_matches('\u{feff}');
    ["<!doctype", "<html"]
        .iter()
        .any(|mark| start.get(..mark.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(mark)))
}

/// An absolute URL that a click may open. Paths lead nowhere in a mail, and the rest would run in it.
pub(super) fn clickable(link: Option<&str>) -> Option<&str> {
    let link = link?.trim();
    let (scheme, _) = link.split_once(':')?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let runs = ["javascript", "data", "vbscript", "file", "blob"];
    (named && !runs.iter().any(|bad| scheme.eq_ignore_ascii_case(bad))).then_some(link)
}

/// Where unsubscribing leads; nobody is offered to miss what is critical.
pub(super) fn unsubscribe(notice: &Notice) -> Option<&str> {
    clickable(notice.unsubscribe_url.as_deref()).filter(|_| notice.severity != Severity::Critical)
}

/// A text without line ends and control characters.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn accent(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "#2f6feb",
        Severity::Warning => "#b7791f",
        Severity::Critical => "#c5303c",
    }
}

fn paragraphs(text: &str) -> Paragraphs<'_> {
    let mut paragraphs: Paragraphs<'_> = vec![Vec::new()];
    for line in text.lines().map(str::trim_end) {
        match paragraphs.last_mut() {
            Some(last) if !line.trim().is_empty() => last.push(line),
            Some(last) if !last.is_empty() => paragraphs.push(Vec::new()),
            _ => {}
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// What lists of mails show below the subject: the text's beginning, or what a digest holds.
fn preview(notice: &Notice) -> String {
    let whole = match (&notice.body, notice.items.is_empty()) {
        (Some(body), true) => body.clone(),
        (_, true) => String::new(),
        (_, false) => {
            notice.items.iter().take(5).map(|item| item.title.as_str()).collect::<Vec<_>>().join(" · ")
        }
    };
    cut(&one_line(&whole), PREVIEW_CHARACTERS_MAX).to_owned()
}

fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
pub(super) mod tests;
