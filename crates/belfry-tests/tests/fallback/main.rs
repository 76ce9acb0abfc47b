//! What nobody confirmed: who is absent, what goes out and what does not, against the real server.

mod absent;
mod breaker;
mod confirmed;
mod crash;
mod digest;
mod everyone;
mod outage;
mod preferences;
mod presence;
mod providers;
mod quiet;
mod replay;
mod secrets;
mod throttle;
