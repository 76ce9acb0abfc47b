//! Each channel against a provider that speaks its real protocol.

mod smtp;
mod web_push;
mod webhook;
