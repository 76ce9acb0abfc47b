//! What may stand in a kind's HTML for e-mail. The engine escapes every value; here are the places where an escaped
//! value could still become markup, and the words that would turn escaping off.

use super::fault::Complaint;
use super::pieces::{Piece, PieceKind, pieces, uses_filter, words};

/// Where in the markup a place is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Text,
    /// Behind `<`.
    Opened,
    /// In a tag, outside of values.
    Tag,
    /// Behind `=`.
    BeforeValue,
    /// In a value without quotes.
    Bare,
    Quoted(char),
    Comment,
    /// In an element whose text is code.
    Code,
}

/// Finds what would let data write markup.
pub(super) fn check(source: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut reader =
        MarkupReader { place: Place::Text, tag: String::new(), attribute: String::new(), code: None };
    // However the rest of a statement is written, it begins so.
    for (at, _) in source.match_indices("{%") {
        let inner = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
        if inner.starts_with("autoescape") {
            let line = source[..at].matches('\n').count() + 1;
            complaints.push(complaint(
                line,
                "`autoescape` would let data write HTML",
                "Remove it; every value is escaped",
            ));
        }
    }
    for piece in pieces(source) {
        match piece.kind {
            PieceKind::Text => piece.text.chars().for_each(|next| reader.read(next)),
            PieceKind::Statement => {}
            PieceKind::Print => complaints.extend(reader.doubt(&piece)),
        }
        if piece.kind != PieceKind::Text && uses_filter(&words(piece.text), "safe") {
            let problem = "`safe` would let data write HTML";
            complaints.push(complaint(piece.line, problem, "Remove it; every value is escaped"));
        }
    }
    complaints
}

fn complaint(line: usize, problem: &str, remedy: &str) -> Complaint {
    Complaint::error(format!("{problem} (line {line} of the HTML)"), remedy)
}

/// Follows the markup character by character, as far as places matter.
struct MarkupReader {
    place: Place,
    /// The tag's name in small letters.
    tag: String,
    attribute: String,
    /// The element whose text is code, and the last characters of that text.
    code: Option<(String, String)>,
}

impl MarkupReader {
    /// Why no value may stand here.
    fn doubt(&self, piece: &Piece<'_>) -> Option<Complaint> {
        let quotes = "Put it in the quotes of an attribute: <a href=\"{{ … }}\">, or into the text";
        let elsewhere = "Put it into the text or a quoted attribute; mail programs run no scripts";
        match &self.place {
            Place::Text | Place::Comment => None,
            Place::Quoted(_) if self.attribute.starts_with("on") => {
                Some(complaint(piece.line, "a value stands in a script", elsewhere))
            }
            Place::Quoted(_) => None,
            Place::Code => {
                Some(complaint(piece.line, "a value stands in a script or a style sheet", elsewhere))
            }
            Place::Opened | Place::Tag | Place::BeforeValue | Place::Bare => {
                Some(complaint(piece.line, "a value stands in a tag without quotes around it", quotes))
            }
        }
    }

    fn read(&mut self, next: char) {
        let place = match (&self.place, next) {
            (Place::Text, '<') => {
                self.tag.clear();
                self.attribute.clear();
                Place::Opened
            }
            (Place::Opened, '>') | (Place::Tag | Place::BeforeValue | Place::Bare, '>') => self.closed(),
            (Place::Opened, next)
                if next.is_alphanumeric()
                    || matches!(next, '!' | '-' | ':' | '?')
                    || (next == '/' && self.tag.is_empty()) =>
            {
                self.tag.extend(next.to_lowercase());
                if self.tag == "!--" { Place::Comment } else { Place::Opened }
            }
            // `a < b` opens nothing.
            (Place::Opened, _) if self.tag.is_empty() => Place::Text,
            (Place::Opened, _) => Place::Tag,
            (Place::Tag, '=') => Place::BeforeValue,
            (Place::Tag, next) => {
                // A name is over where another begins: white space may stand before the `=`.
                if self.attribute.ends_with(' ') && !next.is_whitespace() {
                    self.attribute.clear();
                }
                match next {
                    '/' => self.attribute.clear(),
                    next if next.is_whitespace() => self.attribute.push(' '),
                    next => self.attribute.extend(next.to_lowercase()),
                }
                Place::Tag
            }
            (Place::BeforeValue, quote @ ('"' | '\'')) => Place::Quoted(quote),
            (Place::BeforeValue, next) if next.is_whitespace() => Place::BeforeValue,
            (Place::BeforeValue, _) => Place::Bare,
            (Place::Bare, next) if next.is_whitespace() => self.next_attribute(),
            (Place::Quoted(quote), next) if *quote == next => self.next_attribute(),
            (Place::Comment, next) => self.in_comment(next),
            (Place::Code, next) => self.in_code(next),
            (place, _) => place.clone(),
        };
        self.place = place;
    }

