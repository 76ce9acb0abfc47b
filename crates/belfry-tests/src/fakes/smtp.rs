//! A mail server: the real dialogue, with answers that a test can put in anywhere.
//!
//! It insists on the order of commands, on `CRLF`, on waiting for its answers (it offers no `PIPELINING`), on TLS and
//! on a login where it is set up so.

mod dialogue;
mod mail;

pub use mail::ReceivedMail;

use crate::eventually;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How the line is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Clear text only.
    Plain,
    /// `STARTTLS` is offered, and nothing else works before it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// What kind of server it is.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How the line is protected.
    pub line: Line,
    /// Who may send; `None`: everybody.
    pub login: Option<(&'static str, &'static str)>,
    /// What `AUTH` offers.
    pub mechanisms: &'static str,
    /// Whether addresses may hold more than ASCII.
    pub smtp_utf8: bool,
    /// The name in the certificate.
    pub certified: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            line: Line::StartTls,
            login: Some(("belfry", "open sesame")),
            mechanisms: "PLAIN LOGIN",
            smtp_utf8: true,
            certified: "127.0.0.1",
        }
    }
}

/// A point at which a test may put in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The greeting.
    Connect,
    /// `EHLO`.
    Ehlo,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`; for `LOGIN` after the password.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The final dot.
    Dot,
    /// `RSET`.
    Rset,
    /// `QUIT`.
    Quit,
    /// Anything else.
    Other,
}

/// What the server does instead of its usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Says this; lines are separated by `\r\n`, the last one is ended by us. A mail is taken with 2yz only.
    Say(String),
    /// Says this and closes.
    SayAndClose(String),
    /// Says nothing and keeps the connection open.
    Hang,
    /// Closes.
    Close,
    /// Takes the mail, says nothing and keeps the connection open.
    TakeAndHang,
    /// Takes the mail and closes.
    TakeAndClose,
}

/// A command, as a script sees it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Which one.
    pub step: Step,
    /// The line, without its end; for [`Step::Dot`] the recipients.
    pub line: String,
    /// On which connection, from 0.
    pub connection: usize,
}

type Script = Box<dyn Fn(&Heard) -> Option<Act> + Send>;

/// What is known of all conversations.
#[derive(Default)]
struct Records {
    mails: Vec<ReceivedMail>,
    heard: Vec<Heard>,
    /// Each of these answers one command only.
    once: Vec<(Step, Act)>,
    script: Option<Script>,
    /// What no client may do.
    violations: Vec<String>,
    connections: usize,
    open: usize,
}

/// A running server; it ends when it is dropped.
pub struct FakeSmtp {
    port: u16,
    ca_pem: String,
    records: Arc<Mutex<Records>>,
    _accepting: JoinSet<()>,
}

impl std::fmt::Debug for FakeSmtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FakeSmtp({})", self.port)
    }
}

impl FakeSmtp {
    /// Starts on a free port of loopback.
    pub async fn start(setup: Setup) -> Self {
        let certified = Certified::for_name(setup.certified);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let records = Arc::new(Mutex::new(Records::default()));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, setup, certified.acceptor(), Arc::clone(&records)));
        Self { port, ca_pem: certified.ca, records, _accepting: accepting }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Answers the next command of this kind so; several of them are used one after the other.
    pub fn once(&self, step: Step, act: Act) {
        self.records().once.push((step, act));
    }

    /// Asks this before each answer, after what [`Self::once`] put in; `None` means the usual answer.
    pub fn script(&self, script: impl Fn(&Heard) -> Option<Act> + Send + 'static) {
        self.records().script = Some(Box::new(script));
    }

    /// All mails that were taken, in order.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.records().mails.clone()
    }

    /// Mails to this address, in order.
    pub fn mails_to(&self, address: &str) -> Vec<ReceivedMail> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.to.iter().any(|to| to == address));
        mails
    }

    /// The first mail to this address, as soon as it is there.
    pub async fn mail_to(&self, address: &str) -> ReceivedMail {
        eventually("a mail", || async { self.mails_to(address).into_iter().next() }).await
    }

    /// Every command, in order.
    pub fn heard(&self) -> Vec<Heard> {
        self.records().heard.clone()
    }

    /// How often this was heard.
    pub fn count(&self, step: Step) -> usize {
        self.records().heard.iter().filter(|heard| heard.step == step).count()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.records().connections
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.records().open
    }

    /// What the client did that no client may do.
    pub fn violations(&self) -> Vec<String> {
        self.records().violations.clone()
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        lock(&self.records)
    }
}

fn lock(records: &Mutex<Records>) -> std::sync::MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn accept(listener: TcpListener, setup: Setup, acceptor: TlsAcceptor, records: Arc<Mutex<Records>>) {
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let connection = {
            let mut records = lock(&records);
            records.connections += 1;
            records.open += 1;
            records.connections - 1
        };
        let (setup, acceptor, records) = (setup.clone(), acceptor.clone(), Arc::clone(&records));
        conversations.spawn(async move {
            dialogue::run(stream, setup, acceptor, Arc::clone(&records), connection).await;
            lock(&records).open -= 1;
        });
        while conversations.try_join_next().is_some() {}
    }
}

/// A certificate for one name, by an authority of its own; all in PEM.
#[derive(Debug, Clone)]
pub struct Certified {
    /// Whom to trust.
    pub ca: String,
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Certified {
    /// For a name or an address.
    pub fn for_name(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().expect("a key is made");
        let ca = authority.self_signed(&authority_key).expect("it signs itself").pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key is made");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("is signed").pem();
        Self { ca, certificate, key: key.serialize_pem() }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).flatten().collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .expect("the certificate fits its key");
        TlsAcceptor::from(Arc::new(config))
    }
}
