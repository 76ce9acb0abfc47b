//! Wired tests: the real server, real sockets, one file per area.

mod auth;
mod crash;
mod operation;
mod resume;
mod routing;