    fn next_attribute(&mut self) -> Place {
        self.attribute.clear();
        Place::Tag
    }

    fn closed(&mut self) -> Place {
        match self.tag.as_str() {
            "script" | "style" => {
                self.code = Some((self.tag.clone(), String::new()));
                Place::Code
            }
            _ => Place::Text,
        }
    }

    fn in_comment(&mut self, next: char) -> Place {
        self.attribute.push(next);
        if self.attribute.ends_with("-->") { Place::Text } else { Place::Comment }
    }

    fn in_code(&mut self, next: char) -> Place {
        let Some((element, text)) = &mut self.code else { return Place::Text };
        text.extend(next.to_lowercase());
        if text.ends_with(&format!("</{element}")) {
            self.tag.clear();
            return Place::Tag;
        }
        Place::Code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems(source: &str) -> Vec<String> {
        check(source).into_iter().map(|complaint| complaint.problem).collect()
    }

    #[test]
    fn values_may_stand_in_text_and_in_quotes() {
        for source in [
            "<p>{{ data.a }}</p>",
            "<a href=\"https://example.com/{{ data.a }}\" title='{{ data.b }}'>{{ data.c }}</a>",
            "1 < 2 {{ data.a }}",
            "<!-- <a {{ data.a }} --> {{ data.b }}",
            "<style>a { color: red }</style><p>{{ data.a }}</p>",
            "<br/>{{ data.a }}<img src=x>{{ data.a }}<!doctype html>{{ data.a }}",
            "<p{% if data.a %} class=\"x\"{% endif %}>{{ data.a }}</p>",
            "<td width=10>{{ data.a }}</td>",
        ] {
            assert_eq!(problems(source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn values_elsewhere_in_a_tag_in_scripts_and_in_styles_are_refused() {
        for source in [
            "<a href={{ data.a }}>",
            "<a href=/x{{ data.a }}>",
            "<a {{ data.a }}>",
            "<{{ data.a }}>",
            "<h{{ data.a }}>",
            "<a title=\"x\"{{ data.a }}>",
            "<a href = {{ data.a }}>",
            "<SCRIPT>{{ data.a }}</SCRIPT>",
            "<style>p { color: {{ data.a }} }</style>",
            "<style></style {{ data.a }}>",
            "<a onclick=\"{{ data.a }}\">",
            "<a class=\"x\" OnClick = 'f({{ data.a }})'>",
            "<script/>{{ data.a }}</script>",
        ] {
            assert_eq!(problems(source).len(), 1, "{source}");
        }
    }

    #[test]
    fn what_turns_escaping_off_is_refused_with_its_line() {
        assert_eq!(
            problems("a\n{{ data.a | safe }}"),
            ["`safe` would let data write HTML (line 2 of the HTML)"]
        );
        assert_eq!(problems("{% filter safe %}a{% endfilter %}").len(), 1);
        assert_eq!(
            problems("{%-  autoescape false %}{{ data.a }}{% endautoescape %}"),
            ["`autoescape` would let data write HTML (line 1 of the HTML)"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(source in "[ a-z<>=\"'/!\n{}%|ä-]{0,80}") {
            let _ = check(&source);
        }
    }
}
