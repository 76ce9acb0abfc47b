//! What templates may do with a value beyond the engine's own filters: count, write money, write a date.

use super::plural::plural;
use super::template::locale_chain;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use std::sync::Arc;

/// Languages that write `1,99`.
const COMMA: [&str; 42] = [
    "af", "az", "be", "bg", "bs", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fi", "fr", "gl", "hr",
    "hu", "id", "is", "it", "ka", "kk", "lt", "lv", "mk", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru",
    "sk", "sl", "sq", "sr", "sv", "tr", "uk", "vi",
];
/// Countries that write `1.99` though their language does not.
const POINT_IN: [&str; 12] = ["ch", "li", "mx", "us", "gt", "hn", "ni", "sv", "pa", "pr", "do", "pe"];
/// Languages that write the currency first.
const CURRENCY_FIRST: [&str; 6] = ["en", "zh", "ja", "ko", "hi", "th"];
/// Currencies without a smaller unit.
const WHOLE: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
/// Currencies of a thousand smaller units.
const THOUSANDTHS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
const NO_BREAK_SPACE: char = '\u{a0}';

/// Where templates speak that belong to no language or person.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) locale: String,
    pub(super) time_zone: String,
}

/// Gives the filters to an engine. They find the language in the template's name.
pub(super) fn add_filters(environment: &mut Environment<'_>, home: Arc<Home>) {
    let at = Arc::clone(&home);
    environment.add_filter("plural", move |state: &State<'_, '_>, value: &Value, forms: Kwargs| {
        plural(locale_of(state.name()).unwrap_or(&at.locale), value, &forms)
    });
    let at = Arc::clone(&home);
    environment.add_filter("money", move |state: &State<'_, '_>, value: &Value, currency: &str| {
        money(locale_of(state.name()).unwrap_or(&at.locale), value, currency)
    });
    environment.add_filter("date", move |state: &State<'_, '_>, value: &Value, format: Option<&str>| {
        let zone = state.lookup("user").and_then(|user| user.get_attr("time_zone").ok());
        date(value, format, zone.as_ref().and_then(Value::as_str), &home.time_zone)
    });
}

/// The language of a template of this name; `None`: it belongs to none.
pub(super) fn locale_of(template: &str) -> Option<&str> {
    let locale = match template.strip_prefix("templates.") {
        Some(rest) => rest.split_once('.')?.0,
        None => template.strip_prefix("actions[")?.split_once("].label.")?.1,
    };
    (locale != "default").then_some(locale)
}

/// An amount in the currency's smallest unit as people write it: `€1.99`, `1,99 €`, `CHF 1.99`.
fn money(locale: &str, value: &Value, currency: &str) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let amount = Some(value).filter(|value| value.kind() == ValueKind::Number && value.is_integer());
    let Some(amount) = amount.and_then(|value| i128::try_from(value.clone()).ok()) else {
        let problem = "`money` takes a whole number of the smallest unit, for example cents";
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    };
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        let problem =
            format!("`{currency}` is no currency; write its three letters, for example money(\"EUR\")");
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    let digits = match currency {
        whole if WHOLE.contains(&whole) => 0,
        small if THOUSANDTHS.contains(&small) => 3,
        _ => 2,
    };
    let chain = locale_chain(locale);
    let language = chain.last().map_or("", String::as_str);
    let in_country = |country: &&str| chain.first().is_some_and(|tag| tag.ends_with(&format!("-{country}")));
    let has_comma = COMMA.contains(&language) && !POINT_IN.iter().any(in_country);
    let unit = 10_u128.pow(digits);
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, part) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
    let number = match digits {
        0 => whole.to_string(),
        digits => {
            let mark = if has_comma { ',' } else { '.' };
            format!("{whole}{mark}{part:0width$}", width = usize::try_from(digits).unwrap_or_default())
        }
    };
    let symbol = match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        code => code,
    };
    Ok(match (CURRENCY_FIRST.contains(&language), symbol.len() == 3 && symbol.is_ascii()) {
        (true, false) => format!("{sign}{symbol}{number}"),
        (true, true) => format!("{sign}{symbol}{NO_BREAK_SPACE}{number}"),
        (false, _) => format!("{sign}{number}{NO_BREAK_SPACE}{symbol}"),
    })
}

/// A moment in the person's time zone, else in the house's, which then is named; or a day, which has none.
fn date(value: &Value, format: Option<&str>, zone: Option<&str>, home: &str) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let refuse = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let text = value.as_str().unwrap_or_default();
    let written = |result: Result<String, jiff::Error>| {
        result.map_err(|error| refuse(format!("`date` cannot write that: {error}")))
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        let own = zone.and_then(|zone| TimeZone::get(zone).ok());
        let usual = if own.is_some() { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M %Z" };
        let zone = own.or_else(|| TimeZone::get(home).ok()).unwrap_or(TimeZone::UTC);
        return written(strtime::format(format.unwrap_or(usual), &moment.to_zoned(zone)));
    }
    match text.parse::<civil::Date>() {
        Ok(day) => written(strtime::format(format.unwrap_or("%Y-%m-%d"), day)),
        Err(_) => Err(refuse(format!(
            "`date` takes a time such as \"2026-01-31T09:30:00Z\" or a day such as \"2026-01-31\", and this is {}",
            if value.kind() == ValueKind::String {
                "another text".to_owned()
            } else {
                value.kind().to_string()
            }
        ))),
    }
}
