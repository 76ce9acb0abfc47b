//! Which links may stand in an alert: a click on one must never run a script or leave for another host unseen.

use belfry_protocol::alert::LINK_BYTES_MAX;

/// Schemes that no configuration allows: they run what they carry.
const NEVER: [&str; 5] = ["javascript", "vbscript", "data", "blob", "file"];

/// Why a link is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing.
    #[error("a link must not be empty; leave it out, or give a path such as \"/alerts\"")]
    Empty,
    /// More than [`LINK_BYTES_MAX`] bytes.
    #[error("a link has at most {LINK_BYTES_MAX} bytes")]
    TooLong,
    /// White space, a control character or a backslash: browsers drop or turn them.
    #[error("a link must not contain white space, control characters or backslashes; percent-encode them")]
    ForbiddenCharacter,
    /// `//host/…` leaves for another host.
    #[error(
        "a link beginning with `//` leaves for another host; write a path with one `/`, or a whole `https:` URL"
    )]
    OtherHost,
    /// `https:` without a host.
    #[error("`{0}:` needs a host: write \"{0}://example.com/path\"")]
    NoHost(String),
    /// A scheme that runs what it carries.
    #[error("a `{0}:` link can run code and is never accepted; write a path or an `https:` URL")]
    Dangerous(String),
    /// A scheme that is not on the list.
    #[error(
        "`{0}:` links are not accepted; write a path or an `https:` URL, or add the scheme to `kinds.link_schemes`"
    )]
    SchemeNotAllowed(String),
    /// Neither a path nor a URL.
    #[error("a link is a path that begins with `/`, or a whole `https:` URL")]
    NoPath,
}

/// Accepts a path beginning with a single `/`, and URLs of these schemes (`kinds.link_schemes`).
pub fn check_link(link: &str, schemes: &[String]) -> Result<(), LinkError> {
    if link.is_empty() {
        return Err(LinkError::Empty);
    }
    if link.len() > LINK_BYTES_MAX {
        return Err(LinkError::TooLong);
    }
    if link.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(LinkError::ForbiddenCharacter);
    }
    if link.starts_with("//") {
        return Err(LinkError::OtherHost);
    }
    if link.starts_with('/') {
        return Ok(());
    }
    let Some(scheme) = scheme_of(link) else {
        return Err(LinkError::NoPath);
    };
    check_scheme(&scheme, schemes)?;
    let rest = &link[scheme.len() + 1..];
    if matches!(scheme.as_str(), "https" | "http") {
        let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
        if host.is_none_or(|host| host.is_empty() || host.starts_with(':') || host.ends_with('@')) {
            return Err(LinkError::NoHost(scheme));
        }
    } else if rest.is_empty() {
        return Err(LinkError::NoPath);
    }
    Ok(())
}

/// Checks what is known of a link before its template runs: the text before the first `{{` or `{%`.
pub(super) fn check_link_template(source: &str, schemes: &[String]) -> Result<(), LinkError> {
    let dynamic = [source.find("{{"), source.find("{%"), source.find("{#")].into_iter().flatten().min();
    match dynamic {
        None => check_link(source.trim(), schemes),
        Some(0) => Ok(()),
        Some(end) => {
            let prefix = source[..end].trim_start();
            if prefix.starts_with("//") {
                return Err(LinkError::OtherHost);
            }
            if prefix.is_empty() || prefix.starts_with('/') {
                return Ok(());
            }
            check_scheme(&scheme_of(prefix).ok_or(LinkError::NoPath)?, schemes)
        }
    }
}

/// The scheme in small letters, if the text begins with one.
fn scheme_of(link: &str) -> Option<String> {
    let (scheme, _) = link.split_once(':')?;
    let mut characters = scheme.chars();
    let valid = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    valid.then(|| scheme.to_ascii_lowercase())
}

