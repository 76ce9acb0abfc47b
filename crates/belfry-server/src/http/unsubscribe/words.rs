//! What the page says, in the languages it speaks.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// One language.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) dir: &'static str,
    pub(super) ask_title: &'static str,
    /// With `{category}`.
    pub(super) ask_text: &'static str,
    pub(super) button: &'static str,
    pub(super) done_title: &'static str,
    /// With `{category}`.
    pub(super) done_text: &'static str,
    pub(super) note: &'static str,
    pub(super) forged_title: &'static str,
    pub(super) forged_text: &'static str,
}

pub(super) static ENGLISH: Words = Words {
    lang: "en",
    dir: "ltr",
    ask_title: "Stop these e‑mails?",
    ask_text: "You will get no more e‑mails about {category}.",
    button: "Unsubscribe",
    done_title: "You are unsubscribed",
    done_text: "You get no more e‑mails about {category}.",
    note: "Other e‑mails and notifications stay as they are. You can change this at any time in your settings.",
    forged_title: "This link does not work",
    forged_text: "It is not complete, or it was changed. Open it again from the e‑mail, or copy the whole address.",
};

/// Every language.
pub(super) static ALL: [&Words; 9] =
    [&ENGLISH, &GERMAN, &FRENCH, &SPANISH, &ITALIAN, &PORTUGUESE, &DUTCH, &POLISH, &ARABIC];

static GERMAN: Words = Words {
    lang: "de",
    dir: "ltr",
    ask_title: "Diese E‑Mails abbestellen?",
    ask_text: "Sie erhalten dann keine E‑Mails mehr zu {category}.",
    button: "Abbestellen",
    done_title: "Abbestellt",
    done_text: "Sie erhalten keine E‑Mails mehr zu {category}.",
    note: "Andere E‑Mails und Benachrichtigungen bleiben, wie sie sind. In Ihren Einstellungen können Sie das jederzeit ändern.",
    forged_title: "Dieser Link funktioniert nicht",
    forged_text: "Er ist unvollständig oder wurde verändert. Öffnen Sie ihn noch einmal aus der E‑Mail, oder kopieren Sie die ganze Adresse.",
};

static FRENCH: Words = Words {
    lang: "fr",
    dir: "ltr",
    ask_title: "Ne plus recevoir ces e‑mails\u{a0}?",
    ask_text: "Vous ne recevrez plus d’e‑mails concernant {category}.",
    button: "Se désabonner",
    done_title: "Vous êtes désabonné(e)",
    done_text: "Vous ne recevez plus d’e‑mails concernant {category}.",
    note: "Les autres e‑mails et notifications ne changent pas. Vous pouvez modifier ce choix à tout moment dans vos paramètres.",
    forged_title: "Ce lien ne fonctionne pas",
    forged_text: "Il est incomplet ou a été modifié. Ouvrez-le à nouveau depuis l’e‑mail, ou copiez l’adresse entière.",
};

static SPANISH: Words = Words {
    lang: "es",
    dir: "ltr",
    ask_title: "¿Dejar de recibir estos correos?",
    ask_text: "No recibirá más correos sobre {category}.",
    button: "Cancelar la suscripción",
    done_title: "Suscripción cancelada",
    done_text: "Ya no recibirá correos sobre {category}.",
    note: "Los demás correos y notificaciones no cambian. Puede modificarlo en cualquier momento en sus ajustes.",
    forged_title: "Este enlace no funciona",
    forged_text: "Está incompleto o fue modificado. Ábralo de nuevo desde el correo o copie la dirección entera.",
};

static ITALIAN: Words = Words {
    lang: "it",
    dir: "ltr",
    ask_title: "Non ricevere più queste e‑mail?",
    ask_text: "Non riceverà più e‑mail su {category}.",
    button: "Annulla l’iscrizione",
    done_title: "Iscrizione annullata",
    done_text: "Non riceve più e‑mail su {category}.",
    note: "Le altre e‑mail e notifiche restano come sono. Può cambiare la scelta in qualsiasi momento nelle impostazioni.",
    forged_title: "Questo link non funziona",
    forged_text: "È incompleto o è stato modificato. Lo apra di nuovo dall’e‑mail o copi l’intero indirizzo.",
};

