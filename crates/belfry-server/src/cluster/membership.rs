//! The lease of this node, and the duties of those whose lease has ended.

use crate::clock::{self, Now};
use crate::cluster::{Cluster, draw, presence, stats};
use crate::metrics::Counter;
use crate::services::Services;
use belfry_protocol::AlertId;
use belfry_store::{NodeWrite, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Renewals within one lease.
const RENEWALS: u32 = 3;
/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// An alert's number is taken so long before it is held at the very most; clocks may be set back by as much.
const NUMBERS_SETTLE: Duration = Duration::from_secs(10);
/// For the leave: a store that is away must not hold up the end.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// How long it is remembered that somebody left: longer than anybody lingers.
const LEFT_KEPT: Duration = Duration::from_secs(600);
/// People forgotten with one renewal.
const SWEPT: u32 = 10_000;

/// Enters the cluster, and takes up what those left whose lease has ended: after a restart that is its own earlier run.
pub async fn join(services: &Services, cluster: &Cluster) -> Result<(), StoreError> {
    let now = clock::now();
    // Nothing was published by this node yet: it answers for what comes from now on.
    let node = me(services, cluster, mark(services, now).unwrap_or_else(|| settled(now)), now);
    services.store.join_node(node, now.unix_ms()).await?;
    take_over(services, cluster).await
}

/// Renews the lease and takes over those whose lease has ended, until the node stops.
pub async fn run(services: Arc<Services>, cluster: Arc<Cluster>) {
    let stop = services.tasks.stopping().clone();
    let every = services.config.cluster.lease / RENEWALS;
    let mut renewed_at = clock::now().instant;
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = cluster.rejoin.notified() => {
                if let Err(error) = enter_anew(&services, &cluster).await {
                    tracing::warn!(error = %error, "this node enters anew a little later");
                    cluster.rejoin.notify_one();
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                continue;
            }
            () = stop.cancelled() => return,
        }
        wait = match renew(&services, &cluster, &mut renewed_at).await {
            Ok(()) => every,
            Err(error) => {
                tracing::warn!(error = %error, "the lease of this node is renewed a little later");
                RETRY_AFTER.min(every)
            }
        };
    }
}

async fn renew(services: &Services, cluster: &Cluster, renewed_at: &mut Instant) -> Result<(), StoreError> {
    let now = clock::now();
    let lease = services.config.cluster.lease;
    let node = NodeWrite { watched_to: mark(services, now), ..me(services, cluster, 0, now) };
    if !services.store.renew_node(node, now.unix_ms()).await? {
        return enter_anew(services, cluster).await;
    }
    // Who could not renew in time could not because of the store: then nobody could, and all of them are alive.
    let late = now.instant.saturating_duration_since(*renewed_at) >= lease;
    *renewed_at = clock::now().instant;
    if late {
        return Ok(());
    }
    take_over(services, cluster).await?;
    services.store.sweep_presence(LEFT_KEPT, SWEPT, clock::now().unix_ms()).await?;
    Ok(())
}

async fn take_over(services: &Services, cluster: &Cluster) -> Result<(), StoreError> {
    while let Some(taken) = services.store.take_over(cluster.incarnation(), clock::now().unix_ms()).await? {
        services.metrics.count(Counter::NodesTakenOver);
        services.watch.look_from(taken.watched_to.saturating_add(1));
        tracing::warn!(
            node = %taken.name,
            user.count = taken.sessions,
            "took over what the node `{}` watched: its lease has ended",
            taken.name
        );
    }
    Ok(())
}

/// Others took this node for dead. What it watched is theirs now, and people who are connected here count as gone until
/// they are written again; it goes on watching too, since a delivery is opened once whoever asks for it.
async fn enter_anew(services: &Services, cluster: &Cluster) -> Result<(), StoreError> {
    let before = cluster.incarnation();
    let fresh = draw();
    let now = clock::now();
    let known = mark(services, now).or_else(|| services.watch.mark_by(settled(now)));
    let watched_to = known.unwrap_or_else(|| settled(now));
    let node = NodeWrite { incarnation: fresh, ..me(services, cluster, watched_to, now) };
    services.store.join_node(node, now.unix_ms()).await?;
    cluster.incarnation.store(fresh.0, Ordering::Release);
    // A row of the earlier run that is still there would hold people who have left since.
    services.store.leave_node(before, None, now.unix_ms()).await?;
    for shard in services.hub.users() {
        shard.iter().for_each(|user| cluster.changes.note(user));
    }
    cluster.wanted.everybody();
    services.metrics.count(Counter::NodeEnteredAnew);
    tracing::warn!(
        "this node was taken for dead and has entered anew: was it paused, or its store out of reach?"
    );
    Ok(())
}

/// Leaves in order: who is gone is written, and others take up at once what is still watched here.
pub async fn leave(services: &Services, cluster: &Cluster) {
    let leaving = async {
        presence::write(services, cluster).await?;
        let now = clock::now();
        services.store.leave_node(cluster.incarnation(), mark(services, now), now.unix_ms()).await
    };
    let left = tokio::time::timeout(LEAVE_WITHIN, leaving).await;
    if !matches!(left, Ok(Ok(()))) {
        tracing::warn!("this node could not take its leave: its lease has to end first");
    }
    if let Some(bus) = cluster.bus.get() {
        bus.close().await;
    }
}

fn me(services: &Services, cluster: &Cluster, watched_to: i64, now: Now) -> NodeWrite {
    NodeWrite {
        incarnation: cluster.incarnation(),
        name: services.config.server.node.clone(),
        lease: services.config.cluster.lease,
        watched_to: Some(watched_to),
        stats: stats::posted(services, now),
    }
}

/// Alerts up to here need no look on behalf of this node; `None`: it is not known right now, so it stays as it was.
fn mark(services: &Services, now: Now) -> Option<i64> {
    // Their recipients get alerts whose numbers are older than what has been looked at.
    if services.store.gauges().fanouts > 0 {
        return None;
    }
    services.watch.mark_by(settled(now))
}

/// No alert of this node gets a number below this any more.
fn settled(now: Now) -> i64 {
    let settle = i64::try_from(NUMBERS_SETTLE.as_millis()).unwrap_or(i64::MAX);
    AlertId::first_key_at(now.unix_ms().0.saturating_sub(settle)).saturating_sub(1)
}
