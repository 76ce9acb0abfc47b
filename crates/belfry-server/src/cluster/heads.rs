//! Reading where everybody stands who is connected here: once per heartbeat, spread over it, and at once when the bus is
//! back. Whatever hint was lost is made good by this: alerts, changes, settings, revocations.

use crate::clock;
use crate::cluster::Cluster;
use crate::hub::{Presence, Signal};
use crate::metrics::Counter;
use crate::services::Services;
use belfry_protocol::UserId;
use belfry_store::StoreError;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most users asked for by name; beyond it everybody is read.
const NAMED_MAX: usize = 10_000;

/// Whose heads are to be read before their turn.
#[derive(Debug, Default)]
pub struct Wanted {
    users: Mutex<HashSet<UserId>>,
    everybody: AtomicBool,
    wake: Notify,
}

impl Wanted {
    /// One user's.
    pub fn want(&self, user: UserId) {
        {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            match users.len() < NAMED_MAX {
                true => drop(users.insert(user)),
                false => self.everybody.store(true, Ordering::Release),
            }
        }
        self.wake.notify_one();
    }

    /// Everybody's, without spreading them.
    pub fn everybody(&self) {
        self.everybody.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The rounds come faster from now on.
    pub fn hurry(&self) {
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<UserId> {
        std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// Reads heads until the node stops.
pub async fn run(services: Arc<Services>, cluster: Arc<Cluster>) {
    let stop = services.tasks.stopping().clone();
    let reading = async {
        let mut round_at = clock::now().instant + interval(&services, &cluster);
        loop {
            let now = clock::now().instant;
            let soonest = now + interval(&services, &cluster);
            round_at = round_at.min(soonest);
            tokio::select! {
                () = tokio::time::sleep_until(round_at.into()) => {}
                () = cluster.wanted.wake.notified() => {}
            }
            let result = if cluster.wanted.everybody.swap(false, Ordering::AcqRel) {
                round(&services, &cluster, Duration::ZERO).await
            } else if clock::now().instant >= round_at {
                let interval = interval(&services, &cluster);
                round_at = clock::now().instant + interval;
                round(&services, &cluster, interval / 2).await
            } else {
                let named = cluster.wanted.take();
                read(&services, &cluster, named).await
            };
            if let Err(error) = result {
                tracing::warn!(error = %error, "where people stand is read later");
                cluster.wanted.everybody.store(true, Ordering::Release);
                tokio::time::sleep(RETRY_AFTER).await;
                cluster.wanted.wake.notify_one();
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = stop.cancelled() => {}
    }
}

fn interval(services: &Services, cluster: &Cluster) -> Duration {
    let heartbeat = services.config.live.heartbeat_interval;
    match cluster.is_deaf() {
        true => heartbeat.min(services.config.cluster.heads_interval_without_bus),
        false => heartbeat,
    }
}

/// Everybody once, spread over this time.
async fn round(services: &Services, cluster: &Cluster, over: Duration) -> Result<(), StoreError> {
    check_keys(services).await?;
    let batch = services.config.cluster.heads_batch_max as usize;
    let batches = services.hub.counts().users as usize / batch.max(1) + 1;
    let pause = over / u32::try_from(batches).unwrap_or(u32::MAX);
    let mut users = Vec::with_capacity(batch);
    for shard in services.hub.users() {
        for user in shard {
            users.push(user);
            if users.len() >= batch {
                read(services, cluster, std::mem::take(&mut users)).await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    read(services, cluster, users).await
}

async fn read(services: &Services, cluster: &Cluster, users: Vec<UserId>) -> Result<(), StoreError> {
    let users: Vec<UserId> = users.into_iter().filter(|user| services.hub.connections_of(user) > 0).collect();
    if users.is_empty() {
        return Ok(());
    }
    for user in &users {
        if matches!(services.hub.presence(user), Presence::Open { visible: false, .. }) {
            cluster.changes.is_hidden(user);
        }
    }
    let heads = services.store.heads(users).await?;
    services.metrics.add(Counter::HeadsRead, heads.len() as u64);
    for head in heads {
        let user = head.user.clone();
        services.hub.signal_here(&user, &Signal::Heads(Arc::new(head)));
    }
    Ok(())
}

/// Signing keys that were revoked or taken back at another node.
async fn check_keys(services: &Services) -> Result<(), StoreError> {
    let revoked: HashSet<String> =
        services.store.revoked_keys().await?.into_iter().map(|(key, _)| key.as_str().to_owned()).collect();
    let known = services.gate.verifier().revoked_keys();
    for key in revoked.iter().filter(|key| !known.iter().any(|known| known == *key)) {
        services.key_here(&key.as_str().into(), true).await;
    }
    for key in known.iter().filter(|key| !revoked.contains(*key)) {
        services.key_here(&key.as_str().into(), false).await;
    }
    Ok(())
}
