//! What else stands behind a proxy.

use axum::Router;
use axum::http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// An application that says what reached it; its port.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
pub(crate) async fn application() -> u16 {
    let echo = |headers: HeaderMap| async move {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        format!("the application, cookie {:?}, for {:?}", text("cookie"), text("x-forwarded-for"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(echo)).await });
    port
}

/// A node that reads a request and is gone: nobody can know what it did.
pub(crate) struct Fainting {
    pub(crate) address: SocketAddr,
    read: Arc<AtomicUsize>,
}

impl Fainting {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut some = [0; 4096];
                if stream.read(&mut some).await.is_ok_and(|bytes| bytes > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, read }
    }

    /// How many requests it has read.
    pub(crate) fn read(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }
}
