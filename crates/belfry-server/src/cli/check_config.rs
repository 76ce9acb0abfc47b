//! `belfry check-config`.

use super::failure::{Exit, Failure};
use super::out::{BAD, DIM, GOOD, NAME, Out, STRONG, WARN, styled};
use crate::config::{ApiKeyOptions, Config, ConfigFaults, Finding, Origin, Setting, Sources, Weight};

#[derive(serde::Serialize)]
struct Report {
    settings: Vec<SettingReport>,
    api_keys: Vec<ApiKeyReport>,
    findings: Vec<FindingReport>,
}

#[derive(serde::Serialize)]
struct SettingReport {
    key: String,
    value: String,
    origin: String,
}

#[derive(serde::Serialize)]
struct ApiKeyReport {
    name: String,
    scopes: Vec<&'static str>,
}

#[derive(serde::Serialize)]
struct FindingReport {
    weight: &'static str,
    key: Option<&'static str>,
    message: String,
    remedy: Option<String>,
}

pub(crate) fn run(sources: &Sources, out: &mut Out) -> Result<(), Failure> {
    let (config, settings) = match Config::load_with_settings(sources) {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(&faults, out),
    };
    let findings = config.check();
    if out.is_json() {
        out.json(&report(settings, &config.api_keys, &findings))?;
    } else {
        print_settings(&settings, out)?;
        for key in &config.api_keys {
            let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
            out.line(format_args!("  {} may {}", styled(NAME, &key.name), scopes.join(", ")))?;
        }
        print_findings(&findings, out)?;
    }
    match findings.iter().any(|finding| finding.weight == Weight::Error) {
        true => Err(Failure::silent(Exit::Failed)),
        false => Ok(()),
    }
}

fn refuse(faults: &ConfigFaults, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let finding = |fault: &crate::config::Fault| FindingReport {
            weight: "error",
            key: None,
            message: fault.to_string(),
            remedy: None,
        };
        let findings = faults.0.iter().map(finding).collect();
        out.json(&Report { settings: Vec::new(), api_keys: Vec::new(), findings })?;
    } else {
        for fault in &faults.0 {
            out.line(format_args!("{} {fault}", styled(BAD, "error")))?;
        }
    }
    Err(Failure::silent(Exit::Failed))
}

fn print_settings(settings: &[Setting], out: &mut Out) -> Result<(), Failure> {
    let mut section = "";
    for setting in settings {
        let (own, key) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        if own != section {
            section = own;
            out.line(styled(STRONG, format_args!("[{own}]")))?;
        }
        let line = format!("{key} = {}", setting.value);
        match &setting.origin {
            Origin::Default => out.line(styled(DIM, line))?,
            origin => out.line(format_args!("{line}  {}", styled(DIM, format_args!("# {origin}"))))?,
        }
    }
    Ok(())
}

/// The findings, one line each, or that there are none.
pub(crate) fn print_findings(findings: &[Finding], out: &mut Out) -> Result<(), Failure> {
    for finding in findings {
        let word = match finding.weight {
            Weight::Error => styled(BAD, "error  "),
            Weight::Warning => styled(WARN, "warning"),
        };
        out.line(format_args!("{word} {finding}"))?;
    }
    if findings.is_empty() {
        out.line(format_args!("{} nothing to put right", styled(GOOD, "ok")))?;
    }
    Ok(())
}

fn report(settings: Vec<Setting>, api_keys: &[ApiKeyOptions], findings: &[Finding]) -> Report {
    let setting = |s: Setting| SettingReport { key: s.key, value: s.value, origin: s.origin.to_string() };
    let api_key = |key: &ApiKeyOptions| ApiKeyReport {
        name: key.name.clone(),
        scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
    };
    let finding = |finding: &Finding| FindingReport {
        weight: match finding.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        },
        key: Some(finding.key),
        message: finding.message.clone(),
        remedy: Some(finding.remedy.clone()).filter(|remedy| !remedy.is_empty()),
    };
    Report {
        settings: settings.into_iter().map(setting).collect(),
        api_keys: api_keys.iter().map(api_key).collect(),
        findings: findings.iter().map(finding).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let environment = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Sources { environment, ..Sources::default() }
    }

    #[test]
    fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
        let sources = environment(&[
            ("BELFRY_LISTEN", "127.0.0.1:9"),
            ("BELFRY_JWT_SECRET", "a secret that nobody may ever see here"),
            ("BELFRY_API_KEY", "another-one-of-these"),
            ("BELFRY__AUTH__ALLOWED_ORIGINS", "https://app.example.com"),
        ]);
        for json in [false, true] {
            let (mut out, written) = kept(json);
            run(&sources, &mut out).expect("nothing is wrong");
            let text = written.text();
            assert!(!text.contains("nobody may") && !text.contains("one-of-these"), "{text}");
            assert!(text.contains("BELFRY_LISTEN") && text.contains("127.0.0.1:9"), "{text}");
            assert!(text.contains("(set, not shown)"), "{text}");
        }
    }

    #[test]
    fn errors_end_with_exit_code_1_and_warnings_do_not() {
        let (mut out, written) = kept(false);
        let failure = run(&environment(&[]), &mut out).expect_err("there are no keys");
        assert_eq!(failure.exit, Exit::Failed);
        assert!(written.text().contains("error   `auth.jwt_secret`: there is no key to verify tokens"));

        let (mut out, written) = kept(true);
        let failure = run(&environment(&[("BELFRY__X__Y", "1")]), &mut out).expect_err("is faulty");
        assert_eq!(failure.exit, Exit::Failed);
        assert!(written.text().contains("`x` is not a section"), "{}", written.text());
    }
}
