//! Wired tests: the real server, real sockets, one file per area.

mod routing;
