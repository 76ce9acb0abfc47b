//! Each channel against a provider that speaks its real protocol.

mod smtp;
