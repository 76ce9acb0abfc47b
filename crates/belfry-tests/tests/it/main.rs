//! Wired tests: the real server, real sockets, one file per area.

mod auth;
mod crash;
mod drain;
mod http_errors;
mod limits;
mod resume;
mod routing;
