//! Who may send a leg: leased to one dispatcher at a time, and asked for once more just before the call.

use crate::cancellation::{end, end_what_is_satisfied, over};
use crate::deliveries::to_caller;
use crate::delivery_codes as codes;
use crate::delivery_rows::{self, LAPSED, LAPSES_MAX, find, lease_end, new_token};
use crate::legs::{COLUMNS, Leg, find_leg, finish, read, save_leg, served_by};
use crate::sql::{Sql, params};
use crate::txn::{Busy, Txn};
use crate::{ClaimedDelivery, ClaimedLeg, LegRef, Store, StoreError, UnixMs};
use belfry_protocol::Provider;
use belfry_protocol::delivery::LegState;
use std::time::Duration;

impl Store {
    /// Takes pending legs whose next attempt is due or whose lease ran out, but those of `without`. Those whose deadline
    /// is over end here.
    pub async fn claim_legs(
        &self,
        now: UnixMs,
        limit: u32,
        lease: Duration,
        without: &[Provider],
    ) -> Result<Vec<ClaimedLeg>, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        let due = self.inner.shared.due();
        let wanted = Provider::ALL.into_iter().filter(|one| !without.contains(one));
        let wanted = wanted.filter(|one| due.leg(*one).is_some_and(|at| at <= now.0));
        let wanted: Vec<Provider> = wanted.collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let claim = move |txn: &mut Txn<'_>| {
            end_what_is_satisfied(txn)?;
            txn.at(now.0);
            claim(txn, now.0, limit, (lease_end(now.0, lease), &wanted))
        };
        self.inner.writer.write_after_receipts(Vec::new(), claim).await
    }

    /// Whether a leg may still be sent, asked just before the call: it is the caller's, still wanted by all that it
    /// was leased for, and nothing of it was recalled. Where the answer is no, another claim may have it at once.
    pub async fn still_wanted(&self, legs: &[LegRef]) -> Result<Vec<bool>, StoreError> {
        let legs = legs.to_vec();
        let look = move |txn: &mut Txn<'_>| {
            let keys: Vec<i64> = legs.iter().map(|leg| leg.key).collect();
            delivery_rows::own_of_legs(txn, &keys)?;
            end_what_is_satisfied(txn)?;
            legs.iter().map(|leg| still_wanted(txn, *leg)).collect()
        };
        self.inner.writer.write_after_receipts(Vec::new(), look).await
    }
}

fn claim(
    txn: &mut Txn<'_>,
    now: i64,
    limit: u32,
    (leased_until, providers): (i64, &[Provider]),
) -> Sql<Vec<ClaimedLeg>> {
    let mut due: Vec<(i64, Leg)> = Vec::new();
    for provider in providers {
        let of_one: Vec<Leg> = txn
            .conn
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM legs l WHERE l.provider = ?1 AND l.claim_at IS NOT NULL AND l.claim_at <= ?2 \
                 ORDER BY l.claim_at, l.leg_key LIMIT ?3"
            ))?
            .query_map(params![codes::provider_code(*provider), now, limit], read)?
            .collect::<Sql<_>>()?;
        due.extend(of_one.into_iter().map(|leg| (leg.claim_at.unwrap_or(0), leg)));
    }
    due.sort_unstable_by_key(|(at, leg)| (*at, leg.key));
    due.truncate(limit as usize);
    own_free(txn, &mut due)?;
    let mut claimed = Vec::with_capacity(due.len());
    for (_, leg) in due {
        claimed.extend(claim_leg(txn, leg.key, now, leased_until)?);
    }
    Ok(claimed)
}

/// Where several nodes claim: leaves out what belongs to users that another transaction has.
fn own_free(txn: &mut Txn<'_>, due: &mut Vec<(i64, Leg)>) -> Sql<()> {
    if !txn.conn.is_shared() {
        return Ok(());
    }
    let owner = delivery_rows::owners_of_legs(txn.conn, due.iter().map(|(_, leg)| leg.key).collect())?;
    let owned = txn.own(&owner.values().copied().collect::<Vec<_>>(), Busy::Skipped)?;
    due.retain(|(_, leg)| owner.get(&leg.key).is_some_and(|user_key| owned.contains(user_key)));
    Ok(())
}

