//! What changes inboxes and settings, from whichever door it comes: the store first, then every open session.

use crate::clock::Now;
use crate::hub::{LiveChange, Signal};
use crate::metrics::Counter;
use crate::services::Services;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::preferences::Preferences;
use belfry_protocol::{AlertId, CloseCode, Cursor, DoNotDisturb, KeyId, StateChange, UserId};
use belfry_store::{
    AllChange, Recalled, Selection, Settings, StateChanged, StoreError, Swept, UnixMs, UserChange,
};
use std::sync::Arc;
use std::time::Duration;

/// Items that one sweep takes at most.
const SWEEP_ITEMS: u32 = 1_000;
/// Between two looks at what expired.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at what retention removes.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Between two looks for fan-outs that another node began.
const FANOUT_EVERY: Duration = Duration::from_secs(5);
/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Services {
    /// Changes items of a user and tells all their sessions.
    pub async fn change_state(
        &self,
        user: &UserId,
        selection: Selection,
        up_to: Option<Cursor>,
        change: StateChange,
        now: Now,
    ) -> Result<StateChanged, StoreError> {
        let ids = match &selection {
            Selection::Ids(ids) => ids.clone(),
            Selection::UpTo(_) => Vec::new(),
        };
        let changed = self.store.change_state(user, selection, change, now.unix_ms()).await?;
        if changed.changed {
            self.metrics.count(Counter::StateChanges);
            let change = Arc::new(LiveChange { ids, up_to, to: change.into() });
            let unread = changed.unread.user;
            // Ids may name announcements too: the sessions read that part of the count again.
            let signal = Signal::Changed { change, seq: changed.seq, unread, touches_all: true };
            self.tell(user, &signal);
        }
        Ok(changed)
    }

    /// Takes an alert back. `None`: there is no such alert.
    pub async fn recall(&self, id: AlertId, now: Now) -> Result<Option<Recalled>, StoreError> {
        let Some(recalled) = self.store.recall(id, now.unix_ms()).await? else { return Ok(None) };
        self.metrics.count(Counter::AlertsRecalled);
        if recalled.fanout {
            self.fanout_wake.notify_one();
        }
        self.tell_changes(&recalled.changes);
        if let Some(change) = &recalled.all {
            self.tell_left(change).await;
        }
        Ok(Some(recalled))
    }

    /// Sets do-not-disturb and tells all sessions of the user.
    pub async fn set_do_not_disturb(
        &self,
        user: &UserId,
        setting: DoNotDisturb,
        now: Now,
    ) -> Result<Settings, StoreError> {
        let settings = self.store.set_do_not_disturb(user, setting, now.unix_ms()).await?;
        self.tell(user, &Signal::Settings(Arc::new(settings.clone())));
        Ok(settings)
    }

    /// Sets preferences and tells all sessions of the user.
    pub async fn set_preferences(
        &self,
        user: &UserId,
        preferences: Preferences,
        now: Now,
    ) -> Result<Settings, StoreError> {
        let settings = self.store.set_preferences(user, preferences, now.unix_ms()).await?;
        self.tell(user, &Signal::Settings(Arc::new(settings.clone())));
        Ok(settings)
    }

    /// Turns e-mail off for one category and tells all sessions of the user.
    pub async fn unsubscribe(&self, user: &UserId, category: &str, now: Now) -> Result<(), StoreError> {
        if let Some(settings) = self.store.unsubscribe(user, category, now.unix_ms()).await? {
            self.tell(user, &Signal::Settings(Arc::new(settings)));
        }
        Ok(())
    }

    /// The profile changed: time zone and locale count for quiet hours.
    pub async fn tell_settings(&self, user: &UserId, now: Now) -> Result<(), StoreError> {
        if self.cluster.is_some() || self.hub.connections_of(user) > 0 {
            let settings = self.store.settings(user, now.unix_ms()).await?;
            self.tell(user, &Signal::Settings(Arc::new(settings)));
        }
        Ok(())
    }

    /// Closes a user's sessions; with `revoke_before` older tokens are refused from now on.
    pub async fn disconnect(
        &self,
        user: &UserId,
        revoke_before: Option<UnixMs>,
        now: Now,
    ) -> Result<u32, StoreError> {
        // How many there are elsewhere is for information: the order goes out whether or not that can be read.
        let elsewhere = self.connections_elsewhere(user, now).await.unwrap_or(0);
        let Some(before) = revoke_before else {
            let why = "the back end asked this connection to close";
            return Ok(elsewhere + self.tell(user, &Signal::Close(CloseCode::GoingAway, why.into())));
        };
        // Stored first: whoever connects from now on reads it after registering, whoever was here is told.
        self.store.revoke_before(user, before, now.unix_ms()).await?;
        Ok(elsewhere + self.tell(user, &Signal::Revoked(before)))
    }

    /// Refuses tokens of this signing key from now on and ends sessions that stand on one. Answers since when.
    pub async fn revoke_key(&self, key: &KeyId, now: Now) -> Result<UnixMs, StoreError> {
        let since = self.store.revoke_key(key, now.unix_ms()).await?;
        self.tell_key(&key.as_str().into(), true).await;
        tracing::warn!(key.id = %key, "tokens of a signing key are refused from now on");
        Ok(since)
    }

    /// Takes the revocation of a key back. `false`: there was none.
    pub async fn restore_key(&self, key: &KeyId) -> Result<bool, StoreError> {
        let restored = self.store.restore_key(key).await?;
        self.tell_key(&key.as_str().into(), false).await;
        Ok(restored)
    }

    /// Erases a user and ends their sessions. `false`: there was none.
    pub async fn erase(&self, user: &UserId) -> Result<bool, StoreError> {
        let erased = self.store.delete_user(user).await?;
        self.tell(user, &Signal::Close(CloseCode::UserBlocked, "the user was erased".into()));
        self.hub.forget(user);
        Ok(erased)
    }

    fn tell_changes(&self, changes: &[UserChange]) {
        for change in changes {
            let live = LiveChange { ids: change.ids.clone(), up_to: None, to: change.to };
            let signal = Signal::Changed {
                change: Arc::new(live),
                seq: change.seq,
                unread: change.unread,
                touches_all: false,
            };
            self.tell(&change.user, &signal);
        }
    }

    /// Tells every session that announcements left.
    pub(crate) async fn tell_left(&self, change: &AllChange) {
        let live = Arc::new(LiveChange { ids: change.ids.clone(), up_to: None, to: change.to });
        self.tell_all_changed(&live, change.seq).await;
    }

    async fn tell_swept(&self, swept: &Swept) {
        let user_items = swept.changes.iter().map(|change| (change.to, change.ids.len()));
        let all_items = swept.all.iter().map(|change| (change.to, change.ids.len()));
        for (to, items) in user_items.chain(all_items) {
            let counter =
                if to == ChangedTo::Expired { Counter::ItemsExpired } else { Counter::ItemsRemoved };
            self.metrics.add(counter, items as u64);
        }
        self.tell_changes(&swept.changes);
        for change in &swept.all {
            self.tell_left(change).await;
        }
    }
}