static PORTUGUESE: Words = Words {
    lang: "pt",
    dir: "ltr",
    ask_title: "Deixar de receber estes e‑mails?",
    ask_text: "Não receberá mais e‑mails sobre {category}.",
    button: "Cancelar a subscrição",
    done_title: "Subscrição cancelada",
    done_text: "Já não recebe e‑mails sobre {category}.",
    note: "Os outros e‑mails e notificações ficam como estão. Pode alterar esta escolha a qualquer momento nas definições.",
    forged_title: "Este link não funciona",
    forged_text: "Está incompleto ou foi alterado. Abra-o de novo a partir do e‑mail ou copie o endereço inteiro.",
};

static DUTCH: Words = Words {
    lang: "nl",
    dir: "ltr",
    ask_title: "Deze e‑mails stoppen?",
    ask_text: "U ontvangt dan geen e‑mails meer over {category}.",
    button: "Afmelden",
    done_title: "U bent afgemeld",
    done_text: "U ontvangt geen e‑mails meer over {category}.",
    note: "Andere e‑mails en meldingen blijven zoals ze zijn. U kunt dit altijd wijzigen in uw instellingen.",
    forged_title: "Deze link werkt niet",
    forged_text: "Hij is niet volledig of is gewijzigd. Open hem opnieuw vanuit de e‑mail, of kopieer het hele adres.",
};

static POLISH: Words = Words {
    lang: "pl",
    dir: "ltr",
    ask_title: "Nie otrzymywać tych e‑maili?",
    ask_text: "Nie będziesz już otrzymywać e‑maili na temat: {category}.",
    button: "Wypisz mnie",
    done_title: "Wypisano",
    done_text: "Nie otrzymujesz już e‑maili na temat: {category}.",
    note: "Pozostałe e‑maile i powiadomienia się nie zmieniają. W ustawieniach możesz to zmienić w każdej chwili.",
    forged_title: "Ten link nie działa",
    forged_text: "Jest niepełny lub został zmieniony. Otwórz go ponownie z e‑maila albo skopiuj cały adres.",
};

static ARABIC: Words = Words {
    lang: "ar",
    dir: "rtl",
    ask_title: "هل تريد إيقاف هذه الرسائل؟",
    ask_text: "لن تصلك رسائل بريد إلكتروني أخرى بشأن {category}.",
    button: "إلغاء الاشتراك",
    done_title: "تم إلغاء الاشتراك",
    done_text: "لن تصلك بعد الآن رسائل بريد إلكتروني بشأن {category}.",
    note: "تبقى الرسائل والإشعارات الأخرى كما هي. يمكنك تغيير ذلك في أي وقت من الإعدادات.",
    forged_title: "هذا الرابط لا يعمل",
    forged_text: "الرابط غير مكتمل أو تم تغييره. افتحه مرة أخرى من الرسالة أو انسخ العنوان كاملًا.",
};

/// The words of a language tag, whatever country stands behind the language.
pub(super) fn of_tag(tag: &str) -> Option<&'static Words> {
    let language = tag.split(['-', '_']).next().unwrap_or_default();
    ALL.into_iter().find(|words| words.lang.eq_ignore_ascii_case(language))
}

/// The first language that the browser asks for and the page speaks. Browsers name them in order of liking.
pub(super) fn of_browser(headers: &HeaderMap) -> Option<&'static Words> {
    let list = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    list.split(',').find_map(|entry| of_tag(entry.split(';').next().unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_tag_and_by_browser() {
        for (tag, lang) in
            [("de-AT", Some("de")), ("PT-br", Some("pt")), ("ar", Some("ar")), ("ja", None), ("", None)]
        {
            assert_eq!(of_tag(tag).map(|words| words.lang), lang, "{tag}");
        }
        let browser = |list: &'static str| {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, http::HeaderValue::from_static(list))]);
            of_browser(&headers).map(|words| words.lang)
        };
        assert_eq!(browser("ja-JP,nl;q=0.8,en;q=0.5"), Some("nl"));
        assert_eq!(browser("*"), None);
        assert_eq!(of_browser(&HeaderMap::new()).map(|words| words.lang), None);
    }

    #[test]
    fn no_word_is_missing_or_markup() {
        for words in ALL {
            let plain = [
                words.ask_title,
                words.button,
                words.done_title,
                words.note,
                words.forged_title,
                words.forged_text,
            ];
            for text in plain.into_iter().chain([words.ask_text, words.done_text]) {
                assert!(!text.trim().is_empty() && !text.contains(['<', '>', '&', '"']), "{text}");
            }
            for text in [words.ask_text, words.done_text] {
                assert_eq!(text.matches("{category}").count(), 1, "{text}");
            }
        }
    }
}
