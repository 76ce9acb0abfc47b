//! E-mail: the mail is made here and handed to a relay, which signs it and carries it on.
//!
//! lettre builds the mail and speaks SMTP; the deadline, the reuse of connections and the meaning of answers are
//! ours: its own timeout covers the connecting only, and its transport forgets at which step a server said no.

mod language;
mod layout;
pub mod message;
mod options;
mod session;
mod table;
mod wire;

pub use message::{BuildError, Sender, new_alerts, parse_mailbox};
pub use options::{SmtpFault, SmtpOptions, SmtpTls};

use crate::{Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::device::Provider;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret, SecretString};
use session::{Line, Outgoing, Session, ends_session};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table::{Stage, Trouble};
use tokio::sync::Semaphore;

/// A connection that rested for longer is not used again: most servers close theirs after a few minutes.
const REST_MAX: Duration = Duration::from_secs(60);
/// The time one call may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// The way to a mail server. It keeps a few connections open for the next mail; those that rest too long are
/// dropped when the next one is sent.
pub struct Smtp {
    line: Line,
    sender: Sender,
    timeout: Duration,
    /// What must never stand in an error: the password, in every form it takes on the wire.
    secrets: Vec<SecretString>,
    resting: Mutex<Vec<Resting>>,
    places: Semaphore,
}

struct Resting {
    session: Session,
    since: Timestamp,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Smtp({}:{})", self.line.host, self.line.port)
    }
}

impl Smtp {
    /// Checks the options and reads the certificates; nothing is connected yet.
    pub fn new(options: &SmtpOptions) -> Result<Self, SmtpFault> {
        if options.host.is_empty() || options.host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(SmtpFault::new("host", format!("`{}` is no name of a host", options.host)));
        }
        Ok(Self {
            line: Line {
                host: options.host.clone(),
                port: options.port.unwrap_or(options.tls.usual_port()),
                hello: options.hello()?,
                security: options.security()?,
                credentials: options.credentials()?,
            },
            sender: options.sender()?,
            timeout: options.timeout,
            secrets: options.secrets(),
            resting: Mutex::default(),
            places: Semaphore::new(options.connections_max.max(1) as usize),
        })
    }

    async fn hand_over(
        &self,
        mail: &Outgoing<'_>,
        stage: &mut Stage,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let _place = self.places.acquire().await.expect("nobody closes it");
        if let Some(mut session) = self.rested(now) {
            if session.is_ready().await {
                match session.deliver(mail, stage).await {
                    // Servers end a conversation after some mails; nothing was said about this one.
                    Err(error) if *stage == Stage::Sender && ends_session(&error) => {}
                    outcome => return self.settle(session, outcome, now),
                }
            }
            // The others have rested for longer.
            self.resting().clear();
        }
        let mut session = Session::open(&self.line, stage).await?;
        let outcome = session.deliver(mail, stage).await;
        self.settle(session, outcome, now)
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that rested the shortest, if it is any good.
    fn rested(&self, now: Timestamp) -> Option<Session> {
        let mut resting = self.resting();
        resting.retain(|one| {
            Duration::try_from(now.duration_since(one.since)).is_ok_and(|rest| rest < REST_MAX)
        });
        resting.pop().map(|one| one.session)
    }

    fn settle(
        &self,
        session: Session,
        outcome: Result<Response, SendError>,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        if outcome.as_ref().err().is_none_or(|error| !ends_session(error)) {
            self.resting().push(Resting { session, since: now });
        }
        outcome.map(|response| receipt(&response))
    }

    fn without_secrets(&self, mut error: SendError) -> SendError {
        for secret in &self.secrets {
            error.said = error.said.replace(secret.expose_secret(), "…");
        }
        error
    }

    async fn send_one(
        &self,
        notice: &Notice,
        address: &Address,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        if notice.time_to_live(now, Duration::MAX).is_none() {
            return Err(Trouble::Expired.judge("it expired before it was sent"));
        }
        let mail = message::build(notice, address, &self.sender, now).map_err(|error| match error {
            BuildError::NoAddress => Trouble::NoAddress.judge(error.to_string()),
            BuildError::Unbuildable(problem) => Trouble::Unbuildable.judge(problem),
        })?;
        let bytes = mail.formatted();
        let mail = Outgoing { envelope: mail.envelope(), bytes: &bytes };
        let mut reached = Stage::Connect;
        let outcome = tokio::time::timeout(self.timeout, self.hand_over(&mail, &mut reached, now)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(self.late(reached)));
        outcome.map_err(|error| self.without_secrets(error))
    }

    fn late(&self, reached: Stage) -> SendError {
        Trouble::timeout(reached).judge(format!("no answer within {:?} ({reached:?})", self.timeout))
    }

    async fn look(&self) -> Result<String, SendError> {
        let mut reached = Stage::Connect;
        let work = async {
            let mut session = Session::open(&self.line, &mut reached).await?;
            session.try_sender(self.sender.envelope_from(), &mut reached).await
        };
        let outcome = tokio::time::timeout(self.timeout, work).await;
        outcome
            .unwrap_or_else(|_| Err(self.late(reached)))
            .map(|()| self.found())
            .map_err(|error| self.without_secrets(error))
    }

    fn found(&self) -> String {
        let Line { host, port, credentials, .. } = &self.line;
        let line = match self.line.security.mode() {
            SmtpTls::StartTls => "speaks STARTTLS",
            SmtpTls::Tls => "speaks TLS",
            SmtpTls::None => "answers in clear text",
        };
        let login = if credentials.is_some() { ", takes the password" } else { "" };
        format!("{host}:{port} {line}{login} and lets {} send", self.sender.envelope_from())
    }
}

impl Channel for Smtp {
    fn provider(&self) -> Provider {
        Provider::Smtp
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        self.send_one(notice, address, now).boxed()
    }

    fn check(&self, _now: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        self.look().boxed()
    }
}

fn receipt(response: &Response) -> Receipt {
    let text = response.message().collect::<Vec<_>>().join(" ");
    let said = format!("{} {text}", response.code());
    // Postfix says `queued as …`, Exim `id=…`: with it a mail can be found in the server's own log.
    let queued = text.split_once("queued as ").and_then(|(_, rest)| rest.split_whitespace().next());
    let named = text.split_whitespace().find_map(|word| word.strip_prefix("id="));
    Receipt {
        provider_id: queued.or(named).map(str::to_owned),
        said: crate::outcome::shorten(&said),
        moved_to: None,
    }
}

#[cfg(test)]
mod tests;
