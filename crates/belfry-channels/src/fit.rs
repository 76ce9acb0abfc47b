//! What of a notice is left out so that it fits into a push.

use crate::notice::Notice;
use std::borrow::Cow;

/// What is sent of a notice. Ids, tag, link and receipt always are.
#[derive(Debug, Clone)]
pub(crate) struct Cut<'a> {
    /// Heading.
    pub(crate) title: Cow<'a, str>,
    /// Text.
    pub(crate) body: Option<Cow<'a, str>>,
    /// The alert's payload.
    pub(crate) data: Option<&'a str>,
    /// Whether picture and buttons are sent.
    pub(crate) extras: bool,
}

/// The most of a notice whose rendered `size` is at most `limit` bytes: first its data goes, then the end of its body,
/// then picture and buttons, last the end of its title.
pub(crate) fn fit<'a>(notice: &'a Notice, limit: usize, size: impl Fn(&Cut<'a>) -> usize) -> Option<Cut<'a>> {
    let all = Cut {
        title: Cow::Borrowed(&notice.title),
        body: notice.body.as_deref().map(Cow::Borrowed),
        data: notice.data.as_deref(),
        extras: true,
    };
    let fits = |cut: &Cut<'a>| size(cut) <= limit;
    if fits(&all) {
        return Some(all);
    }
    let no_data = Cut { data: None, ..all };
    if fits(&no_data) {
        return Some(no_data);
    }
    for extras in [true, false] {
        let start = Cut { extras, ..no_data.clone() };
        if let Some(body) = &notice.body {
            let with_body = |characters| Cut { body: Some(shortened(body, characters)), ..start.clone() };
            if let Some(cut) = longest(body, with_body, fits) {
                return Some(cut);
            }
        } else if fits(&start) {
            return Some(start);
        }
    }
    let bare = Cut { body: None, extras: false, ..no_data };
    let with_title = |characters| Cut { title: shortened(&notice.title, characters), ..bare.clone() };
    longest(&notice.title, with_title, fits)
}

/// The cut with the most characters of `text`, at least one, that fits.
fn longest<'a>(
    text: &str,
    cut: impl Fn(usize) -> Cut<'a>,
    fits: impl Fn(&Cut<'a>) -> bool,
) -> Option<Cut<'a>> {
    let (mut good, mut bad) = (None, text.chars().count() + 1);
    let mut low = 0;
    while low + 1 < bad {
        let middle = low + (bad - low) / 2;
        let candidate = cut(middle);
        if fits(&candidate) {
            (good, low) = (Some(candidate), middle);
        } else {
            bad = middle;
        }
    }
    good
}

/// The first characters of a text, and a sign where some are missing.
fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text[..end].trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::notice;
    use proptest::prelude::*;

    fn size(cut: &Cut<'_>) -> usize {
        let body = cut.body.as_ref().map_or(0, |body| body.len());
        100 + cut.title.len() + body + cut.data.map_or(0, str::len) + if cut.extras { 50 } else { 0 }
    }

    #[test]
    fn data_goes_first_then_the_end_of_the_body_then_extras_then_the_end_of_the_title() {
        let notice = Notice {
            title: "t".repeat(100),
            body: Some("b".repeat(200)),
            data: Some("d".repeat(300)),
            ..notice()
        };
        let at = |limit| fit(&notice, limit, size);
        assert_eq!(at(750).unwrap().data.map(str::len), Some(300));
        let no_data = at(749).unwrap();
        assert_eq!((no_data.data, no_data.body.unwrap().len()), (None, 200));
        let short = at(350).unwrap();
        assert_eq!((short.extras, short.title.len()), (true, 100));
        assert!(short.body.unwrap().ends_with("b…"));
        let bare = at(210).unwrap();
        assert_eq!((bare.extras, bare.title.len()), (false, 100));
        let title = at(150).unwrap();
        assert_eq!((title.extras, title.body), (false, None));
        assert!(title.title.ends_with("t…"));
        assert!(at(100).is_none());
    }

    proptest! {
        #[test]
        fn what_is_cut_fits_and_is_the_beginning_of_the_text(
            title in "\\PC{1,80}", body in proptest::option::of("\\PC{0,400}"), limit in 110usize..900,
        ) {
            let notice = Notice { title, body, data: Some("[1,2,3]".repeat(20)), ..notice() };
            if let Some(cut) = fit(&notice, limit, size) {
                prop_assert!(size(&cut) <= limit);
                prop_assert!(notice.title.starts_with(cut.title.trim_end_matches('…').trim_end()));
                if let Some(cut) = &cut.body {
                    let whole = notice.body.as_deref().unwrap_or_default();
                    prop_assert!(whole.starts_with(cut.trim_end_matches('…').trim_end()));
                }
            }
        }
    }
}
