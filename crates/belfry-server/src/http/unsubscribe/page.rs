//! The page behind an unsubscribe link: one file, no script, nothing loaded.

use super::words::Words;
use crate::refusal::Answer;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use std::sync::LazyLock;

/// What the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Whether to stop; with the button.
    Question,
    /// It is done.
    Done,
    /// The link is not ours.
    Forged,
}

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #f4f5f7; --card: #fff; --text: #16181d; --soft: #4d5562; --line: #d9dde3; --button: #1d4ed8; --on-button: #fff; }
@media (prefers-color-scheme: dark) { :root { --ground: #101216; --card: #1a1d23; --text: #f1f3f6; --soft: #b3bac6; --line: #343a45; --button: #9dbcff; --on-button: #0d1b3d; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--text); font: 1.0625rem/1.55 system-ui, sans-serif; }
main { inline-size: 100%; max-inline-size: 30rem; padding: clamp(1.5rem, 6vw, 2.5rem); background: var(--card); border: 1px solid var(--line); border-radius: 1rem; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
p { margin: 0 0 1.5rem; overflow-wrap: anywhere; }
p:last-child { margin: 0; color: var(--soft); font-size: .9375rem; }
form { margin: 0 0 1.5rem; }
button { inline-size: 100%; min-block-size: 3rem; padding: .6rem 1.25rem; border: 1px solid transparent; border-radius: .6rem; background: var(--button); color: var(--on-button); font: inherit; font-weight: 600; cursor: pointer; }
button:hover { filter: brightness(1.08); }
button:focus-visible { outline: 3px solid var(--text); outline-offset: 3px; }
";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("a policy of ASCII is a header's value")
});

/// The page as an answer.
pub(super) fn answer(status: StatusCode, shown: Shown, words: &Words, category: &str) -> Answer {
    let mut answer = Response::new(Body::from(html(shown, words, category)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    answer
}

fn html(shown: Shown, words: &Words, category: &str) -> String {
    let (title, text, note) = match shown {
        Shown::Question => (words.ask_title, words.ask_text, words.note),
        Shown::Done => (words.done_title, words.done_text, words.note),
        Shown::Forged => (words.forged_title, words.forged_text, ""),
    };
    let named = format!("<strong><bdi>{}</bdi></strong>", escaped(category));
    let text = text.replace("{category}", &named);
    let form = match shown {
        Shown::Question => format!(
            "<form method=\"post\">\n<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n\
             <button type=\"submit\">{}</button>\n</form>\n",
            words.button
        ),
        _ => String::new(),
    };
    let note = if note.is_empty() { String::new() } else { format!("<p>{note}</p>\n") };
    let (lang, dir) = (words.lang, words.dir);
    // What came of the button is said aloud.
    let role = if shown == Shown::Done { " role=\"status\"" } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"{lang}\" dir=\"{dir}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main{role}>\n<h1>{title}</h1>\n<p>{text}</p>\n\
         {form}{note}</main>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::words::ALL;
    use super::*;

    #[test]
    fn each_language_has_every_page_with_its_category_as_text() {
        for words in ALL {
            for shown in [Shown::Question, Shown::Done] {
                let page = html(shown, words, "<b>\"deals\"</b>");
                assert!(page.contains("<bdi>&lt;b&gt;&quot;deals&quot;&lt;/b&gt;</bdi>"), "{page}");
                assert!(!page.contains('{') || page.contains("<style>"), "{page}");
                assert!(!page.contains("{category}") && !page.contains("<script"), "{page}");
                assert_eq!(page.contains("<button"), shown == Shown::Question);
            }
            let page = html(Shown::Forged, words, "");
            assert!(!page.contains("<button") && !page.contains("<bdi>"), "{page}");
        }
    }

    #[test]
    fn the_policy_lets_in_this_style_and_nothing_else() {
        let answer = answer(StatusCode::OK, Shown::Question, &super::super::words::ENGLISH, "deals");
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().expect("is ASCII");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
