//! Rules about single lines and about the length of files.

use super::Finding;
use super::source::{Source, without_comment};

/// Lines a file may have beside its inline tests.
const LINES_MAX: usize = 800;
/// Lines a file that holds nothing but tests may have: a long list of cases is easier to read than long code.
const TEST_LINES_MAX: usize = 1_200;

// Each word is put together here, or this file would be its own first finding.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What code may not contain, and what to write in its place.
const CODE: [(&str, &str); 7] = [
    (concat!("todo", "!("), "finish it, or leave it out"),
    (concat!("unimplemented", "!("), "finish it, or leave it out"),
    (concat!("dbg", "!("), "log a line with fields"),
    (concat!("#[al", "low("), "say why: #[expect(lint, reason = \"…\")]"),
    (concat!("#![al", "low("), "say why: #![expect(lint, reason = \"…\")]"),
    (concat!("#[ig", "nore"), "a test that does not run proves nothing: repair it or delete it"),
    (concat!("mpsc::unbo", "unded"), "every queue is bounded"),
];

/// What may not stand anywhere: it works for one person on one day.
const HOSTS: [&str; 8] = [
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("files.python", "hosted.org"),
    concat!("deb.deb", "ian.org"),
    concat!("proxy.gol", "ang.org"),
    concat!("docker", ".io"),
];

const SLEEPS: [&str; 3] =
    [concat!("thread::sl", "eep("), concat!("time::sl", "eep("), concat!("waitFor", "Timeout(")];

/// Checks every line of a file, and its length.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    // The lock file names the registry in each line; nobody writes it by hand.
    if source.path == "Cargo.lock" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut before = "";
    for (index, line) in source.text.lines().enumerate() {
        let at = |message: String| Finding::new(&source.path, index + 1, message);
        for host in HOSTS.iter().filter(|host| line.contains(**host)) {
            findings.push(at(format!(
                "names the registry host `{host}`: the installation decides where packages come from"
            )));
        }
        if is_program(&source.path) {
            for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
                findings.push(at(format!("`{word}`: finish it, or write an issue")));
            }
        }
        if source.path.ends_with(".rs") {
            let code = without_comment(line);
            for (word, remedy) in CODE.iter().filter(|(word, _)| code.contains(word)) {
                findings.push(at(format!("`{word}`: {remedy}")));
            }
        }
        if source.is_test(index + 1)
            && SLEEPS.iter().any(|sleep| without_comment(line).contains(sleep))
            && !line.contains("//")
            && !before.trim_start().starts_with("//")
        {
            findings.push(at("a test that sleeps: wait for a condition with a deadline, pause the clock, or say why in a comment".to_owned()));
        }
        before = line;
    }
    let lines = source.lines_without_tests();
    let limit = if source.is_test_file() { TEST_LINES_MAX } else { LINES_MAX };
    if is_program(&source.path) && lines > limit && !source.is_generated() {
        findings.push(Finding::new(
            &source.path,
            limit,
            format!("{lines} lines without inline tests, {limit} are the limit: split it by noun"),
        ));
    }
    findings
}

fn is_program(path: &str) -> bool {
    const ENDINGS: [&str; 10] =
        [".rs", ".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".sql", ".toml", ".py"];
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Whether the word stands alone, so that a longer one that contains it is not found.
fn has_word(line: &str, word: &str) -> bool {
    let joined =
        |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    line.match_indices(word).any(|(at, _)| {
        !joined(line[..at].chars().next_back()) && !joined(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unfinished_work_is_found_as_a_word_only() {
        let text = format!("// {}: later\nconst A: &str = \"M{}L\";\n", UNFINISHED[0], UNFINISHED[2]);
        let found = messages("crates/x/src/a.rs", &text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/x/src/a.rs:1: "), "{found:?}");
    }

    #[test]
    fn a_silenced_lint_needs_a_reason() {
        let found = messages("crates/x/src/a.rs", &format!("{}dead_code)]\nfn a() {{}}\n", CODE[3].0));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(messages("crates/x/src/a.rs", "#[expect(dead_code, reason = \"soon\")]\n").is_empty());
    }

    #[test]
    fn an_unbounded_queue_is_found_in_code_and_not_in_a_comment() {
        let call = format!("let (a, b) = {}_channel();\n", CODE[6].0);
        assert_eq!(messages("crates/x/src/a.rs", &call).len(), 1);
        assert!(messages("crates/x/src/a.rs", &format!("// never {call}")).is_empty());
    }

    #[test]
    fn a_sleep_in_a_test_needs_a_comment() {
        let test = |line: &str| format!("#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
        let sleep = concat!("    tokio::time::sl", "eep(a).await;");
        assert_eq!(messages("crates/x/src/a.rs", &test(sleep)).len(), 1);
        let explained = format!("    // The clock is paused: this moves it.\n{sleep}");
        assert!(messages("crates/x/src/a.rs", &test(&explained)).is_empty());
        assert!(messages("crates/x/src/a.rs", sleep).is_empty(), "a loop at the edge may wait");
        assert_eq!(messages("crates/x/tests/a.rs", sleep).len(), 1);
    }

    #[test]
    fn a_registry_host_is_found_in_every_file() {
        assert_eq!(
            messages("web/package-lock.json", &format!("\"resolved\": \"https://{}/a\"", HOSTS[0])).len(),
            1
        );
        assert!(messages("Cargo.lock", HOSTS[2]).is_empty());
    }

    #[test]
    fn a_file_is_too_long_above_the_limit_and_tests_do_not_count() {
        let lines = |count: usize| "fn a() {}\n".repeat(count);
        assert!(messages("crates/x/src/a.rs", &lines(LINES_MAX)).is_empty());
        assert_eq!(messages("crates/x/src/a.rs", &lines(LINES_MAX + 1)).len(), 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn b() {}\n".repeat(400));
        assert!(messages("crates/x/src/a.rs", &(lines(LINES_MAX) + &tests)).is_empty());
        assert!(messages("crates/x/tests/a.rs", &lines(LINES_MAX + 1)).is_empty());
        assert_eq!(messages("crates/x/tests/a.rs", &lines(TEST_LINES_MAX + 1)).len(), 1);
        assert!(
            messages("web/a.ts", &format!("// @generated by xtask codegen\n{}", lines(LINES_MAX + 1)))
                .is_empty()
        );
    }
}
