//! Everything that this thread logs at any level, our own lines and those of the libraries below.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

/// What was logged since.
pub(crate) struct Logged {
    text: Arc<Mutex<String>>,
    _guard: DefaultGuard,
}

impl Logged {
    /// From now on, on this thread.
    pub(crate) fn start() -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let guard = tracing::subscriber::set_default(Everything(Arc::clone(&text)));
        Self { text, _guard: guard }
    }

    /// None of these texts was logged, though something was.
    pub(crate) fn assert_silent_about(&self, secrets: &[&str]) {
        let text = self.text.lock().expect("no test panics with it");
        assert!(text.contains("h2"), "nothing was logged at all");
        for secret in secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "`{secret}` was logged");
        }
    }
}

struct Everything(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Everything {
    fn write(&self, of: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
        // What a client's library says; the fake's own TLS and HTTP/2 are not ours.
        let mut text = self.0.lock().expect("no test panics with it");
        let _ = write!(text, "{} {}", of.target(), of.name());
        record(&mut Line(&mut text));
        text.push('\n');
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.write(attributes.metadata(), |line| attributes.record(line));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
