//! Tokens verified a moment ago, so that a storm of reconnects costs no signature checks.

use super::Identity;
use aws_lc_rs::digest::{SHA256, digest};
use belfry_store::UnixMs;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// The SHA-256 of a token: the cache holds no tokens.
pub(super) type Fingerprint = [u8; 32];

/// A bounded map from a token's fingerprint to what it proved. It belongs to one set of keys and ends with it.
pub(super) struct TokenCache {
    shards: [Mutex<HashMap<Fingerprint, Identity>>; SHARDS],
    shard_entries_max: usize,
}

impl TokenCache {
    /// Holds about `entries_max` tokens; 0 turns it off.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { shards: Default::default(), shard_entries_max: entries_max.div_ceil(SHARDS) }
    }

    /// The fingerprint of a token.
    pub(super) fn fingerprint(token: &str) -> Fingerprint {
        digest(&SHA256, token.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// What the token proved, while it has not expired.
    pub(super) fn get(&self, token: &Fingerprint, now: UnixMs) -> Option<Identity> {
        let mut shard = self.shard(token);
        let identity = shard.get(token)?;
        if now < identity.expires_at {
            return Some(identity.clone());
        }
        shard.remove(token);
        None
    }

    /// Remembers what a token proved. A full shard drops what has expired, else everything: cheaper than keeping an
    /// order, and the worst case is a signature check.
    pub(super) fn insert(&self, token: Fingerprint, identity: Identity, now: UnixMs) {
        if self.shard_entries_max == 0 {
            return;
        }
        let mut shard = self.shard(&token);
        if shard.len() >= self.shard_entries_max {
            shard.retain(|_, known| now < known.expires_at);
            if shard.len() >= self.shard_entries_max {
                shard.clear();
            }
        }
        shard.insert(token, identity);
    }

    fn shard(&self, token: &Fingerprint) -> MutexGuard<'_, HashMap<Fingerprint, Identity>> {
        // A panic cannot leave a shard half-changed, so a poisoned one is as good as any.
        self.shards[usize::from(token[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_protocol::UserId;

    fn identity(expires_at: i64) -> Identity {
        Identity {
            user: UserId::new("ann").unwrap(),
            issued_at: None,
            expires_at: UnixMs(expires_at),
            kid: None,
            token_id: None,
        }
    }

    #[test]
    fn a_token_is_remembered_until_it_expires() {
        let cache = TokenCache::new(100);
        let token = TokenCache::fingerprint("t");
        assert!(cache.get(&token, UnixMs(0)).is_none());
        cache.insert(token, identity(1_000), UnixMs(0));
        assert_eq!(cache.get(&token, UnixMs(999)), Some(identity(1_000)));
        assert!(cache.get(&TokenCache::fingerprint("u"), UnixMs(0)).is_none());
        assert!(cache.get(&token, UnixMs(1_000)).is_none());
        assert_eq!(cache.len(), 0, "an expired token leaves");
    }

    #[test]
    fn the_cache_stays_within_its_limit() {
        let cache = TokenCache::new(64);
        for n in 0..10_000 {
            cache.insert(TokenCache::fingerprint(&n.to_string()), identity(10 + n % 2), UnixMs(n / 2_000));
            assert!(cache.len() <= 64);
        }
        assert!(cache.len() > 16);
    }

    #[test]
    fn zero_turns_it_off() {
        let cache = TokenCache::new(0);
        let token = TokenCache::fingerprint("t");
        cache.insert(token, identity(1_000), UnixMs(0));
        assert!(cache.get(&token, UnixMs(0)).is_none());
    }
}
