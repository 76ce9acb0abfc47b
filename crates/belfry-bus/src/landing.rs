//! Where an engine's client puts what it received, so that it never waits for us.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The most that waits here. It is read without a pause, so that only a starved process comes near.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// A payload costs at least so much.
const OVERHEAD_BYTES: usize = 64;

/// What a link heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Payload(Bytes),
    /// Some payloads were dropped.
    Gap,
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

#[derive(Debug, Default)]
struct Landed {
    payloads: VecDeque<Bytes>,
    bytes: usize,
    gap: bool,
    broken: Option<Broken>,
}

/// A bounded queue of payloads that ends with the link.
#[derive(Debug, Default)]
pub(crate) struct Landing {
    landed: Mutex<Landed>,
    filled: Notify,
}

impl Landing {
    pub(crate) fn payload(&self, payload: Bytes) {
        let mut landed = self.lock();
        if landed.broken.is_some() {
            return;
        }
        let bytes = payload.len() + OVERHEAD_BYTES;
        if landed.bytes + bytes > MAX_BYTES {
            landed.gap = true;
        } else {
            landed.bytes += bytes;
            landed.payloads.push_back(payload);
        }
        drop(landed);
        self.filled.notify_one();
    }

    /// The client dropped payloads itself.
    pub(crate) fn gap(&self) {
        self.lock().gap = true;
        self.filled.notify_one();
    }

    /// The link is over. The first reason counts.
    pub(crate) fn end(&self, reason: impl Into<String>) {
        self.lock().broken.get_or_insert(Broken(reason.into()));
        self.filled.notify_one();
    }

    /// The next thing heard; what landed before the end comes before it. Cancel-safe.
    pub(crate) async fn next(&self) -> Result<Heard, Broken> {
        loop {
            {
                let mut landed = self.lock();
                if std::mem::take(&mut landed.gap) {
                    return Ok(Heard::Gap);
                }
                if let Some(payload) = landed.payloads.pop_front() {
                    landed.bytes -= payload.len() + OVERHEAD_BYTES;
                    return Ok(Heard::Payload(payload));
                }
                if let Some(broken) = &landed.broken {
                    return Err(broken.clone());
                }
            }
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Landed> {
        // The queue is whole after every statement, also where a thread died.
        self.landed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_comes_after_what_landed_before_it() {
        let landing = Landing::default();
        landing.payload(Bytes::from_static(b"1"));
        landing.end("closed");
        landing.end("again");
        landing.payload(Bytes::from_static(b"2"));
        assert_eq!(landing.next().await, Ok(Heard::Payload(Bytes::from_static(b"1"))));
        assert_eq!(landing.next().await, Err(Broken("closed".to_owned())));
    }

    #[tokio::test]
    async fn above_the_limit_there_is_a_gap_and_no_more_memory() {
        let landing = Landing::default();
        let payload = Bytes::from(vec![0; MAX_BYTES / 2 - OVERHEAD_BYTES]);
        for _ in 0..3 {
            landing.payload(payload.clone());
        }
        let heard = [landing.next().await, landing.next().await, landing.next().await];
        assert_eq!(heard, [Ok(Heard::Gap), Ok(Heard::Payload(payload.clone())), Ok(Heard::Payload(payload))]);
    }
}
