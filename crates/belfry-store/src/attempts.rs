//! One call on a leg, and what it came to.

use crate::delivery_rows;
use crate::legs::{find_leg, finish, save_leg};
use crate::sql::{Sql, params};
use crate::txn::Txn;
use crate::{AttemptRow, Store, StoreError, Then, UnixMs};
use belfry_protocol::delivery::LegState;

/// Attempts kept of a leg.
const ATTEMPTS_KEPT: u32 = 20;

impl Store {
    /// Writes what calls came to; many share a commit. `false`: the leg was not the caller's any more, so the attempt is
    /// only filed as late.
    pub async fn record_attempts(
        &self,
        attempts: Vec<AttemptRow>,
        now: UnixMs,
    ) -> Result<Vec<bool>, StoreError> {
        let record = move |txn: &mut Txn<'_>| {
            txn.at(now.0);
            let keys: Vec<i64> = attempts.iter().map(|attempt| attempt.leg.key).collect();
            delivery_rows::own_of_legs(txn, &keys)?;
            attempts.iter().map(|attempt| record(txn, attempt, now.0)).collect()
        };
        self.inner.writer.write(record).await
    }
}

fn record(txn: &mut Txn<'_>, attempt: &AttemptRow, now: i64) -> Sql<bool> {
    let Some(before) = find_leg(txn.conn, attempt.leg.key)? else {
        return Ok(false);
    };
    let late = before.state != LegState::Pending || before.token != Some(attempt.leg.token);
    let mut after = before.clone();
    after.calls += 1;
    file(txn, attempt, (after.calls, late), now)?;
    if late {
        save_leg(txn, &before, &after)?;
        return Ok(false);
    }
    if !matches!(attempt.then, Then::Hold { .. }) {
        after.tries += 1;
    }
    match &attempt.then {
        Then::Accepted { provider_id } => {
            after.provider_id.clone_from(provider_id);
            after.reason = None;
            finish(txn, &before, after, LegState::Accepted, now)?;
        }
        Then::Fail { reason } => {
            after.reason = Some(reason.clone());
            finish(txn, &before, after, LegState::Failed, now)?;
        }
        Then::Expire => {
            after.reason = Some("its time was over".to_owned());
            finish(txn, &before, after, LegState::Expired, now)?;
        }
        Then::Retry { next_at } if next_at.0 >= before.deadline_at => {
            after.reason = Some(attempt.outcome.clone());
            finish(txn, &before, after, LegState::Expired, now)?;
        }
        Then::Retry { next_at } | Then::Hold { next_at } => {
            after.reason = Some(attempt.outcome.clone());
            after.wait_until(next_at.0);
            save_leg(txn, &before, &after)?;
        }
    }
    Ok(true)
}

fn file(txn: &Txn<'_>, attempt: &AttemptRow, (number, late): (u32, bool), now: i64) -> Sql<()> {
    txn.conn
        .prepare_cached(
            "INSERT INTO attempts (leg_key, n, at, node, outcome, status, said, late) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            attempt.leg.key,
            number,
            now,
            attempt.node,
            attempt.outcome,
            attempt.status,
            attempt.said,
            late
        ])?;
    txn.conn
        .prepare_cached("DELETE FROM attempts WHERE leg_key = ?1 AND n <= ?2")?
        .execute(params![attempt.leg.key, i64::from(number) - i64::from(ATTEMPTS_KEPT)])?;
    Ok(())
}
