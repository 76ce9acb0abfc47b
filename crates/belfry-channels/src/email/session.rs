//! One conversation with the mail server.

use super::SmtpTls;
use super::table::{Reply, Stage, Trouble};
use super::wire::Wire;
use crate::SendError;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a kept connection may take to say that it is still there.
const STILL_THERE: Duration = Duration::from_secs(2);
/// Ways to log in, the plainest first: all of them are used inside TLS only.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Where the server is and how to speak to it.
pub(super) struct Line {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) hello: ClientId,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
}

/// How the line is protected, with what that takes.
pub(super) enum Security {
    StartTls(TlsParameters),
    Tls(Arc<rustls::ClientConfig>),
    None,
}

impl Security {
    pub(super) fn mode(&self) -> SmtpTls {
        match self {
            Self::StartTls(_) => SmtpTls::StartTls,
            Self::Tls(_) => SmtpTls::Tls,
            Self::None => SmtpTls::None,
        }
    }
}

/// A mail on its way.
pub(super) struct Outgoing<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) bytes: &'a [u8],
}

/// One conversation. `stage` is told before each step, so that whoever cuts it short knows where it was.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
}

impl Session {
    /// Connects, protects the line and logs in.
    pub(super) async fn open(line: &Line, stage: &mut Stage) -> Result<Self, SendError> {
        *stage = Stage::Connect;
        let stream = connect(line, stage).await?;
        *stage = Stage::Greeting;
        let connection = AsyncSmtpConnection::connect_with_transport(stream, &line.hello).await;
        let mut connection = connection.map_err(|error| judge(&error, *stage))?;
        if let Security::StartTls(parameters) = &line.security {
            if !connection.can_starttls() {
                return Err(Trouble::NoStartTls.judge("the server offers no STARTTLS"));
            }
            *stage = Stage::Tls;
            let started = connection.starttls(parameters.clone(), &line.hello).await;
            started.map_err(|error| judge(&error, *stage))?;
        }
        if let Some(credentials) = &line.credentials {
            *stage = Stage::Auth;
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Err(Trouble::NoLogin.judge("the server offers neither AUTH PLAIN nor AUTH LOGIN"));
            }
            let entered = connection.auth(&MECHANISMS, credentials).await;
            entered.map_err(|error| judge(&error, *stage))?;
        }
        Ok(Self { connection })
    }

    /// Whether the server is still there after a rest, and ready for another mail.
    pub(super) async fn is_ready(&mut self) -> bool {
        matches!(tokio::time::timeout(STILL_THERE, self.connection.command(Rset)).await, Ok(Ok(_)))
    }

    /// Hands over one mail. After a refusal the session is as good as before, unless the server closes it.
    pub(super) async fn deliver(
        &mut self,
        mail: &Outgoing<'_>,
        stage: &mut Stage,
    ) -> Result<Response, SendError> {
        let parameters = self.parameters(mail)?;
        let outcome = self.transact(mail, parameters, stage).await;
        outcome.map_err(|error| judge(&error, *stage))
    }

    /// Whether the server would take mail from this sender; nothing is sent.
    pub(super) async fn try_sender(
        &mut self,
        sender: &lettre::Address,
        stage: &mut Stage,
    ) -> Result<(), SendError> {
        *stage = Stage::Sender;
        let heard = self.connection.command(Mail::new(Some(sender.clone()), Vec::new())).await;
        heard.map_err(|error| judge(&error, *stage))?;
        // Nothing is at stake any more; a server that is slow to part does not make the check fail.
        drop(tokio::time::timeout(STILL_THERE, self.connection.quit()).await);
        Ok(())
    }

    fn parameters(&self, mail: &Outgoing<'_>) -> Result<Vec<MailParameter>, SendError> {
        let mut addresses = mail.envelope.to().iter().chain(mail.envelope.from());
        if addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            return Ok(Vec::new());
        }
        if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Trouble::NoUnicode.judge("the server offers no SMTPUTF8"));
        }
        Ok(vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)])
    }

    async fn transact(
        &mut self,
        mail: &Outgoing<'_>,
        parameters: Vec<MailParameter>,
        stage: &mut Stage,
    ) -> Result<Response, Error> {
        *stage = Stage::Sender;
        self.connection.command(Mail::new(mail.envelope.from().cloned(), parameters)).await?;
        *stage = Stage::Recipient;
        for recipient in mail.envelope.to() {
            self.connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        *stage = Stage::Data;
        self.connection.command(Data).await?;
        *stage = Stage::Body;
        self.connection.message(mail.bytes).await
    }
}

async fn connect(line: &Line, stage: &mut Stage) -> Result<Box<dyn AsyncTokioStream>, SendError> {
    let unreachable = |error: std::io::Error| Trouble::Unreachable.judge(error.to_string());
    let stream = TcpStream::connect((line.host.as_str(), line.port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let peer = stream.peer_addr().map_err(unreachable)?;
    let Security::Tls(config) = &line.security else {
        return Ok(Box::new(Wire::new(stream, peer)));
    };
    *stage = Stage::Tls;
    let name =
        ServerName::try_from(line.host.clone()).map_err(|error| Trouble::Tls.judge(error.to_string()))?;
    let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    let stream = shaken.map_err(|error| Trouble::Tls.judge(error.to_string()))?;
    Ok(Box::new(Wire::new(stream, peer)))
}

/// Whether the server will not go on with this conversation.
pub(super) fn ends_session(error: &SendError) -> bool {
    error.status.is_none_or(|status| status == 421 || !(400..600).contains(&status))
}

fn judge(error: &Error, stage: Stage) -> SendError {
    if let Some(code) = error.status() {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        return Reply { code: code.into(), text }.judge(stage);
    }
    let said = error.to_string();
    // lettre's words for a connection that ended where an answer was due.
    let ended = said.ends_with("incomplete response");
    let trouble = match stage {
        Stage::Tls => Trouble::Tls,
        _ if error.is_timeout() => Trouble::timeout(stage),
        _ if error.is_response() && !ended => Trouble::Nonsense,
        _ => Trouble::closed(stage),
    };
    trouble.judge(said)
}