fn check_scheme(scheme: &str, schemes: &[String]) -> Result<(), LinkError> {
    if NEVER.contains(&scheme) {
        return Err(LinkError::Dangerous(scheme.to_owned()));
    }
    if schemes.iter().any(|allowed| allowed.trim_end_matches(':').eq_ignore_ascii_case(scheme)) {
        return Ok(());
    }
    Err(LinkError::SchemeNotAllowed(scheme.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn https() -> [String; 1] {
        ["https".to_owned()]
    }

    #[test]
    fn paths_and_https_urls_are_accepted() {
        for link in [
            "/",
            "/alerts/1?x=1#y",
            "/a:b",
            "https://example.com",
            "HTTPS://example.com/a?b#c",
            "https://[::1]/",
        ] {
            assert_eq!(check_link(link, &https()), Ok(()), "{link}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (link, error) in [
            ("", LinkError::Empty),
            ("//evil.example", LinkError::OtherHost),
            ("/\\evil.example", LinkError::ForbiddenCharacter),
            ("/\t/evil.example", LinkError::ForbiddenCharacter),
            ("/a b", LinkError::ForbiddenCharacter),
            (" /a", LinkError::ForbiddenCharacter),
            ("alerts/1", LinkError::NoPath),
            ("?x", LinkError::NoPath),
            ("https:", LinkError::NoHost("https".into())),
            ("https:evil", LinkError::NoHost("https".into())),
            ("https:///path", LinkError::NoHost("https".into())),
            ("https://:80/", LinkError::NoHost("https".into())),
            ("http://example.com", LinkError::SchemeNotAllowed("http".into())),
            ("mailto:a@example.com", LinkError::SchemeNotAllowed("mailto".into())),
            ("javascript:alert(1)", LinkError::Dangerous("javascript".into())),
            ("JavaScript:alert(1)", LinkError::Dangerous("javascript".into())),
            ("data:text/html,x", LinkError::Dangerous("data".into())),
        ] {
            assert_eq!(check_link(link, &https()), Err(error), "{link:?}");
        }
    }

    #[test]
    fn other_schemes_are_accepted_but_never_those_that_run_code() {
        let schemes = ["kordant".to_owned(), "HTTP:".to_owned(), "javascript".to_owned()];
        assert_eq!(check_link("kordant:alerts/1", &schemes), Ok(()));
        assert_eq!(check_link("http://example.com", &schemes), Ok(()));
        assert_eq!(check_link("https://example.com", &[]), Err(LinkError::SchemeNotAllowed("https".into())));
        assert_eq!(check_link("kordant:", &schemes), Err(LinkError::NoPath));
        assert_eq!(check_link("javascript:x()", &schemes), Err(LinkError::Dangerous("javascript".into())));
    }

    #[test]
    fn the_limit_is_in_bytes() {
        let link = format!("/{}", "a".repeat(LINK_BYTES_MAX - 1));
        assert_eq!(check_link(&link, &https()), Ok(()));
        assert_eq!(check_link(&(link + "a"), &https()), Err(LinkError::TooLong));
    }

    #[test]
    fn a_templates_fixed_beginning_is_checked_before_it_runs() {
        for source in
            ["/alerts/{{ alert.id }}", "{{ data.link }}", "https://x.example/{{ data.a }}", "/deals"]
        {
            assert_eq!(check_link_template(source, &https()), Ok(()), "{source}");
        }
        assert_eq!(check_link_template("alerts/{{ alert.id }}", &https()), Err(LinkError::NoPath));
        assert_eq!(check_link_template("//{{ data.host }}", &https()), Err(LinkError::OtherHost));
        assert_eq!(
            check_link_template("javascript:{{ data.code }}", &https()),
            Err(LinkError::Dangerous("javascript".into()))
        );
        assert_eq!(check_link_template("deals", &https()), Err(LinkError::NoPath));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_panic_and_what_passes_is_a_path_or_https(link in ".*") {
            if check_link(&link, &https()).is_ok() {
                prop_assert!(link.starts_with('/') || link.to_ascii_lowercase().starts_with("https://"));
            }
            let _ = check_link_template(&link, &https());
        }
    }
}
