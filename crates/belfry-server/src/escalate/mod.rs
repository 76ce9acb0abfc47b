//! The night watch: what happens to an alert that nobody confirmed.

mod bundle;
pub mod compose;
pub mod dispatcher;
pub mod for_everyone;
pub mod night_watch;
pub mod policy;
pub mod retry;
pub mod send;
pub mod throttle;
