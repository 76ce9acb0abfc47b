//! Providers that speak their real protocol on loopback, take what they are told to take, and write down what came.

pub mod answer;
pub mod apns;
pub mod fcm;
pub mod http2;
pub mod https;
pub mod smtp;
pub mod web_push;
pub mod webhook;
