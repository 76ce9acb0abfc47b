//! Wired tests: the real server, real sockets, one file per area.

mod auth;
mod busiest_path;
mod crash;
mod devices;
mod drain;
mod faults;
mod http_errors;
mod idempotency;
mod inbox;
mod limits;
mod operation;
mod power_loss;
mod preferences;
mod resume;
mod routing;
mod slow;
mod unsubscribe;
mod webhooks;
