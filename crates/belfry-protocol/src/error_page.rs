//! The page of an error code, as the server shows it to a person who follows the link in a refusal.

use crate::error_code::ErrorCode;

/// A small page that needs nothing else: what happened, when, and what to do.
pub fn page(code: ErrorCode) -> String {
    let (slug, status) = (code.slug(), code.status());
    let (title, cause, remedy) = (marked(code.title()), marked(code.cause()), marked(code.remedy()));
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{slug} · Belfry</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }}
body {{ max-width: 40rem; margin: 4rem auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.3; margin: 0 0 .25rem; }}
h2 {{ font-size: 1rem; margin: 2rem 0 .25rem; }}
p {{ margin: 0; }}
code {{ font: .92em ui-monospace, monospace; padding: .1em .35em; border-radius: .3em; background: color-mix(in srgb, CanvasText 10%, Canvas); }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p><code>{slug}</code> · HTTP status {status}</p>
<h2>When it happens</h2>
<p>{cause}</p>
<h2>What to do</h2>
<p>{remedy}</p>
</main>
</body>
</html>
"#
    )
}

/// Our own sentences as HTML: escaped, and what stands between backticks as code.
fn marked(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped
        .split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_code_and_the_remedy_and_loads_nothing() {
        for &code in ErrorCode::ALL {
            let page = page(code);
            assert!(page.contains(&format!("<code>{}</code>", code.slug())), "{page}");
            assert!(!page.contains('`') && !page.contains("http://") && !page.contains("<script"), "{page}");
        }
        assert!(page(ErrorCode::GroupUnknown).contains("<code>PUT /v1/groups/{id}</code>"));
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(marked("a < b & `c > d`"), "a &lt; b &amp; <code>c &gt; d</code>");
    }
}
