//! The night watch: what happens to an alert that nobody confirmed.

pub mod breaker;
pub mod policy;
pub mod retry;
