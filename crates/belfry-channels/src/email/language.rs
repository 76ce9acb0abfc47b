//! What the layout itself says, in each of its languages, and which way a language is written.

use intl_pluralrules::{PluralCategory, PluralRuleType, PluralRules};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unic_langid::LanguageIdentifier;

/// The layout's own words in one language.
#[derive(Debug)]
pub(super) struct Texts {
    language: &'static str,
    /// On the button of the link.
    pub(super) open: &'static str,
    /// On the link at the foot.
    pub(super) unsubscribe: &'static str,
    /// Which zone the times are in: `{zone}`.
    pub(super) times: &'static str,
    /// How a moment is written.
    moment: &'static str,
    /// How many alerts a digest holds: `{n}`. The last one holds for every category that is not named.
    new_alerts: &'static [(PluralCategory, &'static str)],
}

use PluralCategory::{FEW, MANY, ONE, OTHER, TWO, ZERO};

/// The first one speaks where none fits.
static TEXTS: [Texts; 6] = [
    Texts {
        language: "en",
        open: "Open",
        unsubscribe: "Unsubscribe",
        times: "Times are in {zone}.",
        moment: "%b %-d, %Y, %H:%M",
        new_alerts: &[(ONE, "{n} new alert"), (OTHER, "{n} new alerts")],
    },
    Texts {
        language: "de",
        open: "Öffnen",
        unsubscribe: "Abbestellen",
        times: "Zeitzone: {zone}.",
        moment: "%d.%m.%Y, %H:%M",
        new_alerts: &[(ONE, "{n} neue Meldung"), (OTHER, "{n} neue Meldungen")],
    },
    Texts {
        language: "fr",
        open: "Ouvrir",
        unsubscribe: "Se désabonner",
        times: "Fuseau horaire\u{a0}: {zone}.",
        moment: "%d/%m/%Y, %H:%M",
        new_alerts: &[(ONE, "{n} nouvelle alerte"), (OTHER, "{n} nouvelles alertes")],
    },
    Texts {
        language: "es",
        open: "Abrir",
        unsubscribe: "Darse de baja",
        times: "Zona horaria: {zone}.",
        moment: "%d/%m/%Y, %H:%M",
        new_alerts: &[(ONE, "{n} alerta nueva"), (OTHER, "{n} alertas nuevas")],
    },
    Texts {
        language: "ar",
        open: "فتح",
        unsubscribe: "إلغاء الاشتراك",
        times: "المنطقة الزمنية: {zone}.",
        moment: "%d/%m/%Y, %H:%M",
        new_alerts: &[
            (ZERO, "لا توجد تنبيهات جديدة"),
            (ONE, "تنبيه جديد واحد"),
            (TWO, "تنبيهان جديدان"),
            (FEW, "{n} تنبيهات جديدة"),
            (MANY, "{n} تنبيهًا جديدًا"),
            (OTHER, "{n} تنبيه جديد"),
        ],
    },
    Texts {
        language: "he",
        open: "פתיחה",
        unsubscribe: "ביטול הרשמה",
        times: "אזור הזמן: {zone}.",
        moment: "%d.%m.%Y, %H:%M",
        new_alerts: &[(ONE, "התראה חדשה אחת"), (TWO, "שתי התראות חדשות"), (OTHER, "{n} התראות חדשות")],
    },
];

/// Names that were given up for others and are still sent.
const OLD_NAMES: [(&str, &str); 2] = [("iw", "he"), ("ji", "yi")];

/// Scripts that run from right to left.
const RTL_SCRIPTS: [&str; 12] =
    ["Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi", "Mend"];

/// Languages that are written so where their tag names no script.
const RTL_LANGUAGES: [&str; 35] = [
    "aeb", "ar", "arc", "arq", "ary", "arz", "azb", "bal", "bgn", "bqi", "ckb", "dv", "fa", "glk", "he",
    "khw", "ks", "lrc", "luz", "mzn", "nqo", "pnb", "prs", "ps", "rhg", "sd", "sdh", "skr", "sog", "syr",
    "ug", "ur", "yi", "haz", "aii",
];

/// Languages that are written so in these regions only.
const RTL_REGIONS: [(&str, &[&str]); 9] = [
    ("az", &["IQ", "IR"]),
    ("ha", &["CM", "SD"]),
    ("kk", &["AF", "CN", "IR", "MN"]),
    ("ku", &["IQ", "IR"]),
    ("ky", &["CN"]),
    ("ms", &["CC"]),
    ("pa", &["PK"]),
    ("tk", &["AF", "IR"]),
    ("uz", &["AF", "CN"]),
];

/// One person's language, and what the layout says in it.
#[derive(Debug)]
pub(super) struct Language {
    /// As it stands in `lang` and `Content-Language`; `None`: unknown.
    pub(super) tag: Option<String>,
    /// Whether it runs from right to left.
    pub(super) rtl: bool,
    /// The layout's words, in this language or the nearest there is.
    pub(super) texts: &'static Texts,
    plural: LanguageIdentifier,
}

impl Language {
    /// Of a BCP 47 tag. One that is none counts as unknown.
    pub(super) fn of(locale: Option<&str>) -> Self {
        let tag = locale.and_then(|locale| locale.parse::<LanguageIdentifier>().ok());
        let name = tag.as_ref().map(|tag| modern(tag.language.as_str()));
        let texts = TEXTS.iter().find(|texts| Some(texts.language) == name).unwrap_or(&TEXTS[0]);
        Self {
            rtl: tag.as_ref().is_some_and(is_rtl),
            texts,
            plural: texts.language.parse().expect("the table's languages are tags, a test reads them"),
            tag: tag.map(|tag| tag.to_string()),
        }
    }

