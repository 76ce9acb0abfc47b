//! Wired tests: the real server, real sockets, one file per area.

mod auth;
mod crash;
mod resume;
mod routing;
