//! Telling sessions, wherever they are: whoever has committed something calls one of these, and no other way leads to
//! a session. At this node by the hub, at all others by the bus.

use crate::clock::Now;
use crate::cluster::hint::{Addressee, Hint, packs};
use crate::hub::{LiveAlert, LiveChange, Signal};
use crate::services::Services;
use belfry_bus::{Subject, partition_of};
use belfry_protocol::{AlertId, ConnectionId, Seq, UserId};
use belfry_store::{Notified, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Services {
    /// Tells all sessions of a user; says how many this node has.
    pub fn tell(&self, user: &UserId, signal: &Signal) -> u32 {
        self.tell_others(|| Hint::of(user, signal).map(|hint| (Subject::of_user(user.as_str()), hint)));
        self.hub.signal_here(user, signal)
    }

    /// Hands a new alert to its users' sessions; says how many this node has.
    pub fn tell_alert(&self, alert: &Arc<LiveAlert>, kind: &str, notified: &[Notified]) -> u32 {
        let mut frames = 0;
        for Notified { user, seq, unread, replaced } in notified {
            let signal =
                Signal::Alert { alert: Arc::clone(alert), seq: *seq, unread: *unread, replaces: *replaced };
            frames += self.hub.signal_here(user, &signal);
        }
        let Some(cluster) = self.cluster.as_ref().filter(|cluster| cluster.tells()) else { return frames };
        let mut partitions: BTreeMap<u16, Vec<Addressee>> = BTreeMap::new();
        for Notified { user, seq, unread, replaced } in notified {
            let to = Addressee { user: user.clone(), seq: *seq, unread: *unread, replaces: *replaced };
            partitions.entry(partition_of(user.as_str())).or_default().push(to);
        }
        for (partition, to) in partitions {
            for to in packs(to) {
                let hint = Hint::Alert { kind: kind.to_owned(), alert: Some(Arc::clone(alert)), to };
                cluster.send(Subject::Partition(partition), &hint);
            }
        }
        frames
    }

    /// Hands an alert for everyone to all sessions; says how many this node has.
    pub async fn tell_announcement(
        &self,
        alert: &Arc<LiveAlert>,
        kind: &str,
        seq: Seq,
        replaces: Option<AlertId>,
    ) -> u32 {
        self.tell_others(|| {
            let (kind, alert) = (kind.to_owned(), Some(Arc::clone(alert)));
            Some((Subject::All, Hint::Announcement { kind, alert, seq, replaces }))
        });
        let signal = |_: &_| Signal::Announcement { alert: Arc::clone(alert), seq, replaces };
        self.hub.broadcast_here(signal).await
    }

    /// Tells every session that announcements left.
    pub async fn tell_all_changed(&self, change: &Arc<LiveChange>, seq: Seq) {
        self.tell_others(|| Some((Subject::All, Hint::AllChanged { change: Some(Arc::clone(change)), seq })));
        self.hub.broadcast_here(|_| Signal::AllChanged { change: Arc::clone(change), seq }).await;
    }

    /// Takes a signing key's tokens no longer, or again; ends what stands on one.
    pub async fn tell_key(&self, kid: &Arc<str>, revoked: bool) {
        self.tell_others(|| Some((Subject::All, Hint::Key { kid: Arc::clone(kid), revoked })));
        self.key_here(kid, revoked).await;
    }

    /// The same at this node.
    pub(crate) async fn key_here(&self, kid: &Arc<str>, revoked: bool) {
        // Before the sessions are told: whoever is verified but not in the hub yet looks once more after registering.
        self.gate.verifier().set_key_revoked(kid, revoked);
        if revoked {
            self.hub.broadcast_here(|_| Signal::KeyRevoked(Arc::clone(kid))).await;
        }
    }

    /// Gives a connection its renewed token. `false`: nobody has such a connection, as far as is known.
    pub async fn tell_renewed(
        &self,
        user: &UserId,
        connection: ConnectionId,
        renewed: Signal,
        now: Now,
    ) -> Result<bool, StoreError> {
        if self.hub.signal_connection_here(user, connection, renewed.clone()) {
            return Ok(true);
        }
        // Which connections another node has is not written anywhere; that it has some of this user is.
        if self.connections_elsewhere(user, now).await? == 0 {
            return Ok(false);
        }
        let Signal::Renewed { expires_at, issued_at, kid } = renewed else { return Ok(false) };
        let hint = Hint::Renewed { user: user.clone(), connection, expires_at, issued_at, kid };
        self.tell_others(|| Some((Subject::of_user(user.as_str()), hint)));
        Ok(true)
    }

    /// Something of a user is to be read again by all their sessions.
    pub fn tell_to_look(&self, user: &UserId) {
        self.tell_others(|| Some((Subject::of_user(user.as_str()), Hint::Look(user.clone()))));
        if let Some(cluster) = &self.cluster {
            cluster.wanted.want(user.clone());
        }
    }

    fn tell_others(&self, hint: impl FnOnce() -> Option<(Subject, Hint)>) {
        if let Some(cluster) = self.cluster.as_ref().filter(|cluster| cluster.tells())
            && let Some((subject, hint)) = hint()
        {
            cluster.send(subject, &hint);
        }
    }

    /// Open connections of a user at other nodes.
    pub async fn connections_elsewhere(&self, user: &UserId, now: Now) -> Result<u32, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(0) };
        let found = self.store.elsewhere(vec![user.clone()], cluster.incarnation(), now.unix_ms()).await?;
        Ok(found.iter().map(|one| one.connections).sum())
    }
}
