//! Rules about documents: links lead somewhere, and commands that people are told to type exist.

use super::Finding;
use super::source::Source;
use crate::command::root;
use std::collections::BTreeSet;

/// Generated from the binary's own help.
const COMMAND_LINE: &str = "docs/reference/command-line.md";
/// Commands that have commands.
const GROUPS: [&str; 3] = ["api-key", "epoch", "kinds"];

/// Checks every Markdown file against the files there are and the routines of this program.
pub(super) fn check(sources: &[Source], routines: &[String]) -> Vec<Finding> {
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    for source in sources {
        let mut path = source.path.as_str();
        paths.insert(path);
        while let Some((folder, _)) = path.rsplit_once('/') {
            paths.insert(folder);
            path = folder;
        }
    }
    let belfry = belfry_commands(sources);
    let documents = sources.iter().filter(|source| source.path.ends_with(".md"));
    let mut findings = Vec::new();
    for document in documents {
        let mut fenced = false;
        for (index, line) in document.text.lines().enumerate() {
            let at = |message: String| Finding::new(&document.path, index + 1, message);
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            for routine in after(line, "cargo xtask ") {
                if !routines.iter().any(|known| known == routine) {
                    findings.push(at(format!("`cargo xtask {routine}` does not exist")));
                }
            }
            for command in belfry_calls(line, fenced).filter(|_| !belfry.is_empty()) {
                if !belfry.contains(&command) {
                    findings.push(at(format!("`{command}` is not in {COMMAND_LINE}")));
                }
            }
            if fenced {
                continue;
            }
            for target in links(line) {
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = resolve(&document.path, file);
                // Pictures are no sources: nothing in them is checked but that they are there.
                let picture = path.ends_with(".png") && root().join(&path).is_file();
                if !paths.contains(path.as_str()) && !picture {
                    findings.push(at(format!("link to `{target}`: there is no `{path}`")));
                } else if !anchor.is_empty() && !has_heading(sources, &path, anchor) {
                    findings.push(at(format!("link to `{target}`: `{path}` has no heading of that name")));
                }
            }
        }
    }
    findings
}

/// The commands of the binary, as its own reference page names them.
fn belfry_commands(sources: &[Source]) -> BTreeSet<String> {
    let page = sources.iter().find(|source| source.path == COMMAND_LINE);
    let headings =
        page.iter().flat_map(|page| page.text.lines()).filter_map(|line| line.strip_prefix("## `"));
    headings.map(|heading| heading.trim_end_matches('`').to_owned()).collect()
}

/// What a line tells people to type: `belfry` and a command, with its own command where it has one.
fn belfry_calls(line: &str, fenced: bool) -> impl Iterator<Item = String> {
    let calls = line.match_indices("belfry ").filter(move |(at, _)| {
        let before = line[..*at].chars().next_back();
        if fenced {
            before.is_none_or(|c| c == '/' || c == ' ')
        } else {
            before.is_some_and(|c| c == '`' || c == '/')
        }
    });
    calls.filter_map(|(at, call)| {
        let mut words = line[at + call.len()..].split([' ', '`', '…']);
        let command = words.next().filter(|word| is_command(word))?;
        let group = GROUPS.contains(&command).then(|| words.next()).flatten().filter(|word| is_command(word));
        Some(group.map_or_else(|| format!("belfry {command}"), |word| format!("belfry {command} {word}")))
    })
}

fn is_command(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// The words that follow a phrase; none where the phrase ends a sentence or a placeholder stands there.
fn after<'a>(line: &'a str, phrase: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(phrase).filter_map(move |(at, _)| {
        let rest = &line[at + phrase.len()..];
        let end = rest
            .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-')
            .unwrap_or(rest.len());
        Some(&rest[..end]).filter(|word| !word.is_empty() && !word.starts_with('-'))
    })
}

/// Targets of Markdown links to files.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, _)| {
        let target = line[at + 2..].split(')').next()?;
        Some(target)
            .filter(|target| !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty())
    })
}

/// A relative path from a document, from the root.
pub(super) fn resolve(document: &str, target: &str) -> String {
    if target.is_empty() {
        return document.to_owned();
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn has_heading(sources: &[Source], path: &str, anchor: &str) -> bool {
    let Some(source) = sources.iter().find(|source| source.path == path) else { return true };
    let headings = source.text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| slug(line.trim_start_matches('#').trim())).any(|slug| slug == anchor)
}

/// A heading's anchor: lower case, hyphens for spaces, everything else but letters and digits left out.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let sources = [
            Source::new("docs/guides/first.md", text),
            Source::new("docs/concepts/delivery.md", "# Delivery\n## What a `202` promises\n"),
            Source::new("README.md", "# Belfry\n"),
            Source::new(
                COMMAND_LINE,
                "# Command line\n## `belfry`\n## `belfry tail`\n## `belfry kinds check`\n",
            ),
        ];
        check(&sources, &["dev".to_owned(), "e2e".to_owned(), "test".to_owned()])
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn links_lead_to_files_folders_and_headings() {
        assert!(
            found(
                "[a](../concepts/delivery.md) [b](../../README.md) [c](../concepts) [d](https://x.example/y)"
            )
            .is_empty()
        );
        assert!(found("[a](../concepts/delivery.md#what-a-202-promises)").is_empty());
        assert_eq!(found("[a](../concepts/gone.md)").len(), 1);
        assert_eq!(found("[a](../concepts/delivery.md#gone)").len(), 1);
        assert_eq!(found("# Here\n[a](#here) [b](#there)").len(), 1);
    }

    #[test]
    fn a_fence_holds_no_links_and_its_commands_exist() {
        assert!(found("```\n[a](gone.md)\ncargo xtask dev --listen x\n```").is_empty());
        assert_eq!(found("```\ncargo xtask devel\n```").len(), 1);
        assert!(found("Type `cargo xtask --help`, then `cargo xtask e2e`.").is_empty());
    }

    #[test]
    fn the_binary_knows_the_commands_people_are_told_to_type() {
        assert!(found("`belfry tail --user ann`, `belfry --help`, and belfry rings").is_empty());
        assert!(
            found(
                "```sh\ntarget/debug/belfry tail\nbelfry kinds check   # all\ncargo build --bin belfry\n```"
            )
            .is_empty()
        );
        assert_eq!(found("`belfry tale`").len(), 1);
        assert_eq!(found("```sh\nbelfry kinds chek\n```").len(), 1);
    }
}
