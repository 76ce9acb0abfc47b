//! The house: the alert server as a library that an axum application can mount, and what the binary is made of.

pub mod app;
pub mod arm;
pub mod auth;
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod duration;
pub mod escalate;
pub mod http;
pub mod hub;
pub mod kinds;
pub mod limiter;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod page;
pub mod publish;
pub mod quiet;
pub mod refusal;
pub mod services;
pub mod signed;
pub mod tasks;
pub mod watch;
pub mod ways;
pub mod wire;
