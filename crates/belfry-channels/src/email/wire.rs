//! The bytes to and from a mail server, with what lettre leaves to its caller: an answer has an end, and what comes
//! in clear text before the handshake is not believed after it.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of one answer, a handshake's certificates included.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The command after which both sides change to TLS.
const STARTTLS: &[u8] = b"STARTTLS\r\n";

/// A stream to a mail server.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    peer: SocketAddr,
    /// What the answer may still take.
    left: usize,
    /// The answer to `STARTTLS` so far; `None`: something else was asked last.
    before_handshake: Option<Vec<u8>>,
}

impl<S> Wire<S> {
    /// Around a connected stream.
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, left: ANSWER_BYTES_MAX, before_handshake: None }
    }

    fn asked(&mut self, command: &[u8]) {
        self.left = ANSWER_BYTES_MAX;
        self.before_handshake = (command == STARTTLS).then(Vec::new);
    }

    fn answered(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| refused("the answer is too long"))?;
        if let Some(answer) = &mut self.before_handshake {
            answer.extend_from_slice(bytes);
            if has_more_than_one_answer(answer) {
                // Somebody between us and the server puts words into its mouth: they would count as encrypted.
                return Err(refused("there was more than one answer to STARTTLS"));
            }
        }
        Ok(())
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn has_more_than_one_answer(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if line.get(3) != Some(&b'-') {
            return !after.is_empty();
        }
        rest = after;
    }
    false
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        Poll::Ready(this.answered(buf.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asked(buf);
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Wire<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn wire() -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(2 * ANSWER_BYTES_MAX);
        (Wire::new(ours, SocketAddr::from(([127, 0, 0, 1], 25))), theirs)
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let (mut wire, mut theirs) = wire();
        theirs.write_all(&vec![b'2'; ANSWER_BYTES_MAX]).await.unwrap();
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        wire.read_exact(&mut answer).await.unwrap();
        theirs.write_all(b"2").await.unwrap();
        assert!(wire.read_u8().await.is_err());
        wire.write_all(b"NOOP\r\n").await.unwrap();
        theirs.write_all(b"250 OK\r\n").await.unwrap();
        assert_eq!(wire.read_u8().await.unwrap(), b'2', "the next answer has its own allowance");
    }

    #[tokio::test]
    async fn a_second_answer_to_starttls_is_not_believed() {
        let answers: [(&[u8], bool); 4] = [
            (b"220 go\r\n", true),
            (b"220-go\r\n220 ahead\r\n", true),
            (b"220 go\r\n250 nice", false),
            (b"220-go\r\n220 ahead\r\n250 nice\r\n", false),
        ];
        for (answer, believed) in answers {
            let (mut wire, mut theirs) = wire();
            wire.write_all(STARTTLS).await.unwrap();
            theirs.write_all(answer).await.unwrap();
            let mut read = vec![0; 256];
            assert_eq!(wire.read(&mut read).await.is_ok(), believed, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn elsewhere_answers_may_come_together() {
        let (mut wire, mut theirs) = wire();
        wire.write_all(b"EHLO a\r\n").await.unwrap();
        theirs.write_all(b"250-a\r\n250 b\r\n421 bye\r\n").await.unwrap();
        let mut read = vec![0; 256];
        assert!(wire.read(&mut read).await.is_ok());
    }
}
