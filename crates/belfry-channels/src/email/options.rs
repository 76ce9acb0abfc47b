//! How to reach the relay, and what is wrong with how it was written.

use super::TIMEOUT;
use super::message::{Sender, parse_mailbox};
use super::session::Security;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the line to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// In clear text up to `STARTTLS`; a server that offers none gets nothing.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay on this machine, or on a network that is yours alone.
    None,
}

impl SmtpTls {
    /// The port that is usual for it.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// How to reach the relay, and who the mails are from.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Name or address of the relay; the name must be in its certificate.
    pub host: String,
    /// `None`: the usual one.
    pub port: Option<u16>,
    /// How the line is protected.
    pub tls: SmtpTls,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// With `password`: logs in.
    pub username: Option<String>,
    /// With `username`: logs in.
    pub password: Option<SecretString>,
    /// `Shop <alerts@example.com>`.
    pub from: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// Where bounces go.
    pub return_path: Option<String>,
    /// Right half of message ids; `None`: the domain of `from`.
    pub message_id_domain: Option<String>,
    /// What we call ourselves in `EHLO`; `None`: this machine's name.
    pub hello_name: Option<String>,
    /// Most connections at once.
    pub connections_max: u32,
    /// For one mail, with everything it takes.
    pub timeout: Duration,
}

impl SmtpOptions {
    /// This relay, with `STARTTLS`, and this sender.
    pub fn new(host: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            tls: SmtpTls::default(),
            ca_file: None,
            username: None,
            password: None,
            from: from.into(),
            reply_to: None,
            return_path: None,
            message_id_domain: None,
            hello_name: None,
            connections_max: 4,
            timeout: TIMEOUT,
        }
    }

    /// Whether the relay is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Who the mails are from.
    pub fn sender(&self) -> Result<Sender, SmtpFault> {
        let ascii = |key, name: &str| match !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(()),
            false => Err(SmtpFault::new(key, format!("`{name}` is not ASCII; write the domain as `xn--…`"))),
        };
        let mailbox = |key, text: &str| parse_mailbox(text).map_err(|problem| SmtpFault::new(key, problem));
        let optional =
            |key, text: &Option<String>| text.as_deref().map(|text| mailbox(key, text)).transpose();
        let from = mailbox("from", &self.from)?;
        ascii("from", from.email.as_ref())?;
        let return_path = optional("return_path", &self.return_path)?.map(|mailbox| mailbox.email);
        if let Some(domain) = &self.message_id_domain {
            ascii("message_id_domain", domain)?;
            if domain.contains(['@', '<', '>']) {
                return Err(SmtpFault::new("message_id_domain", format!("`{domain}` is no domain")));
            }
        }
        let reply_to = optional("reply_to", &self.reply_to)?;
        Ok(Sender { from, reply_to, return_path, message_id_domain: self.message_id_domain.clone() })
    }

    pub(super) fn credentials(&self) -> Result<Option<Credentials>, SmtpFault> {
        let (username, password) = match (&self.username, &self.password) {
            (Some(username), Some(password)) => (username, password),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(SmtpFault::new("password", "there is a user name without a password"));
            }
            (None, Some(_)) => {
                return Err(SmtpFault::new("username", "there is a password without a user name"));
            }
        };
        if self.tls == SmtpTls::None && !self.is_loopback() {
            let problem = "the password would travel in clear text; use \"starttls\" or \"tls\"";
            return Err(SmtpFault::new("tls", problem));
        }
        Ok(Some(Credentials::new(username.clone(), password.expose_secret().to_owned())))
    }

    fn certificates(&self) -> Result<Option<Vec<u8>>, SmtpFault> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let fault = |problem: String| SmtpFault::new("ca_file", format!("`{}` {problem}", path.display()));
        let pem = std::fs::read(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
        match CertificateDer::pem_slice_iter(&pem).next() {
            Some(Ok(_)) => Ok(Some(pem)),
            _ => Err(fault("holds no certificate in PEM".to_owned())),
        }
    }

    pub(super) fn security(&self) -> Result<Security, SmtpFault> {
        if self.tls == SmtpTls::None {
            return Ok(Security::None);
        }
        let pem = self.certificates()?;
        let fault = |error: &dyn std::fmt::Display| {
            SmtpFault::new("ca_file", format!("TLS cannot be set up: {error}"))
        };
        if self.tls == SmtpTls::StartTls {
            let mut parameters = TlsParameters::builder(self.host.clone());
            if let Some(pem) = pem {
                let certificate = Certificate::from_pem(&pem).map_err(|error| fault(&error))?;
                parameters =
                    parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
            }
            return parameters.build().map(Security::StartTls).map_err(|error| fault(&error));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(&error))?;
        let builder = match pem {
            None => builder.with_platform_verifier().map_err(|error| fault(&error))?,
            Some(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|error| fault(&error))?;
                    roots.add(certificate).map_err(|error| fault(&error))?;
                }
                builder.with_root_certificates(roots)
            }
        };
        Ok(Security::Tls(Arc::new(builder.with_no_client_auth())))
    }

    pub(super) fn hello(&self) -> Result<ClientId, SmtpFault> {
        let Some(name) = &self.hello_name else { return Ok(ClientId::default()) };
        match name.parse() {
            Ok(IpAddr::V4(ip)) => Ok(ClientId::Ipv4(ip)),
            Ok(IpAddr::V6(ip)) => Ok(ClientId::Ipv6(ip)),
            Err(_) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
                Ok(ClientId::Domain(name.clone()))
            }
            Err(_) => Err(SmtpFault::new("hello_name", format!("`{name}` is neither a name nor an address"))),
        }
    }

    /// What must never stand in an error: the password, in every form it takes on the wire.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let Some(password) = &self.password else { return Vec::new() };
        let password = password.expose_secret();
        let user = self.username.as_deref().unwrap_or_default();
        let encoded = [format!("\0{user}\0{password}"), password.to_owned()];
        let encoded = encoded.iter().map(|text| SecretString::from(BASE64_STANDARD.encode(text)));
        std::iter::once(SecretString::from(password)).chain(encoded).collect()
    }
}

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct SmtpFault {
    /// The field of [`SmtpOptions`].
    pub key: &'static str,
    /// What is wrong, in a plain sentence.
    pub problem: String,
}

impl SmtpFault {
    pub(super) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }
}
