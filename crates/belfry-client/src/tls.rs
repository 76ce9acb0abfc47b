//! Which cryptography TLS uses.

/// Makes aws-lc the process's provider unless the process chose one before. HTTP and WebSocket clients both look there.
pub(crate) fn ensure_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // A second thread may win the race: its choice is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
