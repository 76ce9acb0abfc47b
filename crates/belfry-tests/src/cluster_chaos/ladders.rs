//! What the store says of ladders, read beside the nodes.

use crate::night_chaos::audit::{DELIVERIES, Kill, LEASES, LEGS, Leg, Night, leg_state};
use belfry_server::clock;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Error, NoTls};

/// Asks the database something on a connection of its own.
pub(super) async fn on<T>(url: &str, ask: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Ends with this question.
    let mut serving = JoinSet::new();
    serving.spawn(connection);
    ask(&client).await
}

/// Where every ladder stands.
pub(super) async fn read(url: &str) -> Result<Night, Error> {
    on(url, async |store| {
        let mut night = Night::default();
        for row in store.query(DELIVERIES, &[]).await? {
            night.deliveries.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
        }
        for row in store.query(LEGS, &[]).await? {
            let state = leg_state(row.try_get(2)?);
            let (user, device, tag) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
            night.legs.push(Leg { user, device, state, tag });
        }
        Ok(night)
    })
    .await
}

/// A node is no more, or stands still: what any of them holds now, it may have held.
pub(super) async fn kill(url: &str) -> Result<Kill, Error> {
    on(url, async |store| {
        let mut kill = Kill { at: clock::now().unix_ms().0, ..Kill::default() };
        for row in store.query(LEASES, &[]).await? {
            kill.leases.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        Ok(kill)
    })
    .await
}
