//! What came in and was not taken yet, bounded in messages and in bytes.

use crate::message::{Event, Message, NodeTag};
use crate::options::QueueLimits;
use crate::outbox::OVERHEAD_BYTES;
use crate::subject::Subject;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It waits for the receiver.
    Queued,
    /// There was no room; the receiver is told to read the store.
    Overflowed,
    /// The receiver reads the store anyway, once the link is back; or there is none any more.
    Needless,
}

/// The queue itself. At most one [`Event::Lost`] and one [`Event::Back`] wait in it, beside the messages.
#[derive(Debug)]
struct Arrived {
    limits: QueueLimits,
    events: VecDeque<Event>,
    messages: usize,
    bytes: usize,
    /// The link is gone.
    lost: bool,
    /// Nothing comes any more: what waits is the rest.
    ended: bool,
    /// The receiver is gone.
    deaf: bool,
}

impl Arrived {
    fn message(&mut self, event: Event, bytes: usize) -> Arrival {
        if self.lost || self.deaf || self.ended {
            return Arrival::Needless;
        }
        if self.messages >= self.limits.messages || self.bytes + bytes > self.limits.bytes {
            self.gap();
            return Arrival::Overflowed;
        }
        self.messages += 1;
        self.bytes += bytes;
        self.events.push_back(event);
        Arrival::Queued
    }

    /// Messages were missed while the link is well.
    fn gap(&mut self) {
        // While a `Back` waits, the receiver will read the store after this moment: that covers it.
        if !self.lost && !self.events.contains(&Event::Back) {
            self.events.push_back(Event::Lost);
            self.events.push_back(Event::Back);
        }
    }

    fn lose(&mut self) {
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        match self.events.iter().position(|event| *event == Event::Back) {
            // The receiver has not seen that `Back`: it stays with the loss before it, until the next one.
            Some(back) => {
                for event in self.events.split_off(back) {
                    self.uncount(&event);
                }
            }
            None => self.events.push_back(Event::Lost),
        }
    }

    fn regain(&mut self) {
        if std::mem::replace(&mut self.lost, false) {
            self.events.push_back(Event::Back);
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.uncount(&event);
        Some(event)
    }

    fn uncount(&mut self, event: &Event) {
        if let Event::Message { message, .. } = event {
            self.messages -= 1;
            self.bytes -= message.len() + OVERHEAD_BYTES;
        }
    }
}

/// The queue between the task that reads and the one that receives.
#[derive(Debug)]
pub(crate) struct Inbox {
    arrived: Mutex<Arrived>,
    filled: Notify,
}

impl Inbox {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let arrived = Arrived {
            limits,
            events: VecDeque::new(),
            messages: 0,
            bytes: 0,
            lost: false,
            ended: false,
            deaf: false,
        };
        Self { arrived: Mutex::new(arrived), filled: Notify::new() }
    }

    pub(crate) fn message(&self, subject: Subject, from: NodeTag, message: Message) -> Arrival {
        let bytes = message.len() + OVERHEAD_BYTES;
        self.change(|arrived| arrived.message(Event::Message { subject, from, message }, bytes))
    }

    /// Messages were missed while the link is well.
    pub(crate) fn gap(&self) {
        self.change(Arrived::gap);
    }

    /// The link is gone.
    pub(crate) fn lose(&self) {
        self.change(Arrived::lose);
    }

    /// The link is back and confirmed.
    pub(crate) fn regain(&self) {
        self.change(Arrived::regain);
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.change(|arrived| arrived.ended = true);
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let mut arrived = self.lock();
        arrived.deaf = true;
        arrived.events = VecDeque::new();
        (arrived.messages, arrived.bytes) = (0, 0);
    }

