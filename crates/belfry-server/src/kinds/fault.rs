//! What is wrong with a kind file, said so that a person can mend it.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// The folder is not taken over.
    Error,
    /// It works, but probably not as meant; `belfry kinds check` shows it.
    Warning,
}

/// One thing that is wrong: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindFault {
    /// How bad it is.
    pub gravity: Gravity,
    /// The file.
    pub file: PathBuf,
    /// The line in that file, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The field, for example `ladder[1].wait`; empty when the whole file is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for KindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if self.gravity == Gravity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        write!(f, "{}. {}.", self.problem, self.remedy)
    }
}

/// What is wrong and what to do, before file and line are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) gravity: Gravity,
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Complaint {
    pub(super) fn error(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { gravity: Gravity::Error, problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn warning(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { gravity: Gravity::Warning, problem: problem.into(), remedy: remedy.into() }
    }
}

/// The known name that is most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// `"a", "b" or "c"`, for remedies.
pub(super) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_file_line_field_problem_and_remedy() {
        let mut fault = KindFault {
            gravity: Gravity::Error,
            file: "kinds/deal.toml".into(),
            line: Some(7),
            field: "ladder[1].wait".to_owned(),
            problem: "it is empty".to_owned(),
            remedy: "Write a duration".to_owned(),
        };
        assert_eq!(fault.to_string(), "kinds/deal.toml:7: `ladder[1].wait`: it is empty. Write a duration.");
        fault.gravity = Gravity::Warning;
        fault.line = None;
        fault.field.clear();
        assert_eq!(fault.to_string(), "kinds/deal.toml: warning: it is empty. Write a duration.");
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_like_it() {
        let known = ["deal-notification", "system-message"];
        assert_eq!(nearest("deal-notifcation", known), Some("deal-notification"));
        assert_eq!(nearest("System_Message", known), Some("system-message"));
        assert_eq!(nearest("weather", known), None);
    }
}
