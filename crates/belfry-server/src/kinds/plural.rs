//! `{{ data.count | plural(one="# deal", other="# deals") }}` by the rules of the template's language (CLDR).

use super::fault::{Complaint, nearest};
use super::pieces::{PieceKind, Word, filter_uses, pieces, words};
use super::template::locale_chain;
use intl_pluralrules::operands::PluralOperands;
use intl_pluralrules::{PluralCategory, PluralRuleType, PluralRules};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use unic_langid::LanguageIdentifier;

/// The forms in the order in which languages count.
const FORMS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];
/// Numbers up to this one show which forms a language uses every day.
const EVERYDAY_MAX: u64 = 200;
/// Languages to which later editions of the rules give `many`, for millions: naming it does no harm.
const MANY_FOR_MILLIONS: [&str; 5] = ["ca", "es", "fr", "it", "pt"];
const EXAMPLE: &str = "{{ data.count | plural(one=\"# deal\", other=\"# deals\") }}";

/// The text for this number in this language, with the number in place of each `#`.
pub(super) fn plural(locale: &str, value: &Value, forms: &Kwargs) -> Result<String, Error> {
    let number = plain_number(value)?;
    for form in forms.args() {
        if !FORMS.contains(&form) {
            return Err(refuse(format!("`plural` has no `{form}`; write {}", FORMS.join(", "))));
        }
    }
    if !forms.has("other") {
        return Err(refuse(format!("`plural` needs `other`, for example {EXAMPLE}")));
    }
    let form = rules(locale).and_then(|rules| rules.select(number.as_str()).ok()).map_or("other", name_of);
    let text: String = forms.get(if forms.has(form) { form } else { "other" })?;
    Ok(text.replace('#', &number))
}

/// Looks through a template for uses of the filter that cannot be meant so.
pub(super) fn check(source: &str, locale: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for piece in pieces(source) {
        if piece.kind == PieceKind::Text {
            continue;
        }
        let words = words(piece.text);
        for behind in filter_uses(&words, "plural") {
            complaints.extend(forms_of(behind).into_iter().flat_map(|forms| doubts(&forms, locale)));
        }
    }
    complaints.dedup();
    complaints
}

/// The forms a use of the filter names; `None`: only the run can tell.
fn forms_of<'s>(behind: &[Word<'s>]) -> Option<Vec<&'s str>> {
    if behind.first() != Some(&Word::Sign('(')) {
        return Some(Vec::new());
    }
    let mut forms = Vec::new();
    let mut depth = 0_usize;
    let mut begins = false;
    for (at, word) in behind.iter().enumerate() {
        match word {
            Word::Sign('(' | '[' | '{') => depth += 1,
            Word::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            // `**forms`
            Word::Sign('*') if depth == 1 && begins => return None,
            Word::Name(name) if depth == 1 && begins => {
                let next = |n: usize| behind.get(at + n);
                if next(1) == Some(&Word::Sign('=')) && next(2) != Some(&Word::Sign('=')) {
                    forms.push(*name);
                }
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        begins = depth == 1 && matches!(word, Word::Sign('(' | ','));
    }
    Some(forms)
}

fn doubts(forms: &[&str], locale: &str) -> Vec<Complaint> {
    let unknown = forms.iter().filter(|form| !FORMS.contains(*form));
    let mut complaints: Vec<Complaint> = unknown
        .map(|form| {
            let remedy = match nearest(form, FORMS) {
                Some(near) => format!("Write `{near}`"),
                None => format!("Write {}", FORMS.join(", ")),
            };
            Complaint::error(format!("`plural` has no `{form}`"), remedy)
        })
        .collect();
    if !forms.contains(&"other") {
        complaints.push(Complaint::error("`plural` needs `other`", format!("Write for example {EXAMPLE}")));
    }
    if !complaints.is_empty() {
        return complaints;
    }
    let Some(rules) = rules(locale) else {
        let problem = format!("no plural rules are known for `{locale}`: `other` always stands");
        return vec![Complaint::warning(problem, "Use {% if … %} for numbers that read differently")];
    };
    let chosen = |number: PluralOperands| rules.select(number).map_or("other", name_of);
    let everyday = |form: &str| (0..=EVERYDAY_MAX).any(|number| chosen(number.into()) == form);
    let rarely = |form: &str| {
        let rare = ["0.0", "0.1", "1.0", "1.5", "2.5", "10.0", "1000000"];
        rare.into_iter().filter_map(|number| PluralOperands::try_from(number).ok()).any(|n| chosen(n) == form)
    };
    let missing: Vec<String> = FORMS
        .iter()
        .filter(|form| **form != "other" && !forms.contains(*form) && everyday(form))
        .map(|form| format!("`{form}`"))
        .collect();
    if !missing.is_empty() {
        complaints.push(Complaint::warning(
            format!("`plural` lacks {}, which `{locale}` uses: `other` stands instead", missing.join(", ")),
            "Add the missing forms",
        ));
    }
    let language = locale_chain(locale).pop().unwrap_or_default();
    let later = |form: &str| form == "many" && MANY_FOR_MILLIONS.contains(&language.as_str());
    let never = |form: &&&str| **form != "other" && !everyday(form) && !rarely(form) && !later(form);
    for form in forms.iter().filter(never) {
        complaints.push(Complaint::warning(
            format!("`{locale}` never uses the form `{form}`: it is not chosen for any number"),
            format!("Remove `{form}`, or use {{% if … %}} for a number of its own"),
        ));
    }
    complaints
}

/// The rules of a language, or of its shorter form.
fn rules(locale: &str) -> Option<PluralRules> {
    locale_chain(locale).iter().find_map(|tag| {
        let tag: LanguageIdentifier = tag.parse().ok()?;
        PluralRules::create(tag, PluralRuleType::CARDINAL).ok()
    })
}

fn name_of(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::ZERO => "zero",
        PluralCategory::ONE => "one",
        PluralCategory::TWO => "two",
        PluralCategory::FEW => "few",
        PluralCategory::MANY => "many",
        PluralCategory::OTHER => "other",
    }
}

/// The number as people write it, without an exponent and without `.0`.
fn plain_number(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if number.is_finite() => Ok(number.to_string()),
            _ => Err(refuse("`plural` cannot count what is no finite number".to_owned())),
        },
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        kind => Err(refuse(format!(
            "`plural` takes a number, and this is {kind}; of a list write `data.deals | length | plural(…)`"
        ))),
    }
}

fn refuse(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}
