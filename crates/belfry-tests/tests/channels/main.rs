//! Each channel against a provider that speaks its real protocol.

mod apns;
mod debian_mail_server;
mod doctor;
mod fcm;
mod logged;
mod notices;
mod smtp;
mod web_push;
mod webhook;
