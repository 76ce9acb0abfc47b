//! What waits to go out, bounded in messages and in bytes.

use crate::message::Message;
use crate::options::QueueLimits;
use crate::subject::Subject;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A message costs at least so much, so that empty ones are bounded as well.
pub(crate) const OVERHEAD_BYTES: usize = 64;

/// How much goes out at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// The queue itself.
#[derive(Debug)]
struct Waiting {
    limits: QueueLimits,
    messages: VecDeque<(Subject, Message)>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, subject: Subject, message: Message) -> bool {
        let bytes = message.len() + OVERHEAD_BYTES;
        if self.messages.len() >= self.limits.messages || self.bytes + bytes > self.limits.bytes {
            return false;
        }
        self.bytes += bytes;
        self.messages.push_back((subject, message));
        true
    }

    fn take(&mut self, limits: BatchLimits) -> Vec<(Subject, Message)> {
        let (mut count, mut bytes) = (0, 0);
        for (_, message) in &self.messages {
            let more = message.len() + OVERHEAD_BYTES;
            if count > 0 && (count == limits.messages || bytes + more > limits.bytes) {
                break;
            }
            count += 1;
            bytes += more;
        }
        self.bytes -= bytes;
        self.messages.drain(..count).collect()
    }
}

/// The queue between those who send and the task that does.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Outbox {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let waiting = Waiting { limits, messages: VecDeque::new(), bytes: 0 };
        Self { waiting: Mutex::new(waiting), filled: Notify::new() }
    }

    /// Leaves a message; `false`: there is no room.
    pub(crate) fn push(&self, subject: Subject, message: Message) -> bool {
        let pushed = self.lock().push(subject, message);
        if pushed {
            self.filled.notify_one();
        }
        pushed
    }

    /// Waits for something to send and takes it. Cancel-safe: nothing is taken before it is returned.
    pub(crate) async fn take(&self, limits: BatchLimits) -> Vec<(Subject, Message)> {
        loop {
            let batch = self.take_waiting(limits);
            if !batch.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// Takes what is there, perhaps nothing.
    pub(crate) fn take_waiting(&self, limits: BatchLimits) -> Vec<(Subject, Message)> {
        self.lock().take(limits)
    }

    /// Messages and bytes that wait.
    pub(crate) fn size(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.messages.len(), waiting.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The queue is whole after every statement, also where a thread died.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(QueueLimits { messages, bytes })
    }

    fn message(bytes: usize) -> Message {
        Message::of_head(vec![0; bytes])
    }

    const ALL: BatchLimits = BatchLimits { messages: usize::MAX, bytes: usize::MAX };

    #[test]
    fn the_limit_of_messages_holds_and_one_above_is_refused() {
        let outbox = outbox(3, usize::MAX);
        let pushed: Vec<bool> = (0..4).map(|_| outbox.push(Subject::All, message(1))).collect();
        assert_eq!(pushed, [true, true, true, false]);
        assert_eq!(outbox.take_waiting(ALL).len(), 3);
        assert!(outbox.push(Subject::All, message(1)), "there is room again");
    }

    #[test]
    fn the_limit_of_bytes_holds_and_one_above_is_refused() {
        let outbox = outbox(usize::MAX, 2 * OVERHEAD_BYTES + 30);
        assert!(outbox.push(Subject::All, message(20)));
        assert!(!outbox.push(Subject::All, message(11)));
        assert!(outbox.push(Subject::All, message(10)));
        assert_eq!(outbox.size(), (2, 2 * OVERHEAD_BYTES + 30));
        outbox.take_waiting(ALL);
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn a_batch_is_bounded_and_never_stuck_on_a_long_message() {
        let outbox = outbox(usize::MAX, usize::MAX);
        for bytes in [500, 10, 10, 10] {
            assert!(outbox.push(Subject::All, message(bytes)));
        }
        let limits = BatchLimits { messages: 2, bytes: 400 };
        let sizes: Vec<usize> = std::iter::from_fn(|| {
            let batch = outbox.take_waiting(limits);
            (!batch.is_empty()).then_some(batch.len())
        })
        .collect();
        assert_eq!(sizes, [1, 2, 1]);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let outbox = outbox(10, 10_000);
        let (batch, ()) = tokio::join!(outbox.take(ALL), async {
            outbox.push(Subject::All, message(1));
        });
        assert_eq!(batch.len(), 1);
    }
}
