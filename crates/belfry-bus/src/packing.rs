//! How messages that wait become payloads.

use crate::envelope::{Draft, EMPTY_BYTES, message_bytes};
use crate::message::{Message, NodeTag};
use crate::subject::Subject;
use bytes::Bytes;
use std::collections::HashMap;

/// What an engine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// A payload belongs to one subject. Bodies stay unless one alone is too long.
    PerSubject {
        /// The longest payload.
        max_bytes: usize,
    },
    /// Every subject in the same payload. Bodies stay while the batch is one payload; then there are heads only.
    Together {
        /// The longest payload.
        max_bytes: usize,
    },
}

/// A payload and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) subject: Subject,
    pub(crate) payload: Bytes,
}

/// A packed batch.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    pub(crate) packets: Vec<Packet>,
    pub(crate) bodies_left_out: u64,
}

/// Numbers the payloads of a node.
#[derive(Debug)]
pub(crate) struct Packer {
    node: NodeTag,
    serial: u32,
}

impl Packer {
    pub(crate) fn new(node: NodeTag) -> Self {
        Self { node, serial: 0 }
    }

    /// An envelope of this node with the next serial.
    pub(crate) fn draft(&mut self) -> Draft {
        self.serial = self.serial.wrapping_add(1);
        Draft::new(self.node, self.serial)
    }

    /// Packs a batch; messages of one subject keep their order.
    pub(crate) fn pack(&mut self, packing: Packing, mut batch: Vec<(Subject, Message)>) -> Packed {
        match packing {
            Packing::PerSubject { max_bytes } => {
                let bodies_left_out = leave_out_long_bodies(&mut batch, max_bytes);
                let packets = by_subject(batch)
                    .into_iter()
                    .flat_map(|(subject, group)| self.fill(subject, &group, max_bytes))
                    .collect();
                Packed { packets, bodies_left_out }
            }
            Packing::Together { max_bytes } => {
                let bodies_left_out = keep_bodies_of_one_payload(&mut batch, max_bytes);
                Packed { packets: self.fill(Subject::All, &batch, max_bytes), bodies_left_out }
            }
        }
    }

    fn fill(&mut self, subject: Subject, batch: &[(Subject, Message)], max_bytes: usize) -> Vec<Packet> {
        let mut packets = Vec::new();
        let mut draft = self.draft();
        let mut bytes = EMPTY_BYTES;
        for (about, message) in batch {
            let more = message_bytes(message);
            if bytes > EMPTY_BYTES && bytes + more > max_bytes {
                let full = std::mem::replace(&mut draft, self.draft());
                packets.push(Packet { subject, payload: full.seal() });
                bytes = EMPTY_BYTES;
            }
            draft.message(*about, message);
            bytes += more;
        }
        if bytes > EMPTY_BYTES {
            packets.push(Packet { subject, payload: draft.seal() });
        }
        packets
    }
}

fn leave_out_long_bodies(batch: &mut [(Subject, Message)], max_bytes: usize) -> u64 {
    let mut left_out = 0;
    for (_, message) in batch {
        if EMPTY_BYTES + message_bytes(message) > max_bytes && message.body.take().is_some() {
            left_out += 1;
        }
    }
    left_out
}

/// Heads come first; a body stays while everything still fits into one payload.
fn keep_bodies_of_one_payload(batch: &mut [(Subject, Message)], max_bytes: usize) -> u64 {
    let heads: usize =
        batch.iter().map(|(_, message)| message_bytes(message) - body_bytes(message)).sum::<usize>();
    let mut room = max_bytes.saturating_sub(EMPTY_BYTES + heads);
    let mut left_out = 0;
    for (_, message) in batch.iter_mut().filter(|(_, message)| message.body.is_some()) {
        match room.checked_sub(body_bytes(message)) {
            Some(rest) => room = rest,
            None => {
                message.body = None;
                left_out += 1;
            }
        }
    }
    left_out
}

fn body_bytes(message: &Message) -> usize {
    message.body.as_ref().map_or(0, Bytes::len)
}

