//! `belfry publish --file`: every line of a file, with progress, and a result per line.

use super::failure::{Exit, Failure};
use super::out::{GOOD, Out, STRONG, styled};
use super::publish::{failure, print_refused};
use belfry_client::{PublishError, Publisher};
use belfry_protocol::batch::BatchResult;
use belfry_protocol::{ErrorCode, NewAlert, Problem};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A line longer than this is no alert.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Numbers of lines that were handed over, and lines that are no alerts.
#[derive(Default)]
struct Lines {
    sent: VecDeque<u32>,
    faulty: VecDeque<(u32, Problem)>,
}

type SharedLines = Arc<Mutex<Lines>>;

pub(super) async fn run(
    publisher: &Publisher,
    url: &str,
    file: &Path,
    idempotency_key: Option<&str>,
    out: &mut Out,
) -> Result<(), Failure> {
    let (reader, all) = open(file)?;
    let bar = bar(all, out);
    let lines = SharedLines::default();
    let alerts = alerts(reader, idempotency_key.map(str::to_owned), lines.clone());
    let mut results = std::pin::pin!(publisher.publish_batch(stream::iter(alerts)));
    let mut tally = Tally::default();
    let ended = loop {
        let next = results.next().await;
        tally.report_faulty(&lines, out, &bar)?;
        let Some(result) = next else { break Ok(()) };
        let line = with(&lines, |lines| lines.sent.pop_front()).unwrap_or_default();
        let result = match result {
            Ok(answer) => BatchResult::accepted(line, answer),
            Err(PublishError::Refused(problem)) => BatchResult::refused(line, *problem),
            // Without a server the lines that follow would fare no better.
            Err(error) => break Err((line, failure(&error, url))),
        };
        tally.report(&result, out, &bar)?;
    };
    bar.finish_and_clear();
    tally.end(ended, idempotency_key.is_some(), out)
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
}

impl Tally {
    fn report(&mut self, result: &BatchResult, out: &mut Out, bar: &ProgressBar) -> Result<(), Failure> {
        bar.inc(1);
        match &result.problem {
            None => self.accepted += 1,
            Some(_) => self.refused += 1,
        }
        match &result.problem {
            _ if out.is_json() => out.json(result),
            Some(problem) => bar.suspend(|| print_refused(result.line, &Failure::of_problem(problem), out)),
            None => Ok(()),
        }
    }

    fn report_faulty(
        &mut self,
        lines: &SharedLines,
        out: &mut Out,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        while let Some((line, problem)) = with(lines, |lines| lines.faulty.pop_front()) {
            self.report(&BatchResult::refused(line, problem), out, bar)?;
        }
        Ok(())
    }

    fn end(&self, ended: Result<(), (u32, Failure)>, repeatable: bool, out: &mut Out) -> Result<(), Failure> {
        if !out.is_json() {
            let accepted = styled(STRONG, self.accepted);
            out.line(format_args!("{} {accepted} alerts, {} refused", styled(GOOD, "stored"), self.refused))?;
        }
        match ended {
            Err((line, failure)) => {
                let remedy = match repeatable {
                    true => "run the same command again: what is stored is not stored twice",
                    false => {
                        "publish the lines from there on; with `--idempotency-key` the whole file could be repeated"
                    }
                };
                let message = format!("stopped at line {line}: {}", failure.message);
                Err(Failure { message, ..failure }.remedy(remedy))
            }
            Ok(()) if self.refused > 0 => Err(Failure::silent(Exit::Refused)),
            Ok(()) => Ok(()),
        }
    }
}

fn with<T>(lines: &SharedLines, act: impl FnOnce(&mut Lines) -> T) -> T {
    act(&mut lines.lock().unwrap_or_else(PoisonError::into_inner))
}

type Input = Box<dyn BufRead + Send>;

/// The file, and how many lines it has where that can be known.
fn open(file: &Path) -> Result<(Input, Option<u64>), Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let unusable =
        |error: std::io::Error| Failure::failed(format!("`{}` cannot be read: {error}", file.display()));
    let counted = BufReader::new(std::fs::File::open(file).map_err(unusable)?);
    let mut all = 0;
    for line in counted.split(b'\n') {
        all += u64::from(!line.map_err(unusable)?.trim_ascii().is_empty());
    }
    Ok((Box::new(BufReader::new(std::fs::File::open(file).map_err(unusable)?)), Some(all)))
}

fn bar(all: Option<u64>, out: &Out) -> ProgressBar {
    if !out.is_attended() || out.is_json() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match all {
        Some(all) => (ProgressBar::new(all), "{bar:40} {percent}% {pos}/{len} alerts {per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} alerts {per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is a constant"))
}

/// The alerts of the file as they are asked for. Empty lines are skipped; a line that is no alert is noted.
fn alerts(input: Input, key: Option<String>, lines: SharedLines) -> impl Iterator<Item = NewAlert> + Send {
    let mut number: u32 = 0;
    let mut input = Some(input);
    std::iter::from_fn(move || {
        loop {
            let mut text = Vec::new();
            let read = input.as_mut()?.read_until(b'\n', &mut text);
            number = number.saturating_add(1);
            let refuse = |code, detail: String| {
                with(&lines, |lines| lines.faulty.push_back((number, Problem::new(code, detail))));
            };
            match read {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    input = None;
                    refuse(ErrorCode::JsonMalformed, format!("the file cannot be read on: {error}"));
                    return None;
                }
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            if text.len() > LINE_BYTES_MAX {
                refuse(ErrorCode::BodyTooLarge, format!("the line has {} bytes", text.len()));
                continue;
            }
            match serde_json::from_slice::<NewAlert>(&text) {
                Ok(mut alert) => {
                    if let (Some(key), None) = (&key, &alert.idempotency_key) {
                        alert.idempotency_key = Some(format!("{key}#{number}"));
                    }
                    with(&lines, |lines| lines.sent.push_back(number));
                    return Some(alert);
                }
                Err(error) if error.is_data() => refuse(ErrorCode::FieldInvalid, error.to_string()),
                Err(error) => refuse(ErrorCode::JsonMalformed, error.to_string()),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_and_bad_ones_are_noted() {
        let text = "{\"to\":{\"user\":\"ann\"},\"kind\":\"k\"}\n\n{\"to\"\n{\"to\":{\"user\":\"bob\"},\"kind\":\"k\",\"idempotency_key\":\"own\"}\n{\"kind\":1}";
        let lines = SharedLines::default();
        let input: Input = Box::new(std::io::Cursor::new(text));
        let keys: Vec<_> = alerts(input, Some("run".to_owned()), lines.clone())
            .map(|alert| alert.idempotency_key.unwrap())
            .collect();
        assert_eq!(keys, ["run#1", "own"]);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.sent, [1, 4]);
        let faulty: Vec<_> = lines.faulty.iter().map(|(line, problem)| (*line, problem.code)).collect();
        assert_eq!(faulty, [(3, ErrorCode::JsonMalformed), (5, ErrorCode::FieldInvalid)]);
    }

    #[test]
    fn lines_of_a_file_are_counted_without_the_empty_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "{}\n\n{}\n{}").unwrap();
        assert_eq!(open(&path).map(|(_, all)| all).ok(), Some(Some(3)));
        assert!(open(Path::new("/nowhere")).is_err());
    }
}