    /// `{n} new alerts`, with the plural that its language has for this number.
    pub(super) fn new_alerts(&self, n: usize) -> String {
        let category = PluralRules::create(self.plural.clone(), PluralRuleType::CARDINAL)
            .ok()
            .and_then(|rules| rules.select(n).ok())
            .unwrap_or(OTHER);
        let forms = self.texts.new_alerts;
        let named = forms.iter().find(|(of, _)| *of == category).or(forms.last());
        named.map_or_else(String::new, |(_, text)| text.replace("{n}", &n.to_string()))
    }

    /// A moment as it is written in this language.
    pub(super) fn moment(&self, at: Timestamp, zone: &Zone) -> String {
        at.to_zoned(zone.zone.clone()).strftime(self.texts.moment).to_string()
    }
}

fn modern(name: &str) -> &str {
    OLD_NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

fn is_rtl(tag: &LanguageIdentifier) -> bool {
    if let Some(script) = tag.script {
        return RTL_SCRIPTS.contains(&script.as_str());
    }
    let name = modern(tag.language.as_str());
    let region = tag.region.as_ref().map(|region| region.as_str());
    RTL_LANGUAGES.contains(&name)
        || RTL_REGIONS.iter().any(|(language, regions)| {
            *language == name && region.is_some_and(|here| regions.contains(&here))
        })
}

/// One person's time zone.
#[derive(Debug)]
pub(super) struct Zone {
    zone: TimeZone,
    /// What people call it.
    pub(super) name: String,
}

impl Zone {
    /// Of an IANA name; UTC where it is unknown here.
    pub(super) fn of(name: Option<&str>) -> Self {
        let known = name.and_then(|name| Some((TimeZone::get(name).ok()?, name)));
        match known {
            Some((zone, name)) => Self { zone, name: name.replace('_', " ") },
            None => Self { zone: TimeZone::UTC, name: "UTC".to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_layout_is_a_tag_with_plural_rules() {
        for texts in &TEXTS {
            let tag: LanguageIdentifier = texts.language.parse().expect("a tag");
            assert!(PluralRules::create(tag, PluralRuleType::CARDINAL).is_ok(), "{}", texts.language);
            assert_eq!(Language::of(Some(texts.language)).texts.open, texts.open);
            assert_eq!(
                texts.new_alerts.last().expect("has forms").0,
                OTHER,
                "the last form holds for the rest"
            );
            assert!(texts.times.contains("{zone}"));
        }
    }

    #[test]
    fn a_number_takes_the_plural_of_its_language() {
        let said = |locale, n| Language::of(Some(locale)).new_alerts(n);
        assert_eq!(said("en-GB", 1), "1 new alert");
        assert_eq!(said("en-GB", 40), "40 new alerts");
        assert_eq!(said("de-AT", 1), "1 neue Meldung");
        assert_eq!(said("fr", 0), "0 nouvelle alerte");
        assert_eq!(said("fr", 2), "2 nouvelles alertes");
        assert_eq!(said("es-MX", 40), "40 alertas nuevas");
        assert_eq!(said("ar", 2), "تنبيهان جديدان");
        assert_eq!(said("ar", 3), "3 تنبيهات جديدة");
        assert_eq!(said("ar", 11), "11 تنبيهًا جديدًا");
        assert_eq!(said("ar", 100), "100 تنبيه جديد");
        assert_eq!(said("iw", 2), "שתי התראות חדשות");
        assert_eq!(said("he", 5), "5 התראות חדשות");
        assert_eq!(said("it", 5), "5 new alerts", "a language the layout does not speak");
        assert_eq!(said("not a tag", 5), "5 new alerts");
    }

    #[test]
    fn the_direction_is_that_of_the_script() {
        let rtl = |locale| Language::of(Some(locale)).rtl;
        for locale in ["ar", "ar-EG", "he", "iw-IL", "fa-IR", "ur", "yi", "ckb", "dv", "ps", "ug", "sd"] {
            assert!(rtl(locale), "{locale}");
        }
        for locale in ["pa-PK", "pa-Arab", "uz-AF", "az-Arab-IR", "ku-IQ", "ff-Adlm", "ms-Arab"] {
            assert!(rtl(locale), "{locale}");
        }
        for locale in ["en", "pa-IN", "pa", "uz", "sd-Deva", "ar-Latn", "ku-TR", "az", "ja", "not a tag"] {
            assert!(!rtl(locale), "{locale}");
        }
    }

    #[test]
    fn a_moment_is_written_in_the_persons_zone() {
        let at: Timestamp = "2026-03-29T00:30:00Z".parse().expect("a time");
        let said = |locale, zone| {
            let zone = Zone::of(zone);
            (Language::of(Some(locale)).moment(at, &zone), zone.name)
        };
        assert_eq!(said("en", None), ("Mar 29, 2026, 00:30".to_owned(), "UTC".to_owned()));
        assert_eq!(said("de", Some("Europe/Berlin")).0, "29.03.2026, 01:30");
        assert_eq!(said("en", Some("America/New_York")).1, "America/New York");
        assert_eq!(said("en", Some("Mars/Olympus")).1, "UTC", "a zone nobody knows");
    }
}
