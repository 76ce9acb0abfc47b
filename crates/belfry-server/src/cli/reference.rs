//! The reference pages, made from what the program itself goes by.

use crate::config::DEFAULTS;
use clap::CommandFactory;
use std::fmt::Write;

/// The page about the configuration, made from `config.default.toml`.
pub fn configuration() -> String {
    let mut page = String::from("# Configuration\n\n");
    let mut comment: Vec<&str> = Vec::new();
    let mut head_is_over = false;
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.strip_prefix(' ').unwrap_or(text));
        } else if line.is_empty() {
            // The first comment stands for the whole file; later blank lines only separate sections.
            if !head_is_over {
                head_is_over = true;
                write!(page, "{}\n\n", prose(&comment)).expect("a String takes every text");
                comment.clear();
            }
        } else if let Some(section) = line.strip_prefix('[') {
            let name = section.trim_end_matches(']');
            write!(page, "## `[{name}]`\n\n{}\n\n", prose(&comment)).expect("a String takes every text");
            comment.clear();
        } else {
            let (key, value) =
                line.split_once(" = ").expect("a line is a comment, a section or a key, a test reads it");
            let heading = if page.contains("\n## ") { "###" } else { "##" };
            write!(page, "{heading} `{key}`\n\nDefault: `{value}`\n\n{}\n\n", prose(&comment))
                .expect("a String takes every text");
            comment.clear();
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Comment lines as Markdown: lines of one paragraph are joined, indented ones stay an example.
fn prose(comment: &[&str]) -> String {
    let mut text = String::new();
    let mut code = false;
    for line in comment {
        if let Some(example) = line.strip_prefix("    ") {
            if !code {
                text.push_str("```toml\n");
                code = true;
            }
            text.push_str(example);
            text.push('\n');
            continue;
        }
        if code {
            text.push_str("```\n");
            code = false;
        }
        if line.is_empty() {
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
        } else {
            text.push_str(line);
            text.push(if text.ends_with('\n') { '\n' } else { ' ' });
        }
    }
    if code {
        text.push_str("```");
    }
    text.trim_end().to_owned()
}

/// The page about the command line, made from the help of every command.
pub fn command_line() -> String {
    // What the environment happens to hold while the page is written is nobody's business.
    let mut command = without_environment(super::Cli::command().term_width(100));
    command.build();
    let mut page = String::from("# Command line\n\n");
    describe(&mut command, "belfry", &mut page);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn without_environment(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(without_environment)
}

fn describe(command: &mut clap::Command, path: &str, page: &mut String) {
    let help = command.clone().bin_name(path).render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(page, "## `{path}`\n\n```text\n{}\n```\n\n", help.join("\n").trim_end())
        .expect("a String takes every text");
    for child in command.get_subcommands_mut() {
        if !child.is_hide_set() && child.get_name() != "help" {
            let path = format!("{path} {}", child.get_name());
            describe(child, &path, page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_comment_that_says_since_when() {
        let mut comment = String::new();
        for line in DEFAULTS.lines() {
            if let Some(text) = line.strip_prefix('#') {
                comment.push_str(text);
            } else if line.contains(" = ") {
                assert!(comment.trim_end().ends_with("Since 0.1.0."), "{line}: {comment}");
                comment.clear();
            } else {
                comment.clear();
            }
        }
    }

    #[test]
    fn the_configuration_page_has_every_section_and_key() {
        let page = configuration();
        let document: toml::Table = toml::from_str(DEFAULTS).unwrap();
        for (name, value) in &document {
            let toml::Value::Table(keys) = value else {
                assert!(page.contains(&format!("\n## `{name}`\n")), "{name}");
                continue;
            };
            assert!(page.contains(&format!("\n## `[{name}]`\n")), "{name}");
            for key in keys.keys() {
                assert!(page.contains(&format!("\n### `{key}`\n\nDefault: `")), "{name}.{key}");
            }
        }
        assert!(page.contains("```toml\n[[api_keys]]\n"), "{page}");
    }

    #[test]
    fn the_command_line_page_has_every_command_that_is_not_hidden() {
        let page = command_line();
        for command in ["belfry", "belfry check-config", "belfry api-key new"] {
            assert!(page.contains(&format!("\n## `{command}`\n\n```text\n")), "{command}");
        }
        assert!(!page.contains("## `belfry reference`"));
        assert!(page.contains("130  interrupted"));
    }
}
