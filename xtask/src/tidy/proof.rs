//! Rules about `docs/requirements.md`: every row names tests that there are, or says that it is not there yet.

use super::Finding;
use super::documents::resolve;
use super::source::Source;

const TABLE: &str = "docs/requirements.md";
/// What a row says that has no test.
const OPEN: &str = "not yet";

/// Checks each row's links: the text of one is the name of a test, and stands in the file it leads to.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(table) = sources.iter().find(|source| source.path == TABLE) else { return Vec::new() };
    let rows = table.text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, line, id(line)?)));
    rows.flat_map(|(number, line, id)| {
        let proofs: Vec<(&str, &str)> = proofs(line).collect();
        let mut faults = Vec::new();
        if proofs.is_empty() && !line.contains(OPEN) {
            faults.push(format!("{id} names no test: link one, or say `{OPEN}`"));
        }
        for (name, target) in proofs {
            let path = resolve(TABLE, target);
            let file = sources.iter().find(|source| source.path == path);
            if file.is_some_and(|file| !file.text.contains(name)) {
                faults.push(format!("{id}: `{path}` has no test `{name}`"));
            }
        }
        faults.into_iter().map(move |fault| Finding::new(TABLE, number, fault))
    })
    .collect()
}

/// `| K7 | …`: the row's id.
fn id(line: &str) -> Option<&str> {
    let id = line.strip_prefix("| ")?.split(" |").next()?;
    let number = id.strip_prefix(['K', 'F', 'B'])?;
    (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(id)
}

/// Links whose text is a name in backticks.
fn proofs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](")?;
        Some((name, rest.split(')').next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(row: &str) -> Vec<String> {
        let sources = [
            Source::new(TABLE, &format!("| id | what | shown by |\n|---|---|---|\n{row}\n")),
            Source::new("crates/x/tests/auth.rs", "fn a_bad_token_is_refused() {}"),
        ];
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_names_a_test_that_there_is() {
        assert!(found("| K1 | sockets | [`a_bad_token_is_refused`](../crates/x/tests/auth.rs) |").is_empty());
        let gone = found("| K1 | sockets | [`a_token_is_refused`](../crates/x/tests/auth.rs) |");
        assert!(gone[0].contains("has no test `a_token_is_refused`"), "{gone:?}");
    }

    #[test]
    fn a_row_without_a_test_says_so() {
        assert!(found("| B17 | console | not yet |").is_empty());
        assert!(found("| B17 | console | of course |")[0].contains("B17 names no test"));
        assert!(found("| Key | no row of the table |").is_empty());
    }
}
