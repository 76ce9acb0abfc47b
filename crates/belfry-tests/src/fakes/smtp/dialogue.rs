//! One conversation.

use super::{Act, Heard, Line, ReceivedMail, Records, Setup, Step, lock};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why a conversation is over.
enum End {
    Closed,
    /// Said nothing more; the client has to notice.
    Hanging,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

struct Dialogue {
    stream: BufReader<Box<dyn Stream>>,
    setup: Setup,
    acceptor: TlsAcceptor,
    records: Arc<Mutex<Records>>,
    connection: usize,
    encrypted: bool,
    greeted: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

/// Speaks until one of both has enough.
pub(super) async fn run(
    stream: TcpStream,
    setup: Setup,
    acceptor: TlsAcceptor,
    records: Arc<Mutex<Records>>,
    connection: usize,
) {
    // Without it each answer may wait for the client's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    let stream: Box<dyn Stream> = match setup.line {
        Line::Tls => match acceptor.accept(stream).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
        Line::Plain | Line::StartTls => Box::new(stream),
    };
    let encrypted = setup.line == Line::Tls;
    let mut dialogue = Dialogue {
        stream: BufReader::new(stream),
        setup,
        acceptor,
        records,
        connection,
        encrypted,
        greeted: false,
        user: None,
        from: None,
        to: Vec::new(),
    };
    if let Err(End::Hanging) = dialogue.speak().await {
        // Until the client hangs up.
        let mut rest = Vec::new();
        drop(tokio::io::AsyncReadExt::read_to_end(&mut dialogue.stream, &mut rest).await);
    }
}

impl Dialogue {
    async fn speak(&mut self) -> Result<(), End> {
        self.answer(Step::Connect, "", "220 mail.example.com ESMTP").await?;
        loop {
            let line = self.line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.ehlo(&line).await?,
                "STARTTLS" => self.start_tls(&line).await?,
                "AUTH" => self.auth(&line).await?,
                "MAIL" => self.mail(&line).await?,
                "RCPT" => self.rcpt(&line).await?,
                "DATA" => self.data(&line).await?,
                "RSET" => {
                    self.forget_mail();
                    self.answer(Step::Rset, &line, "250 2.0.0 Ok").await?;
                }
                "QUIT" => {
                    self.answer(Step::Quit, &line, "221 2.0.0 Bye").await?;
                    return Err(End::Closed);
                }
                "NOOP" => {
                    self.answer(Step::Other, &line, "250 2.0.0 Ok").await?;
                }
                _ => {
                    self.violation(format!("unknown command `{line}`"));
                    self.answer(Step::Other, &line, "502 5.5.2 Not known here").await?;
                }
            }
        }
    }

    async fn ehlo(&mut self, line: &str) -> Result<(), End> {
        self.forget_mail();
        let mut offers = vec!["250-mail.example.com".to_owned(), "250-SIZE 1000000".to_owned()];
        if self.setup.line == Line::StartTls && !self.encrypted {
            offers.push("250-STARTTLS".to_owned());
        } else if self.setup.login.is_some() {
            offers.push(format!("250-AUTH {}", self.setup.mechanisms));
        }
        if self.setup.smtp_utf8 {
            offers.push("250-SMTPUTF8".to_owned());
        }
        offers.push("250-ENHANCEDSTATUSCODES".to_owned());
        offers.push("250 8BITMIME".to_owned());
        self.greeted = self.answer(Step::Ehlo, line, &offers.join("\r\n")).await?;
        Ok(())
    }

