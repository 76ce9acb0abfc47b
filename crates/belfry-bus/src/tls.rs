//! Whom TLS trusts.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::ConfigVerifierExt;
use std::path::Path;

/// Makes aws-lc the process's provider unless the process chose one before: the clients look there.
pub(crate) fn ensure_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // A second thread may win the race: its choice is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// Trusts the certificates of a file, or those that the system trusts. The error is a sentence's part.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    ensure_provider();
    let Some(path) = ca_file else {
        return ClientConfig::with_platform_verifier()
            .map_err(|error| format!("the system's certificates cannot be used: {error}"));
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(path, &error))?;
        roots.add(certificate).map_err(|error| unreadable(path, &error))?;
    }
    if roots.is_empty() {
        return Err(format!("`{}` holds no certificate", path.display()));
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("the certificates in `{}` cannot be used: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let name = file.path().display().to_string();
        assert!(client_config(Some(file.path())).expect_err("it is empty").contains(&name));
        let missing = file.path().with_extension("missing");
        assert!(client_config(Some(&missing)).expect_err("it is missing").contains(&name));
    }
}
