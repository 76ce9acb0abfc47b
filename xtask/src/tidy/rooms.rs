//! The arrows inside the server: which module may know which.

use super::Finding;
use super::source::{Source, without_comment};

const SERVER: &str = "crates/belfry-server/src/";

/// The doors, and what only `main` and `app` put together.
const OUTER: [&str; 6] = ["http", "escalate", "app", "listener", "cli", "page"];

/// A module and those it never imports, beside the [`OUTER`] ones that are not itself.
const NEVER: [(&str, &[&str]); 22] = [
    ("http", &["live"]),
    ("live", &["publish"]),
    ("escalate", &["live", "publish"]),
    ("publish", &["live", "auth"]),
    ("changes", &["live", "auth", "publish"]),
    ("cluster", &["live", "publish", "changes", "arm"]),
    ("arm", &["live", "auth", "publish", "changes", "http"]),
    ("watch", &["live", "auth", "publish", "changes", "services", "hub", "metrics", "ways"]),
    ("ways", &["live", "auth", "publish", "changes", "services", "hub", "kinds", "metrics", "watch"]),
    // It holds the rules of a session, and nothing else of the living room.
    ("services", &["publish", "changes"]),
    ("hub", &["live", "auth", "publish", "changes", "services", "metrics", "kinds"]),
    ("kinds", &["live", "auth", "publish", "changes", "services", "hub", "config"]),
    ("auth", &["live", "publish", "changes", "services", "hub", "kinds", "config"]),
    ("config", &["live", "publish", "changes", "services", "hub"]),
    ("metrics", &["live", "auth", "publish", "changes", "services", "kinds"]),
    ("tasks", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("limiter", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("wire", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("quiet", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("duration", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("clock", &["live", "auth", "publish", "changes", "services", "hub", "kinds"]),
    ("cli", &["live", "publish", "changes"]),
];

/// What the outer rooms may know of each other.
const WIRED: [(&str, &[&str]); 1] = [("cli", &["app", "listener"])];

/// Checks one file of the server; its tests may know everything.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix(SERVER) else { return Vec::new() };
    let room = inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs");
    let Some((_, never)) = NEVER.iter().find(|(name, _)| *name == room) else { return Vec::new() };
    let code: String = source
        .text
        .lines()
        .enumerate()
        .map(|(index, line)| {
            if source.is_test(index + 1) { "\n".to_owned() } else { without_comment(line).to_owned() + "\n" }
        })
        .collect();
    let mut findings = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `my_crate::` ends alike.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        for module in imported(&code[at + "crate::".len()..]) {
            let wired = WIRED.iter().any(|(name, may)| *name == room && may.contains(&module));
            let outer = OUTER.contains(&module) && module != room && !wired;
            if outer || never.contains(&module) {
                findings.push(Finding::new(
                    &source.path,
                    line,
                    format!("`{room}` imports `{module}`: this arrow is not in ARCHITECTURE.md"),
                ));
            }
        }
    }
    findings
}

/// The modules named right after `crate::`: one, or the heads of a group.
fn imported(after: &str) -> Vec<&str> {
    let Some(group) = after.strip_prefix('{') else { return vec![word(after)] };
    let mut depth = 1;
    let mut modules = vec![word(group.trim_start())];
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => modules.push(word(group[at + 1..].trim_start())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    modules
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(&format!("{SERVER}{path}"), text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_front_door_does_not_know_the_living_room() {
        assert_eq!(lines("http/alerts.rs", "use crate::publish;\nuse crate::live::session;\n"), [2]);
        assert_eq!(lines("live/socket.rs", "fn a() { crate::http::problem(); }\n"), [1]);
        assert!(lines("app.rs", "use crate::http;\nuse crate::live;\n").is_empty());
    }

    #[test]
    fn a_group_is_read_over_several_lines() {
        let text = "use crate::{\n    hub::{self, live},\n    live::Session,\n};\n";
        assert_eq!(lines("http/stats.rs", text), [1]);
        assert!(lines("http/stats.rs", "use crate::{hub::{self, live}, publish};\n").is_empty());
    }

    #[test]
    fn tests_and_comments_may_name_everything() {
        let text = "// crate::live\n#[cfg(test)]\nmod tests {\n    use crate::live;\n}\n";
        assert!(lines("http/alerts.rs", text).is_empty());
    }

    #[test]
    fn other_crates_have_their_own_rules() {
        assert!(check(&Source::new("crates/belfry-tests/src/http.rs", "use crate::live;\n")).is_empty());
    }
}
