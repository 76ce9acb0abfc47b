//! The one place that writes to the terminal.

use super::failure::Failure;
use anstyle::AnsiColor;
pub(crate) use anstyle::Style;
use std::io::{ErrorKind, IsTerminal, Write};

/// What a person should look at first.
pub(crate) const STRONG: Style = Style::new().bold();
/// What may be overlooked.
pub(crate) const DIM: Style = Style::new().dimmed();
/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Something is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Names: keys, commands, kinds.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

/// Text in a style; the writer takes the style out where nobody would see it.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Makes text from the outside one harmless line: control characters could move the cursor or hide lines.
pub(crate) fn harmless(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(plain).collect()
}

/// A moment to the second, which is as much as a person reads.
pub(crate) fn moment(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// Where results go (standard output), and where remarks go (standard error).
pub(crate) struct Out {
    results: Box<dyn Write + Send>,
    remarks: Box<dyn Write + Send>,
    json: bool,
    /// Somebody reads the remarks.
    attended: bool,
}

impl Out {
    /// The process's own streams; colour where they are terminals and `NO_COLOR` is not set.
    pub(crate) fn of_process(json: bool) -> Self {
        Self {
            results: Box::new(anstream::AutoStream::auto(std::io::stdout())),
            remarks: Box::new(anstream::AutoStream::auto(std::io::stderr())),
            json,
            attended: std::io::stderr().is_terminal(),
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody reads the remarks.
    pub(crate) fn is_attended(&self) -> bool {
        self.attended
    }

    /// A line of results for a person.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        writeln!(self.results, "{text}").and_then(|()| self.results.flush()).map_err(output_failure)
    }

    /// Text of results as it is, for files.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Failure> {
        self.results.write_all(text.as_bytes()).and_then(|()| self.results.flush()).map_err(output_failure)
    }

    /// A result as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).expect("results have a JSON form");
        self.line(text)
    }

    /// A remark: shown where somebody reads it, left out in scripts.
    pub(crate) fn remark(&mut self, text: impl std::fmt::Display) {
        if self.attended {
            self.warn(text);
        }
    }

    /// A remark that is shown in scripts too.
    pub(crate) fn warn(&mut self, text: impl std::fmt::Display) {
        // Nothing sensible is left to do when standard error is gone.
        let _ = writeln!(self.remarks, "{text}");
    }
}

/// `belfry tail | head` is no failure.
fn output_failure(error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::quiet_end(),
        _ => Failure::failed(format!("the output cannot be written: {error}")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What a command wrote, without styles.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            let bytes = self.0.lock().unwrap();
            anstream::adapter::strip_bytes(&bytes).into_vec().try_into().unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An output that is kept; results and remarks in one text.
    pub(crate) fn kept(json: bool) -> (Out, Written) {
        let written = Written::default();
        let out = Out {
            results: Box::new(written.clone()),
            remarks: Box::new(written.clone()),
            json,
            attended: true,
        };
        (out, written)
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        assert_eq!(harmless("a\x1b[2Jb\nc\n"), "a\u{fffd}[2Jb c");
    }
}
