//! Several real binaries that are hurt: killed, paused, cut off, restarted one after the other.

mod farewell;
mod one_file;
mod paused;
mod rolling;
mod suffering;