fn claim_leg(txn: &mut Txn<'_>, key: i64, now: i64, leased_until: i64) -> Sql<Option<ClaimedLeg>> {
    // Another node may have taken it before this transaction had its user.
    let due = |leg: &Leg| leg.claim_at.is_some_and(|at| at <= now);
    let Some(leg) = find_leg(txn.conn, key)?.filter(due) else {
        return Ok(None);
    };
    for (delivery_key, _) in served_by(txn.conn, &leg)? {
        end_if_over(txn, delivery_key, now)?;
    }
    // What was over may have taken the leg with it.
    let Some(before) = find_leg(txn.conn, key)?.filter(|leg| leg.state == LegState::Pending) else {
        return Ok(None);
    };
    let mut after = before.clone();
    if before.deadline_at <= now {
        after.reason = Some("its time was over".to_owned());
        finish(txn, &before, after, LegState::Expired, now)?;
        return Ok(None);
    }
    after.lapsed += u32::from(before.token.is_some());
    if after.lapsed >= LAPSES_MAX {
        after.reason = Some(LAPSED.to_owned());
        finish(txn, &before, after, LegState::Failed, now)?;
        return Ok(None);
    }
    let Some(provider) = before.provider else {
        return Ok(None);
    };
    let mut served = Vec::new();
    for (delivery_key, step) in served_by(txn.conn, &before)? {
        if let Some(delivery) = find(txn.conn, delivery_key)?
            && let Some(one) = to_caller(txn, &delivery)?
        {
            served.push(ClaimedDelivery { token: 0, step, ..one });
        }
    }
    let mut served = served.into_iter();
    let Some(delivery) = served.next() else {
        return Ok(None);
    };
    let token = new_token();
    after.token = Some(token);
    after.claim_at = Some(leased_until);
    after.changed = false;
    save_leg(txn, &before, &after)?;
    let (device, address, tag) = txn
        .conn
        .prepare_cached("SELECT device_id, address, tag FROM legs WHERE leg_key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Some(ClaimedLeg {
        key,
        token,
        step: before.step,
        channel: before.channel,
        provider,
        device,
        address,
        tag,
        tries: before.tries,
        deadline_at: UnixMs(before.deadline_at),
        delivery,
        with: served.collect(),
    }))
}

fn end_if_over(txn: &mut Txn<'_>, delivery_key: i64, now: i64) -> Sql<()> {
    let Some(delivery) = find(txn.conn, delivery_key)? else {
        return Ok(());
    };
    match over(txn.conn, &delivery, now)? {
        Some((state, reason)) => {
            let at = txn.now().max(now);
            end(txn, &delivery, state, reason, at)
        }
        None => Ok(()),
    }
}

fn still_wanted(txn: &mut Txn<'_>, asked: LegRef) -> Sql<bool> {
    let mine = |leg: &Leg| leg.state == LegState::Pending && leg.token == Some(asked.token);
    let Some(leg) = find_leg(txn.conn, asked.key)?.filter(mine) else {
        return Ok(false);
    };
    for (delivery_key, _) in served_by(txn.conn, &leg)? {
        // Without a moment this finds what was recalled; the caller knows when a leg's time is over.
        end_if_over(txn, delivery_key, i64::MIN)?;
    }
    let Some(before) = find_leg(txn.conn, asked.key)?.filter(mine) else {
        return Ok(false);
    };
    if before.changed {
        // What the caller would send has something in it that is not wanted any more.
        let mut after = before.clone();
        after.wait_until(before.next_at);
        save_leg(txn, &before, &after)?;
        return Ok(false);
    }
    Ok(true)
}
