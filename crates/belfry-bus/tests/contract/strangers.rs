//! Others who write to our subjects.

use crate::harness::*;
use belfry_bus::*;
use tokio::task::JoinSet;

/// Publishes bytes as any program could.
async fn scrawl(ground: &Ground, subject: &str, payload: &[u8]) {
    match ground.engine {
        Engine::Memory => panic!("nobody else writes there"),
        Engine::Redis => {
            let client = redis::Client::open(ground.address.as_str()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let channel = format!("{}.{subject}", ground.prefix);
            redis::cmd("PUBLISH").arg(channel).arg(payload).exec_async(&mut connection).await.unwrap();
        }
        Engine::Nats => {
            let client = async_nats::connect(ground.address.as_str()).await.unwrap();
            client.publish(format!("{}.{subject}", ground.prefix), payload.to_vec().into()).await.unwrap();
            client.flush().await.unwrap();
        }
        Engine::Postgres => {
            let (client, connection) =
                tokio_postgres::connect(&ground.address, tokio_postgres::NoTls).await.unwrap();
            let mut driving = JoinSet::new();
            driving.spawn(connection);
            let text = String::from_utf8_lossy(payload).into_owned();
            client.execute("SELECT pg_notify($1, $2)", &[&ground.prefix, &text]).await.unwrap();
        }
    }
}

contract! {
    on [Postgres Redis Nats]

    async fn what_cannot_be_read_is_counted_and_dropped(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        let scrawls: [&[u8]; 5] =
            [b"", b"{\"user\":\"ann\"}", b"AgAAAAAAAAABAAAAAQ", b"\x02\0\0\0\0\0\0\0\x09\0\0\0\x01", b"%%"];
        for payload in scrawls {
            // PostgreSQL takes no zero byte in a text.
            if ground.engine != Engine::Postgres || !payload.contains(&0) {
                scrawl(&ground, "p.3", payload).await;
            }
        }
        let expected = if ground.engine == Engine::Postgres { 4 } else { 5 };
        until("everything counted", || other.bus.gauges().garbled == expected).await;
        one.send(Subject::Partition(3), "all is well");
        assert_eq!(other.heard().await, "all is well");
        let gauges = other.bus.gauges();
        assert_eq!((gauges.losses, gauges.received), (0, 1));
    }
}
