//! Token buckets: how often a node, an address, a key or a user may come.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most keys whose buckets are remembered; beyond it full buckets are forgotten.
const KEYS_MAX: usize = 100_000;

/// So many a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// 0: no limit.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

impl Rate {
    /// As many at once as in a second.
    pub fn per_second(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), burst: f64::from(per_second).max(1.0) }
    }
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Everything is left.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    /// Takes `cost`; `Err`: come back after this long.
    pub(crate) fn take(&mut self, rate: Rate, cost: f64, now: Instant) -> Result<(), Duration> {
        if rate.per_second <= 0.0 {
            return Ok(());
        }
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate.per_second).min(rate.burst);
        self.at = now;
        // A cost above the bucket's size could never be paid: it needs a full bucket and leaves a debt.
        let needed = cost.min(rate.burst);
        if self.tokens >= needed {
            self.tokens -= cost;
            return Ok(());
        }
        Err(Duration::from_secs_f64((needed - self.tokens) / rate.per_second))
    }
}

/// One bucket per key.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// Full buckets for everybody.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes `cost` from the key's bucket; `Err`: come back after this long.
    pub fn take(&self, key: &K, cost: f64, now: Instant) -> Result<(), Duration> {
        let rate = self.rate;
        if rate.per_second <= 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_MAX && !buckets.contains_key(key) {
            let full_after = Duration::from_secs_f64(rate.burst / rate.per_second);
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < full_after);
            if buckets.len() >= KEYS_MAX {
                return Err(full_after);
            }
        }
        buckets.entry(key.clone()).or_insert(Bucket::full(rate, now)).take(rate, cost, now)
    }
}

/// All rates of a node.
#[derive(Debug)]
pub struct Limiters {
    /// New connections of the node.
    pub connections: Limiter<()>,
    /// New connections of one address.
    pub connections_per_address: Limiter<IpAddr>,
    /// Alerts of one API key.
    pub publishes: Limiter<String>,
    /// Requests of one user.
    pub requests: Limiter<String>,
    /// Calls by signed texts that speak for one user.
    pub signed: Limiter<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_and_says_when() {
        let start = crate::clock::now().instant;
        let limiter = Limiter::new(Rate { per_second: 2.0, burst: 2.0 });
        assert_eq!(limiter.take(&"ann", 1.0, start), Ok(()));
        assert_eq!(limiter.take(&"ann", 1.0, start), Ok(()));
        assert_eq!(limiter.take(&"ann", 1.0, start), Err(Duration::from_millis(500)));
        assert_eq!(limiter.take(&"bob", 1.0, start), Ok(()), "each key has its own bucket");
        assert_eq!(limiter.take(&"ann", 1.0, start + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn a_batch_above_the_bucket_waits_for_a_full_one_and_leaves_a_debt() {
        let start = crate::clock::now().instant;
        let limiter = Limiter::new(Rate { per_second: 10.0, burst: 10.0 });
        assert_eq!(limiter.take(&"key", 30.0, start), Ok(()));
        assert!(limiter.take(&"key", 1.0, start + Duration::from_secs(2)).is_err());
        assert_eq!(limiter.take(&"key", 1.0, start + Duration::from_secs(3)), Ok(()));
    }

    #[test]
    fn zero_is_off() {
        let start = crate::clock::now().instant;
        let limiter = Limiter::new(Rate::per_second(0));
        assert!((0..1000).all(|_| limiter.take(&(), 1.0, start).is_ok()));
    }
}