    async fn start_tls(&mut self, line: &str) -> Result<(), End> {
        if self.setup.line != Line::StartTls || self.encrypted {
            return self.out_of_order(Step::StartTls, line).await;
        }
        if !self.answer(Step::StartTls, line, "220 2.0.0 Ready to start TLS").await? {
            return Ok(());
        }
        if !self.stream.buffer().is_empty() {
            self.violation("the client spoke before the handshake".to_owned());
        }
        let empty: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(empty)).into_inner();
        let shaken = self.acceptor.accept(plain).await?;
        self.stream = BufReader::new(Box::new(shaken));
        // Whatever was known before the handshake is forgotten (RFC 3207).
        (self.encrypted, self.greeted, self.user) = (true, false, None);
        self.forget_mail();
        Ok(())
    }

    async fn auth(&mut self, line: &str) -> Result<(), End> {
        if self.setup.line == Line::StartTls && !self.encrypted {
            self.violation("a password in clear text".to_owned());
            self.answer(Step::Auth, line, "538 5.7.11 Encryption required").await?;
            return Ok(());
        }
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let offered = self.setup.mechanisms.split(' ').any(|offer| offer == mechanism);
        let (user, password) = match (mechanism.as_str(), offered) {
            ("PLAIN", true) => {
                let decoded = decoded(words.next().unwrap_or_default());
                let mut parts = decoded.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            ("LOGIN", true) => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = decoded(&self.line().await?);
                self.say("334 UGFzc3dvcmQ6").await?;
                (user, decoded(&self.line().await?))
            }
            _ => {
                self.answer(Step::Auth, line, "504 5.5.4 Unrecognized authentication type").await?;
                return Ok(());
            }
        };
        let good = self.setup.login.is_some_and(|(name, secret)| name == user && secret == password);
        let usual = match good {
            true => "235 2.7.0 Authentication successful",
            false => "535 5.7.8 Error: authentication failed",
        };
        // What was typed is not kept: a test that prints what was heard shows no password.
        if self.answer(Step::Auth, &format!("AUTH {mechanism}"), usual).await? {
            self.user = Some(user);
        }
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> Result<(), End> {
        if !self.greeted || self.from.is_some() {
            return self.out_of_order(Step::Mail, line).await;
        }
        let usual = if self.setup.line != Line::Plain && !self.encrypted {
            "530 5.7.0 Must issue a STARTTLS command first"
        } else if self.setup.login.is_some() && self.user.is_none() {
            "530 5.7.0 Authentication required"
        } else {
            "250 2.1.0 Ok"
        };
        if self.answer(Step::Mail, line, usual).await? {
            self.from = Some(path(line));
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> Result<(), End> {
        if self.from.is_none() {
            return self.out_of_order(Step::Rcpt, line).await;
        }
        if self.answer(Step::Rcpt, line, "250 2.1.5 Ok").await? {
            self.to.push(path(line));
        }
        Ok(())
    }

    async fn data(&mut self, line: &str) -> Result<(), End> {
        if self.to.is_empty() {
            return self.out_of_order(Step::Data, line).await;
        }
        if !self.answer(Step::Data, line, "354 End data with <CR><LF>.<CR><LF>").await? {
            return Ok(());
        }
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(End::Closed);
            }
            if !line.ends_with(b"\r\n") {
                self.violation("a line that does not end in CRLF".to_owned());
            }
            if line == b".\r\n" {
                break;
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let mail = ReceivedMail {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            user: self.user.clone(),
            encrypted: self.encrypted,
            raw,
            connection: self.connection,
        };
        let to = mail.to.join(" ");
        let act = self.heard(Step::Dot, &to);
        let takes = match &act {
            None | Some(Act::TakeAndHang | Act::TakeAndClose) => true,
            Some(Act::Say(said) | Act::SayAndClose(said)) => said.starts_with('2'),
            Some(Act::Hang | Act::Close) => false,
        };
        let number = {
            let mut records = lock(&self.records);
            if takes {
                records.mails.push(mail);
            }
            records.mails.len()
        };
        self.act(act, &format!("250 2.0.0 Ok: queued as FAKE{number}")).await?;
        Ok(())
    }

    async fn out_of_order(&mut self, step: Step, line: &str) -> Result<(), End> {
        self.violation(format!("out of order: `{line}`"));
        self.answer(step, line, "503 5.5.1 Bad sequence of commands").await?;
        Ok(())
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn violation(&self, what: String) {
        lock(&self.records).violations.push(what);
    }

    /// Writes down what was heard and finds what the test wants instead of the usual answer.
    fn heard(&self, step: Step, line: &str) -> Option<Act> {
        let heard = Heard { step, line: line.to_owned(), connection: self.connection };
        let mut records = lock(&self.records);
        records.heard.push(heard.clone());
        if let Some(index) = records.once.iter().position(|(wanted, _)| *wanted == step) {
            return Some(records.once.remove(index).1);
        }
        records.script.as_ref().and_then(|script| script(&heard))
    }

    /// Answers, and says whether the answer was a good one.
    async fn answer(&mut self, step: Step, line: &str, usual: &str) -> Result<bool, End> {
        let act = self.heard(step, line);
        self.act(act, usual).await
    }

    async fn act(&mut self, act: Option<Act>, usual: &str) -> Result<bool, End> {
        match act {
            None => self.say(usual).await.map(|()| usual.starts_with(['2', '3'])),
            Some(Act::Say(said)) => self.say(&said).await.map(|()| said.starts_with(['2', '3'])),
            Some(Act::SayAndClose(said)) => {
                self.say(&said).await?;
                Err(End::Closed)
            }
            Some(Act::Hang | Act::TakeAndHang) => Err(End::Hanging),
            Some(Act::Close | Act::TakeAndClose) => Err(End::Closed),
        }
    }

    async fn say(&mut self, answer: &str) -> Result<(), End> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<String, End> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(End::Closed);
        }
        if !self.stream.buffer().is_empty() {
            self.violation("the client did not wait for the answer".to_owned());
        }
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => {
                self.violation("a command that does not end in CRLF".to_owned());
                Ok(line.trim_end().to_owned())
            }
        }
    }
}

fn decoded(text: &str) -> String {
    BASE64_STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let after = line.split_once('<').map_or("", |(_, after)| after);
    after.split_once('>').map_or("", |(path, _)| path).to_owned()
}
