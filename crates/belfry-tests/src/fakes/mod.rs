//! Providers that speak their real protocol on loopback, take what they are told to take, and write down what came.

pub mod smtp;
