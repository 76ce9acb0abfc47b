//! What other nodes tell, and what to do when they cannot be heard.

use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::hint::{Hint, NoHint};
use crate::hub::Signal;
use crate::metrics::Counter;
use crate::services::Services;
use belfry_bus::{Bus, BusError, BusOptions, Event, Incoming, Message, NodeTag, Trouble};
use belfry_protocol::{Seq, Stream, UserId};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// After a failure to reach the bus at the start, before the next try.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);

/// The bus as far as it is there at the start. A server that cannot be reached is sought further; wrong options and
/// refused credentials are an operator's to put right.
pub async fn connect(options: BusOptions, cluster: &Cluster) -> Result<Option<Incoming>, BusError> {
    match Bus::connect(options, tag(cluster)).await {
        Ok((bus, incoming)) => {
            let _ = cluster.bus.set(bus);
            Ok(Some(incoming))
        }
        Err(error) if error.trouble == Trouble::Unreachable => {
            tracing::error!(error = %error, "without the bus alerts are late at other nodes; it is sought");
            cluster.deaf.store(true, Ordering::Release);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn tag(cluster: &Cluster) -> NodeTag {
    NodeTag(cluster.incarnation().0 as u64)
}

/// Hands on what other nodes tell, until the node stops.
pub async fn run(
    services: Arc<Services>,
    cluster: Arc<Cluster>,
    incoming: Option<Incoming>,
    options: BusOptions,
) {
    let stop = services.tasks.stopping().clone();
    let hearing = async {
        let mut incoming = match incoming {
            Some(incoming) => incoming,
            None => {
                let incoming = seek(&cluster, options).await;
                back(&cluster);
                incoming
            }
        };
        while let Some(event) = incoming.next().await {
            match event {
                Event::Message { from, message, .. } => hear(&services, &cluster, from, &message).await,
                Event::Lost => lost(&cluster),
                Event::Back => back(&cluster),
            }
        }
    };
    tokio::select! {
        () = hearing => {}
        () = stop.cancelled() => {}
    }
}

async fn seek(cluster: &Cluster, options: BusOptions) -> Incoming {
    loop {
        tokio::time::sleep(CONNECT_AGAIN).await;
        match Bus::connect(options.clone(), tag(cluster)).await {
            Ok((bus, incoming)) => {
                let _ = cluster.bus.set(bus);
                return incoming;
            }
            Err(error) => tracing::warn!(error = %error, "the bus is sought"),
        }
    }
}

/// What is committed here still reaches the sessions here; the rest they get with the next read of the heads.
fn lost(cluster: &Cluster) {
    cluster.deaf.store(true, Ordering::Release);
    cluster.wanted.hurry();
    tracing::warn!("the bus is away: what other nodes commit comes late");
}

fn back(cluster: &Cluster) {
    cluster.deaf.store(false, Ordering::Release);
    *cluster.back_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(clock::now().instant);
    cluster.wanted.everybody();
    tracing::info!("the bus is back: everybody's heads are read");
}

async fn hear(services: &Services, cluster: &Cluster, from: NodeTag, message: &Message) {
    match Hint::decode(message) {
        Ok(hint) => {
            services.metrics.count(Counter::HintsHeard);
            obey(services, cluster, from, hint).await;
        }
        Err(NoHint::Foreign) => services.metrics.count(Counter::HintsForeign),
        Err(error @ NoHint::Garbled(_)) => {
            services.metrics.count(Counter::HintsGarbled);
            tracing::warn!(node.tag = %from, error = %error, "another node wrote what this one cannot read");
        }
    }
}

async fn obey(services: &Services, cluster: &Cluster, from: NodeTag, hint: Hint) {
    let hub = &services.hub;
    match hint {
        Hint::Alert { kind, alert, to } => {
            let mut frames = 0;
            for one in to {
                frames += match &alert {
                    Some(alert) => {
                        let (alert, replaces) = (Arc::clone(alert), one.replaces);
                        let signal = Signal::Alert { alert, seq: one.seq, unread: one.unread, replaces };
                        hub.signal_here(&one.user, &signal)
                    }
                    None => behind(services, &one.user, one.seq),
                };
            }
            services.metrics.sent(&kind, frames, clock::now().instant);
        }
        Hint::Announcement { kind, alert: Some(alert), seq, replaces } => {
            let signal = |_: &_| Signal::Announcement { alert: Arc::clone(&alert), seq, replaces };
            let frames = hub.broadcast_here(signal).await;
            services.metrics.sent(&kind, frames, clock::now().instant);
        }
        Hint::AllChanged { change: Some(change), seq } => {
            hub.broadcast_here(|_| Signal::AllChanged { change: Arc::clone(&change), seq }).await;
        }
        Hint::Announcement { alert: None, seq, .. } | Hint::AllChanged { change: None, seq } => {
            hub.broadcast_here(|_| Signal::Expect(Stream::All, seq)).await;
        }
        Hint::Changed { user, change: Some(change), seq, unread, touches_all } => {
            hub.signal_here(&user, &Signal::Changed { change, seq, unread, touches_all });
        }
        Hint::Changed { user, change: None, seq, .. } => {
            behind(services, &user, seq);
        }
        Hint::Settings(user, Some(settings)) => {
            hub.signal_here(&user, &Signal::Settings(settings));
        }
        Hint::Settings(user, None) | Hint::Look(user) => cluster.wanted.want(user),
        Hint::Close(user, code, why) => {
            hub.signal_here(&user, &Signal::Close(code, Cow::Owned(why)));
        }
        Hint::Revoked(user, before) => {
            hub.signal_here(&user, &Signal::Revoked(before));
        }
        Hint::Key { kid, revoked } => services.key_here(&kid, revoked).await,
        Hint::Renewed { user, connection, expires_at, issued_at, kid } => {
            hub.signal_connection_here(&user, connection, Signal::Renewed { expires_at, issued_at, kid });
        }
        Hint::Crowd { user, seats, more, asks } => services.hear_crowd(from, user, seats, more, asks),
    }
}

fn behind(services: &Services, user: &UserId, seq: Seq) -> u32 {
    services.hub.signal_here(user, &Signal::Expect(Stream::User, seq))
}