/// Expands fan-outs, chunk after chunk, until the node stops.
pub async fn expand_fanouts(services: Arc<Services>) {
    let stop = services.tasks.stopping().clone();
    // From the first chunk to the last: recipients that come later have the alert's old number.
    let mut expanding = None;
    loop {
        // Between the commit and the watch a restart would have to read these from the log.
        let held = services.watch.hold_still();
        let expanded = services.store.expand_fanout(crate::clock::now().unix_ms()).await;
        if let Ok(Some(expanded)) = &expanded {
            services.hand_to(expanded.id, &expanded.content, &expanded.notified);
            expanding = Some(services.watch.hold(expanded.id));
        }
        drop(held);
        match expanded {
            Ok(Some(expanded)) => {
                services.tell_changes(&expanded.changes);
                if !stop.is_cancelled() {
                    continue;
                }
            }
            Ok(None) => {
                drop(expanding.take());
                wait_for_fanout(&services).await;
            }
            Err(error) => {
                tracing::warn!(error = %error, "a fan-out waits for the store");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// Until there is one to expand. Of several nodes any may find what another one left.
async fn wait_for_fanout(services: &Services) {
    let another = async {
        match services.cluster {
            Some(_) => tokio::time::sleep(FANOUT_EVERY).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = services.fanout_wake.notified() => {}
        () = another => {}
        () = services.tasks.stopping().cancelled() => {}
    }
}

/// Marks expired items, applies retention and forgets idempotency keys, until the node stops.
pub async fn sweep(services: Arc<Services>) {
    let stop = services.tasks.stopping().clone();
    let policy = services.config.retention_policy();
    let keep_keys = i64::try_from(services.config.inbox.idempotency_keep.as_millis()).unwrap_or(i64::MAX);
    let mut retention_at = crate::clock::now().instant;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let now = crate::clock::now();
        let mut results = vec![services.store.sweep_expired(now.unix_ms(), SWEEP_ITEMS).await];
        if now.instant >= retention_at {
            let removed = services.store.apply_retention(&policy, now.unix_ms(), SWEEP_ITEMS).await;
            // What is left is taken up at once; a quiet store is looked at once a minute.
            let more = removed.as_ref().is_ok_and(|swept| swept.more);
            retention_at = now.instant + if more { SWEEP_EVERY } else { RETENTION_EVERY };
            results.push(removed);
            let before = UnixMs(now.unix_ms().0.saturating_sub(keep_keys));
            if let Err(error) = services.store.expire_idempotency_keys(before).await {
                tracing::warn!(error = %error, "idempotency keys could not be expired");
            }
        }
        for result in results {
            match result {
                Ok(swept) => services.tell_swept(&swept).await,
                Err(error) => tracing::warn!(error = %error, "a sweep waits for the store"),
            }
        }
    }
}
