//! Redis Cluster: every subject lives in a slot, every slot on a shard; one connection to each shard's primary.
//!
//! When slots move, the server takes the subscriptions back, and the link ends with that; so it does when a shard's
//! probe does not come back. The next link asks again where everything is.

use crate::error::{BusError, chain};
use crate::landing::Broken;
use crate::link::Link;
use crate::packing::Packet;
use crate::redis::{Dialler, grouped};
use crate::redis_sentinel::at;
use crate::subject::{PARTITIONS, Subject};
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, ConnectionInfo, Value, cmd, from_redis_value, pipe};
use futures_util::future::try_join_all;
use std::collections::HashMap;

const SLOTS: u16 = 16_384;

/// Connections to the shards, and which subject is where.
pub(crate) struct Shards {
    connections: Vec<MultiplexedConnection>,
    places: HashMap<Subject, usize>,
}

impl Shards {
    /// One subject of each shard.
    pub(crate) fn probed(&self) -> Vec<Subject> {
        let mut probed = vec![Subject::All; self.connections.len()];
        for (subject, shard) in &self.places {
            probed[*shard] = *subject;
        }
        probed
    }

    pub(crate) async fn publish(&mut self, packets: Vec<Packet>, prefix: &str) -> Result<(), Broken> {
        let mut groups = grouped(packets, |subject| self.places[&subject]);
        let publishing = self.connections.iter_mut().enumerate().filter_map(|(shard, connection)| {
            let packets = groups.remove(&shard)?;
            let mut pipeline = pipe();
            for packet in packets {
                pipeline.cmd("SPUBLISH").arg(packet.subject.name(prefix)).arg(&packet.payload[..]).ignore();
            }
            Some(async move { pipeline.exec_async(connection).await })
        });
        try_join_all(publishing).await.map(drop).map_err(|error| Broken(chain(&error)))
    }
}

/// Finds the shards from one of their nodes and subscribes at each to what is there.
pub(crate) async fn open(
    dialler: &Dialler<'_>,
    entrance: &mut MultiplexedConnection,
    server: &ConnectionInfo,
) -> Result<Link, BusError> {
    let slots: Value =
        cmd("CLUSTER").arg("SLOTS").query_async(entrance).await.map_err(|error| dialler.fault(&error))?;
    let ranges = read_ranges(&slots, host_of(server))
        .ok_or_else(|| dialler.blame.unreachable("the cluster does not say where its slots are"))?;
    let prefix = &dialler.options.common.prefix;
    let subjects = (0..PARTITIONS).map(Subject::Partition).chain([Subject::All]);
    let mut shards: Vec<(String, u16)> = Vec::new();
    let mut places = HashMap::new();
    for subject in subjects {
        let slot = slot(subject.name(prefix).as_bytes());
        let Some(range) = ranges.iter().find(|range| (range.first..=range.last).contains(&slot)) else {
            return Err(dialler.blame.unreachable(format_args!("nobody serves the cluster's slot {slot}")));
        };
        let address = (range.host.clone(), range.port);
        let shard = shards.iter().position(|known| *known == address).unwrap_or_else(|| {
            shards.push(address);
            shards.len() - 1
        });
        places.insert(subject, shard);
    }
    let dialling = shards.into_iter().enumerate().map(|(shard, (host, port))| {
        let here: Vec<String> = places
            .iter()
            .filter(|(_, place)| **place == shard)
            .map(|(subject, _)| subject.name(prefix))
            .collect();
        subscribed(dialler, at(server, host, port), here)
    });
    let connections = try_join_all(dialling).await?;
    Ok(dialler.sharded(Shards { connections, places }))
}

async fn subscribed(
    dialler: &Dialler<'_>,
    server: ConnectionInfo,
    channels: Vec<String>,
) -> Result<MultiplexedConnection, BusError> {
    let mut connection = dialler.dial(server).await?;
    // Channels of one command must be of one slot, so each has its own; they are sent together.
    let mut pipeline = pipe();
    for channel in channels {
        pipeline.cmd("SSUBSCRIBE").arg(channel).ignore();
    }
    pipeline.exec_async(&mut connection).await.map_err(|error| dialler.fault(&error))?;
    Ok(connection)
}

fn host_of(server: &ConnectionInfo) -> &str {
    match server.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "localhost",
    }
}

/// Slots next to each other and the primary that serves them.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    host: String,
    port: u16,
}

/// The answer to `CLUSTER SLOTS`: `[[first, last, [host, port, …], replica, …], …]`.
fn read_ranges(slots: &Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(ranges) = slots else { return None };
    let read = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let [first, last, Value::Array(primary), ..] = &parts[..] else { return None };
        let [host, port, ..] = &primary[..] else { return None };
        let host: Option<String> = from_redis_value(host.clone()).ok()?;
        // A node that does not know its own address means: the one you asked.
        let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.to_owned());
        Some(Range { first: number(first)?, last: number(last)?, host, port: number(port)? })
    };
    ranges.iter().map(read).collect()
}

fn number(value: &Value) -> Option<u16> {
    from_redis_value(value.clone()).ok()
}

/// The slot of a channel without braces: CRC-16 (XMODEM) modulo the number of slots.
fn slot(channel: &[u8]) -> u16 {
    let crc = channel.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        // The check value of CRC-16/XMODEM; and slots as a Redis server names them by CLUSTER KEYSLOT.
        assert_eq!(slot(b"123456789"), 0x31c3 % SLOTS);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b""), 0);
    }

    #[test]
    fn ranges_are_read_and_an_unknown_host_is_the_one_asked() {
        let node =
            |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::SimpleString("id".into())]);
        let name = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let slots = Value::Array(vec![
            Value::Array(vec![
                Value::Int(0),
                Value::Int(99),
                node(name("10.0.0.1"), 6379),
                node(name("10.0.0.9"), 6379),
            ]),
            Value::Array(vec![Value::Int(100), Value::Int(16_383), node(Value::Nil, 6380)]),
        ]);
        let expected = [
            Range { first: 0, last: 99, host: "10.0.0.1".to_owned(), port: 6379 },
            Range { first: 100, last: 16_383, host: "seed".to_owned(), port: 6380 },
        ];
        assert_eq!(read_ranges(&slots, "seed").as_deref(), Some(&expected[..]));
        assert_eq!(read_ranges(&Value::Int(1), "seed"), None);
    }
}
