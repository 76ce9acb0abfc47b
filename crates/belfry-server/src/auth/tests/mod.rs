//! Tests of the parts together; what one file decides alone is tested in that file.

mod algorithms;
mod claims;
mod gate;
mod jwks;
mod jwks_server;
mod signing;