    /// The next event; `None` after the end. Cancel-safe. One task receives.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut arrived = self.lock();
                if let Some(event) = arrived.pop() {
                    return Some(event);
                }
                if arrived.ended {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Messages and bytes that wait.
    pub(crate) fn size(&self) -> (usize, usize) {
        let arrived = self.lock();
        (arrived.messages, arrived.bytes)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Arrived) -> T) -> T {
        let result = change(&mut self.lock());
        self.filled.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        // The queue is whole after every statement, also where a thread died.
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inbox(messages: usize) -> Inbox {
        Inbox::new(QueueLimits { messages, bytes: 10_000 })
    }

    fn put(inbox: &Inbox, number: u8) -> Arrival {
        inbox.message(Subject::All, NodeTag(1), Message::of_head(vec![number]))
    }

    /// A message as its number, `L`, `B`.
    fn taken(inbox: &Inbox) -> String {
        let mut arrived = inbox.lock();
        let mut taken = String::new();
        while let Some(event) = arrived.pop() {
            match event {
                Event::Message { message, .. } => taken += &message.head[0].to_string(),
                Event::Lost => taken.push('L'),
                Event::Back => taken.push('B'),
            }
        }
        taken
    }

    #[test]
    fn a_slow_receiver_is_told_once_where_the_gap_is() {
        let inbox = inbox(2);
        assert_eq!((put(&inbox, 1), put(&inbox, 2)), (Arrival::Queued, Arrival::Queued));
        assert_eq!((put(&inbox, 3), put(&inbox, 4)), (Arrival::Overflowed, Arrival::Overflowed));
        assert_eq!(taken(&inbox), "12LB");
        put(&inbox, 5);
        assert_eq!(taken(&inbox), "5", "what is over is over");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let inbox = Inbox::new(QueueLimits { messages: 100, bytes: 1_000 });
        let long = || Message::of_head(vec![0; 400]);
        let arrivals = [0, 1, 2].map(|_| inbox.message(Subject::All, NodeTag(1), long()));
        assert_eq!(arrivals, [Arrival::Queued, Arrival::Queued, Arrival::Overflowed]);
        assert_eq!(inbox.size(), (2, 2 * (400 + OVERHEAD_BYTES)));
        taken(&inbox);
        assert_eq!(inbox.size(), (0, 0));
    }

    #[test]
    fn no_message_comes_between_lost_and_back() {
        let inbox = inbox(9);
        put(&inbox, 1);
        inbox.lose();
        inbox.lose();
        assert_eq!(put(&inbox, 2), Arrival::Needless);
        inbox.gap();
        inbox.regain();
        put(&inbox, 3);
        assert_eq!(taken(&inbox), "1LB3");
    }

    #[test]
    fn a_flapping_link_does_not_fill_the_queue() {
        let inbox = inbox(9);
        for number in 1..9 {
            inbox.lose();
            inbox.regain();
            put(&inbox, number);
        }
        assert_eq!(taken(&inbox), "LB8");
        inbox.lose();
        assert_eq!(taken(&inbox), "L");
        inbox.regain();
        inbox.lose();
        assert_eq!(taken(&inbox), "", "it was told so already, and is not told otherwise");
        inbox.regain();
        assert_eq!(taken(&inbox), "B");
    }

    #[tokio::test]
    async fn what_waits_is_received_before_the_end() {
        let inbox = inbox(9);
        put(&inbox, 1);
        inbox.end();
        assert_eq!(put(&inbox, 2), Arrival::Needless);
        assert!(inbox.next().await.is_some());
        assert!(inbox.next().await.is_none());
    }

    #[test]
    fn nothing_is_kept_for_a_receiver_that_is_gone() {
        let inbox = inbox(9);
        put(&inbox, 1);
        inbox.abandon();
        put(&inbox, 2);
        assert_eq!(inbox.size(), (0, 0));
    }

    proptest! {
        /// 0 message, 1 lose, 2 regain, 3 take one: whatever was missed, a `Back` comes after it.
        #[test]
        fn after_everything_missed_there_is_a_back(steps in prop::collection::vec(0..4_u8, 0..200)) {
            let inbox = inbox(3);
            let (mut reads_store_after_miss, mut lost, mut told_lost) = (true, false, false);
            for step in steps.into_iter().chain([2, 3, 3, 3, 3, 3, 3]) {
                match step {
                    0 => if put(&inbox, 1) != Arrival::Queued { reads_store_after_miss = false },
                    1 => { inbox.lose(); lost = true; reads_store_after_miss = false },
                    2 => { inbox.regain(); lost = false },
                    _ => match inbox.lock().pop() {
                        Some(Event::Lost) => { prop_assert!(!told_lost); told_lost = true },
                        Some(Event::Back) => {
                            prop_assert!(told_lost);
                            told_lost = false;
                            reads_store_after_miss = !lost;
                        }
                        Some(Event::Message { .. }) => prop_assert!(!told_lost),
                        None => {}
                    },
                }
                prop_assert!(inbox.lock().events.len() <= 5);
            }
            prop_assert!(reads_store_after_miss && !told_lost);
        }
    }
}
