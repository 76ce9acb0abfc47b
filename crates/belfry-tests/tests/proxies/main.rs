//! What stands between browsers and the server: the configurations in `deploy` as they are, only with other addresses.

mod caddy;
mod cluster;
mod neighbours;
mod nginx;
mod spread;
