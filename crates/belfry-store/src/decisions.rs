//! What a dispatcher decided about deliveries that it has claimed.

use crate::cancellation::{self, end, end_what_is_satisfied};
use crate::delivery_codes as codes;
use crate::delivery_rows::{self, Delivery, find, lease_end, save};
use crate::legs;
use crate::sql::{Connection, Sql, params};
use crate::txn::Txn;
use crate::{Decision, Deferred, LegRef, Store, StoreError, UnixMs, Verdict};
use belfry_protocol::delivery::{DeliveryState, LegState};
use std::time::Duration;

impl Store {
    /// What the dispatcher decided, all in one transaction. `None` per decision: a token is not the caller's any more,
    /// or one of its deliveries has ended meanwhile; nothing is to be sent, and what is left of it is due at once.
    /// A `Begin` is answered with its legs in order, without those that are final.
    pub async fn decide(
        &self,
        decisions: Vec<Decision>,
        now: UnixMs,
        lease: Duration,
    ) -> Result<Vec<Option<Vec<LegRef>>>, StoreError> {
        let decide = move |txn: &mut Txn<'_>| {
            let with = |one: &Decision| one.with.iter().map(|member| member.key).collect::<Vec<_>>();
            let keys: Vec<i64> =
                decisions.iter().flat_map(|one| std::iter::once(one.key).chain(with(one))).collect();
            delivery_rows::own(txn, &keys)?;
            end_what_is_satisfied(txn)?;
            let leased_until = lease_end(now.0, lease);
            decisions.iter().map(|one| decide(txn, one, now.0, leased_until)).collect()
        };
        self.inner.writer.write_after_receipts(Vec::new(), decide).await
    }
}

/// The deliveries of a decision that are the caller's, and whether all of them are.
fn held_by_caller(txn: &mut Txn<'_>, decision: &Decision, now: i64) -> Sql<(Vec<Delivery>, bool)> {
    let named = std::iter::once((decision.key, decision.token));
    let named = named.chain(decision.with.iter().map(|member| (member.key, member.token)));
    let mut held = Vec::with_capacity(1 + decision.with.len());
    let mut all = true;
    for (key, token) in named {
        let found = find(txn.conn, key)?;
        match found.filter(|one| one.state == DeliveryState::Waiting && one.token == Some(token)) {
            Some(one) if !matches!(decision.verdict, Verdict::Begin { .. }) => held.push(one),
            Some(one) => match cancellation::over(txn.conn, &one, now)? {
                None => held.push(one),
                // No sweep and no chunk of a recall has come by yet.
                Some((state, reason)) => {
                    end(txn, &one, state, reason, now)?;
                    all = false;
                }
            },
            None => all = false,
        }
    }
    Ok((held, all))
}

fn decide(txn: &mut Txn<'_>, decision: &Decision, now: i64, leased_until: i64) -> Sql<Option<Vec<LegRef>>> {
    txn.at(now);
    let (held, all) = held_by_caller(txn, decision, now)?;
    if !all {
        for before in &held {
            let mut after = before.clone();
            after.release();
            save(txn, before, &after)?;
        }
        return Ok(None);
    }
    let mut refs = Vec::new();
    for note in decision.notes.iter().filter(|note| note.state != LegState::Pending) {
        legs::insert_note(txn, decision.key, note, now)?;
    }
    let suppressed = decision.notes.iter().any(|note| note.state == LegState::Suppressed);
    let mut changed = held.clone();
    changed[0].suppressed |= suppressed;
    match &decision.verdict {
        Verdict::Begin { step, legs, after } => {
            changed[0].step = *step;
            changed[0].after = *after;
            for (one, member) in changed[1..].iter_mut().zip(&decision.with) {
                one.step = member.step;
                one.after = member.after;
            }
            refs = legs::begin(txn, &changed, legs, (now, leased_until))?;
            for one in &mut changed {
                one.open_legs += refs.len() as u32;
                one.deferred = Deferred::No;
                one.reason = None;
                one.state = DeliveryState::Sending;
                one.unclaim();
                if refs.is_empty() {
                    one.failed(now);
                }
            }
        }
        Verdict::Defer { step, last_failed, due_at, deferred, reason } => {
            for one in &mut changed {
                let due_at = match deferred {
                    Deferred::Digest => {
                        open_digest(txn.conn, one, now)?.map_or(due_at.0, |at| at.min(due_at.0))
                    }
                    Deferred::No | Deferred::QuietHours | Deferred::Throttle => due_at.0,
                };
                one.step = *step;
                one.last_failed = *last_failed;
                one.deferred = *deferred;
                one.reason = (!reason.is_empty()).then(|| reason.clone());
                one.wait_until(due_at);
            }
        }
        Verdict::End { state, reason } => {
            for (before, after) in held.iter().zip(&changed) {
                save(txn, before, after)?;
                end_by_verdict(txn, after, *state, reason, now)?;
            }
            return Ok(Some(refs));
        }
    }
    for (before, after) in held.iter().zip(&changed) {
        save(txn, before, after)?;
    }
    Ok(Some(refs))
}

/// When the digest goes out that is being gathered for this person and category: the first one opens the window.
fn open_digest(conn: &Connection, delivery: &Delivery, now: i64) -> Sql<Option<i64>> {
    conn.prepare_cached(
        "SELECT min(d.due_at) FROM deliveries d JOIN alerts a ON a.alert_key = d.alert_key \
         WHERE d.user_key = ?1 AND (d.ended_at IS NULL OR d.open_legs > 0) AND d.deferred = 2 AND d.state = 0 \
         AND d.due_at > ?2 AND d.delivery_key <> ?3 \
         AND a.category = (SELECT category FROM alerts WHERE alert_key = ?4)",
    )?
    .query_row(params![delivery.user_key, now, delivery.key, delivery.alert_key], |row| row.get(0))
}

/// The ladder has come to its end. Legs that are still to be sent go on, unless their time is over.
fn end_by_verdict(
    txn: &mut Txn<'_>,
    before: &Delivery,
    state: DeliveryState,
    reason: &str,
    now: i64,
) -> Sql<()> {
    if matches!(state, DeliveryState::Expired | DeliveryState::Recalled | DeliveryState::Confirmed) {
        return end(txn, before, state, reason, now);
    }
    let mut after = before.clone();
    // A verdict that ends nothing is a fault of the caller: somebody has to look at it.
    let state = if codes::is_end(state) { state } else { DeliveryState::DeadLettered };
    // What a later step could not do takes nothing away from what an earlier one did.
    let (state, reason) = match state {
        DeliveryState::Suppressed | DeliveryState::DeadLettered
            if legs::was_accepted(txn.conn, before.key)? =>
        {
            (DeliveryState::Sent, "no further step could be sent")
        }
        state => (state, reason),
    };
    after.finish(state, reason, now);
    if state == DeliveryState::DeadLettered {
        let last = legs::last_of(txn.conn, before.key)?;
        after.dead = last.as_ref().map(|leg| (leg.step, leg.channel)).or(after.dead);
        if after.reason.is_none() {
            after.reason = last.and_then(|leg| leg.reason);
        }
    }
    save(txn, before, &after)
}