/// Groups in the order in which their subjects first appear.
fn by_subject(batch: Vec<(Subject, Message)>) -> Vec<(Subject, Vec<(Subject, Message)>)> {
    let mut groups: Vec<(Subject, Vec<(Subject, Message)>)> = Vec::new();
    let mut places = HashMap::new();
    for (subject, message) in batch {
        let place = *places.entry(subject).or_insert_with(|| {
            groups.push((subject, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push((subject, message));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Item, read};
    use proptest::prelude::*;

    const HEAD: usize = 100;

    fn message(number: u32, body: Option<usize>) -> Message {
        let mut head = vec![0; HEAD];
        head[..4].copy_from_slice(&number.to_be_bytes());
        Message { head: head.into(), body: body.map(|length| vec![b'x'; length].into()) }
    }

    fn pack(packing: Packing, batch: &[(Subject, Message)]) -> (Packed, Vec<(Subject, Message)>) {
        let packed = Packer::new(NodeTag(1)).pack(packing, batch.to_vec());
        let items = packed.packets.iter().flat_map(|packet| {
            read(packet.payload.clone()).expect("what was packed can be read").items.into_iter()
        });
        let carried = items
            .map(|item| match item {
                Item::Message(subject, message) => (subject, message),
                Item::Probe(_) => panic!("nobody packed a probe"),
            })
            .collect();
        (packed, carried)
    }

    #[test]
    fn bodies_stay_while_the_batch_is_one_payload() {
        let together = Packing::Together { max_bytes: 1_000 };
        let fits = 1_000 - EMPTY_BYTES - 2 * (HEAD + 9) - 300;
        let at = [(Subject::All, message(1, Some(300))), (Subject::Partition(3), message(2, Some(fits)))];
        let (packed, carried) = pack(together, &at);
        assert_eq!((packed.packets.len(), packed.bodies_left_out), (1, 0));
        assert_eq!(carried, at);
        let over =
            [(Subject::All, message(1, Some(300))), (Subject::Partition(3), message(2, Some(fits + 1)))];
        let (packed, carried) = pack(together, &over);
        assert_eq!((packed.packets.len(), packed.bodies_left_out), (1, 1));
        assert_eq!(carried[0], over[0]);
        assert_eq!(carried[1], (Subject::Partition(3), message(2, None)), "the head arrives");
    }

    #[test]
    fn a_busy_batch_is_heads_in_as_many_payloads_as_it_takes() {
        let batch: Vec<_> = (0..50).map(|n| (Subject::Partition(n), message(n.into(), Some(10)))).collect();
        let (packed, carried) = pack(Packing::Together { max_bytes: 1_000 }, &batch);
        assert_eq!(packed.bodies_left_out, 50);
        assert!(packed.packets.len() > 1);
        assert!(carried.iter().all(|(_, message)| message.body.is_none()));
    }

    #[test]
    fn a_payload_has_one_subject_where_subjects_are_channels() {
        let batch: Vec<_> =
            (0..9).map(|n| (Subject::Partition(n % 3), message(n.into(), Some(50)))).collect();
        let (packed, _) = pack(Packing::PerSubject { max_bytes: 10_000 }, &batch);
        assert_eq!(packed.packets.len(), 3);
        for packet in &packed.packets {
            let items = read(packet.payload.clone()).expect("readable").items;
            assert!(
                items.iter().all(|item| matches!(item, Item::Message(about, _) if *about == packet.subject))
            );
        }
    }

    #[test]
    fn only_the_body_that_is_too_long_stays_behind() {
        let batch = [(Subject::All, message(1, Some(2_000))), (Subject::All, message(2, Some(800)))];
        let (packed, carried) = pack(Packing::PerSubject { max_bytes: 1_000 }, &batch);
        assert_eq!((packed.packets.len(), packed.bodies_left_out), (2, 1));
        assert_eq!(carried, [(Subject::All, message(1, None)), batch[1].clone()]);
    }

    proptest! {
        #[test]
        fn every_head_is_carried_in_order_and_no_payload_is_too_long(
            batch in prop::collection::vec((0..4_u16, prop::option::of(0..3_000_usize)), 0..60),
            together in any::<bool>(),
        ) {
            let max_bytes = 1_000;
            let packing =
                if together { Packing::Together { max_bytes } } else { Packing::PerSubject { max_bytes } };
            let batch: Vec<_> = batch.iter().zip(0..)
                .map(|((subject, body), number)| (Subject::Partition(*subject), message(number, *body)))
                .collect();
            let (packed, carried) = pack(packing, &batch);
            prop_assert!(packed.packets.iter().all(|packet| packet.payload.len() <= max_bytes));
            let heads = |of: &[(Subject, Message)], subject| of.iter()
                .filter(|(about, _)| *about == Subject::Partition(subject))
                .map(|(_, message)| message.head.clone())
                .collect::<Vec<_>>();
            for subject in 0..4 {
                prop_assert_eq!(heads(&carried, subject), heads(&batch, subject));
            }
            let serials: std::collections::HashSet<_> =
                packed.packets.iter().map(|packet| packet.payload.slice(9..13)).collect();
            prop_assert_eq!(serials.len(), packed.packets.len(), "no two payloads are alike");
        }
    }
}
