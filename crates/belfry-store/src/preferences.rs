//! What a person wants by which way, and why no mail goes to them.

use crate::Settings;
use crate::sql::{Sql, params};
use crate::txn::Txn;
use belfry_protocol::UserId;
use belfry_protocol::preferences::Preferences;
use std::sync::Arc;

/// Replaces a user's preferences.
pub(crate) fn set(txn: &mut Txn<'_>, user: &UserId, preferences: Preferences, now: i64) -> Sql<Settings> {
    let json = serde_json::to_string(&preferences)
        .map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
    let work = txn.user_or_new(user, now)?;
    let profile = Arc::make_mut(&mut work.core.profile);
    profile.preferences = (preferences != Preferences::default()).then(|| Arc::new(preferences));
    profile.settings_rev += 1;
    let (key, profile) = (work.core.key, Arc::clone(&work.core.profile));
    txn.conn
        .prepare_cached("UPDATE users SET preferences = ?2, settings_rev = ?3 WHERE user_key = ?1")?
        .execute(params![key, json, profile.settings_rev as i64])?;
    crate::deliveries::settings_changed(txn, key, now)?;
    Ok(profile.settings())
}

/// Turns e-mail off for one category and leaves the rest as it is. `None`: it is off already, or there is no such
/// user, and an erased one is not made anew.
pub(crate) fn unsubscribe(
    txn: &mut Txn<'_>,
    user: &UserId,
    category: &str,
    now: i64,
) -> Sql<Option<Settings>> {
    let Some(work) = txn.user(user)? else {
        return Ok(None);
    };
    let mut preferences = work.core.profile.preferences().clone();
    let choices = preferences.categories.entry(category.to_owned()).or_default();
    if choices.email == Some(false) {
        return Ok(None);
    }
    choices.email = Some(false);
    set(txn, user, preferences, now).map(Some)
}

/// Keeps mail from an address until the application gives one again. `false`: it is not the user's address any more.
pub(crate) fn suppress_email(txn: &mut Txn<'_>, user: &UserId, address: &str, reason: &str) -> Sql<bool> {
    let Some(work) = txn.user(user)? else {
        return Ok(false);
    };
    if work.core.profile.profile.email.as_deref() != Some(address) {
        return Ok(false);
    }
    Arc::make_mut(&mut work.core.profile).email_suppressed = Some(reason.into());
    let key = work.core.key;
    txn.conn
        .prepare_cached("UPDATE users SET email_suppressed = ?2 WHERE user_key = ?1")?
        .execute(params![key, reason])?;
    Ok(true)
}
