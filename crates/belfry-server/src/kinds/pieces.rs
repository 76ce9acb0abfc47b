//! The source of a template cut into text and code, for checks that look at it before it runs.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// It is written as it stands.
    Text,
    /// `{{ … }}`: what stands between the braces.
    Print,
    /// `{% … %}`: what stands between the signs.
    Statement,
}

/// One piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'s> {
    pub(super) kind: PieceKind,
    pub(super) text: &'s str,
    /// Its line in the template, from 1.
    pub(super) line: usize,
}

/// A word of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'s> {
    /// A name or a number.
    Name(&'s str),
    /// A text in quotes.
    Text,
    /// Anything else, one character each.
    Sign(char),
}

/// All pieces but the comments.
pub(super) fn pieces<'s>(source: &'s str) -> Vec<Piece<'s>> {
    let mut pieces = Vec::new();
    let mut line = 1;
    let mut rest = source;
    let mut push = |kind, text: &'s str, line| {
        if kind != PieceKind::Text || !text.is_empty() {
            pieces.push(Piece { kind, text, line });
        }
    };
    while !rest.is_empty() {
        let start = ["{{", "{%", "{#"].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
        let (text, code) = rest.split_at(start);
        push(PieceKind::Text, text, line);
        line += lines(text);
        let end = match code.as_bytes().get(1) {
            None => return pieces,
            Some(b'#') => code.find("#}").map_or(code.len(), |end| end + 2),
            Some(b'%') => code_end(code, "%}"),
            Some(_) => code_end(code, "}}"),
        };
        let (code, after) = code.split_at(end);
        let inner = code.get(2..code.len().saturating_sub(2)).unwrap_or_default();
        let inner = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        match code.as_bytes().get(1) {
            Some(b'{') => push(PieceKind::Print, inner, line),
            Some(b'%') if inner == "raw" => {
                let length = raw_end(after);
                push(PieceKind::Text, &after[..length], line + lines(code));
                line += lines(code) + lines(&after[..length]);
                rest = &after[length..];
                continue;
            }
            Some(b'%') => push(PieceKind::Statement, inner, line),
            _ => {}
        }
        line += lines(code);
        rest = after;
    }
    pieces
}

/// The words of a piece of code.
pub(super) fn words(code: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '"' | '\'' => {
                words.push(Word::Text);
                text_end(rest)
            }
            first if is_name(first) => {
                let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                words.push(Word::Name(&rest[..length]));
                length
            }
            first => {
                if !first.is_whitespace() {
                    words.push(Word::Sign(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    words
}

/// Whether the code uses this filter: `… | name` or `filter name`.
pub(super) fn uses_filter(words: &[Word<'_>], name: &str) -> bool {
    filter_uses(words, name).next().is_some()
}

/// The words behind each use of this filter.
pub(super) fn filter_uses<'w, 's>(words: &'w [Word<'s>], name: &str) -> impl Iterator<Item = &'w [Word<'s>]> {
    words.windows(2).enumerate().filter_map(move |(at, pair)| match pair {
        [Word::Sign('|') | Word::Name("filter"), Word::Name(found)] if *found == name => {
            Some(&words[at + 2..])
        }
        _ => None,
    })
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// Where code that begins here is over, its end mark included. Marks in quotes are none, nor are a map's braces.
fn code_end(code: &str, mark: &str) -> usize {
    let mut at = 2;
    let mut open = 0_usize;
    while let Some(next) = code[at..].chars().next() {
        match next {
            _ if open == 0 && code[at..].starts_with(mark) => return at + mark.len(),
            '"' | '\'' => at += text_end(&code[at..]),
            _ => {
                match next {
                    '{' => open += 1,
                    '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                at += next.len_utf8();
            }
        }
    }
    code.len()
}

/// The length of a text in quotes, its quotes included.
fn text_end(text: &str) -> usize {
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else { return 0 };
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return at + character.len_utf8();
        }
    }
    text.len()
}

/// Where the text of a raw block is over: before `{% endraw %}`.
fn raw_end(text: &str) -> usize {
    let starts = text.match_indices("{%").map(|(at, _)| at);
    let is_end =
        |at: &usize| text[at + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw");
    starts.into_iter().find(is_end).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(source: &str) -> Vec<(PieceKind, &str, usize)> {
        pieces(source).into_iter().map(|piece| (piece.kind, piece.text, piece.line)).collect()
    }

    #[test]
    fn text_prints_and_statements_are_told_apart_with_their_lines() {
        use PieceKind::{Print, Statement, Text};
        assert_eq!(
            cut("a {{ b }}\n{%- if c -%}d{# {{ e }} #}{% endif %}\n{{- f -}}"),
            [
                (Text, "a ", 1),
                (Print, "b", 1),
                (Text, "\n", 1),
                (Statement, "if c", 2),
                (Text, "d", 2),
                (Statement, "endif", 2),
                (Text, "\n", 2),
                (Print, "f", 3),
            ]
        );
    }

    #[test]
    fn marks_in_quotes_in_maps_and_in_raw_blocks_are_none() {
        use PieceKind::{Print, Statement, Text};
        assert_eq!(cut("{{ '}}' }}x"), [(Print, "'}}'", 1), (Text, "x", 1)]);
        assert_eq!(cut(r#"{{ "\"}}" }}x"#), [(Print, r#""\"}}""#, 1), (Text, "x", 1)]);
        assert_eq!(cut("{{ {'a': {'b': 1}} }}x"), [(Print, "{'a': {'b': 1}}", 1), (Text, "x", 1)]);
        assert_eq!(
            cut("{% raw %}{{ a }}{% b %}{%- endraw %}x"),
            [(Text, "{{ a }}{% b %}", 1), (Statement, "endraw", 1), (Text, "x", 1)]
        );
    }

    #[test]
    fn a_filter_is_found_by_its_bar_or_its_block() {
        let uses = |code| uses_filter(&words(code), "safe");
        assert!(uses("a|safe") && uses("a | upper | safe") && uses("filter safe"));
        assert!(!uses("safe") && !uses("data.safe") && !uses("a | safer") && !uses("'| safe'"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_nothing_is_invented(source in "[ -~äß\n{}%#'\"\\\\]{0,80}") {
            for piece in pieces(&source) {
                prop_assert!(source.contains(piece.text));
                let _ = words(piece.text);
            }
        }
    }
}
