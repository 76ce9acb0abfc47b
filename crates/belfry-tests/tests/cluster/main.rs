//! Several nodes of one house: one store, one bus, and people who are connected to any of them. Left out where no
//! PostgreSQL is named: `cargo xtask services -- cargo test -p belfry-tests --test cluster`.

mod crowd;
mod death;
mod hints;
mod lost;
mod migrate;
mod presence;
mod stats;
