//! The binary as people call it: help, exit codes, what is printed where.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary in an empty folder, with an environment that holds nothing of Belfry's.
fn belfry(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    belfry(folder).args(arguments).output().expect("the binary was built for this test")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints UTF-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("was not ended by a signal")
}

#[test]
fn every_command_has_help() {
    let folder = tempfile::tempdir().unwrap();
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = commands.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = run(folder.path(), &arguments);
        let help = stdout(&output);
        assert_eq!(code(&output), 0, "{path:?}");
        assert!(help.contains("Usage: belfry"), "{path:?}: {help}");
        seen += 1;
        let Some((_, list)) = help.split_once("\nCommands:\n") else { continue };
        for line in list.lines().take_while(|line| !line.is_empty()) {
            let name = line.split_whitespace().next().unwrap();
            if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
                commands.push(path.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    assert!(seen >= 18, "{seen} commands were found");
}

#[test]
fn the_exit_codes_stand_in_the_help() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout(&run(folder.path(), &["--help"]));
    for line in [
        "0    done",
        "2    usage",
        "3    the server cannot be reached",
        "4    the server refused",
        "130  interrupted",
    ] {
        assert!(help.contains(line), "{help}");
    }
}

#[test]
fn unknown_flags_and_faulty_configuration_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(folder.path(), &["serve", "--lisen", "x"])), 2);
    std::fs::write(folder.path().join("belfry.toml"), "[server]\nlisen = 1\n").unwrap();
    let output = run(folder.path(), &["token", "--user", "ann"]);
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("belfry.toml:2: `server.lisen` is not a key; did you mean `server.listen`?")
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn serve_without_keys_says_all_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["serve"]);
    assert_eq!(code(&output), 2);
    let text = stderr(&output);
    assert!(
        text.contains("`auth.jwt_secret`: there is no key")
            && text.contains("`api_keys`: there is no API key"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colour when nobody looks: {text}");
    assert!(!folder.path().join("belfry-data").exists(), "nothing is made before the configuration is safe");
}

#[test]
fn a_server_that_is_not_there_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["trace", "0199c2f0-0000-7000-8000-000000000001"] as &[&str],
        &["revoke", "--user", "ann"],
        &["revoke", "--kid", "k"],
        &["publish", "--user", "ann", "--kind", "k"],
    ] {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--url", "http://127.0.0.1:1", "--api-key", "0123456789abcdef"]);
        let output = run(folder.path(), &arguments);
        assert_eq!(code(&output), 3, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
    }
}

#[test]
fn without_an_api_key_the_remedy_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["publish", "--user", "ann", "--kind", "k"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("BELFRY_API_KEY"), "{}", stderr(&output));
}

#[test]
fn a_token_goes_to_standard_output_alone() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "a secret that is long enough for HS256";
    let output = belfry(folder.path())
        .args(["token", "--user", "ann"])
        .env("BELFRY_JWT_SECRET", secret)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output).trim().split('.').count(), 3);
    assert_eq!(stderr(&output), "", "remarks are for terminals");
}

#[test]
fn the_references_and_the_api_description_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(stdout(&run(folder.path(), &["reference", "configuration"])).starts_with("# Configuration\n"));
    assert!(stdout(&run(folder.path(), &["reference", "command-line"])).starts_with("# Command line\n"));
    let document: serde_json::Value =
        serde_json::from_str(&stdout(&run(folder.path(), &["openapi"]))).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
