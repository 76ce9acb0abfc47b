//! What the wired tests stand on: a real server in this process, the real binary in another one, and clients that
//! speak the wire without any library of ours in between.

pub mod cable;
pub mod caller;
pub mod chaos;
pub mod cluster;
pub mod cluster_chaos;
pub mod deadline;
pub mod engines;
pub mod events;
pub mod fakes;
pub mod house;
pub mod idle;
pub mod nginx;
pub mod night_chaos;
pub mod nodes;
pub mod process;
pub mod providers;
pub mod recorder;
pub mod rolling;
pub mod server;
pub mod shared;
pub mod shim;
pub mod shipped;
pub mod socket;

pub use caller::{Answer, Caller, numbered};
pub use cluster::Cluster;
pub use deadline::{DEADLINE, eventually, within};
pub use events::Events;
pub use house::House;
pub use process::Process;
pub use providers::Providers;
pub use recorder::Recorder;
pub use server::TestServer;
pub use socket::{Opening, Received, Socket};
