//! Doing it: each fault begins, and each is put right.

use super::plan::Fault;
use crate::cable::Cable;
use crate::engines::End;
use crate::nodes::{Node, Nodes};

/// Makes a node lose a share of what the others tell it.
const LOSE_HINTS: &str = "BELFRY_TEST_LOSE_HINTS";

/// Begins a fault.
pub(super) async fn begin(nodes: &mut Nodes, fault: Fault) -> Result<(), String> {
    match fault {
        Fault::Killed(node) => nodes.nodes[node].process.kill(),
        Fault::PausedBriefly(node) | Fault::PausedBeyondItsLease(node) => nodes.nodes[node].process.pause(),
        Fault::HardOfHearing(node) => {
            let process = &mut nodes.nodes[node].process;
            process.terminate();
            let status = process.ended().await;
            if !status.success() {
                return Err(format!("it was told to end, and ended with {status}"));
            }
        }
        Fault::StoreRestarted(how) => nodes.store.end(how),
        Fault::StoreConnectionsEnded => end_connections(&nodes.store.url()).await,
        Fault::StoreOutOfReach(node) => nodes.nodes[node].store.freeze(),
        Fault::BusKilled => nodes.bus.as_mut().expect("an engine of its own").kill(),
        Fault::BusFlushed => nodes.bus.as_ref().expect("an engine of its own").flush(),
        Fault::BusSilent(node) => each(&nodes.nodes, node, Cable::freeze),
        Fault::BusCut(node) => each(&nodes.nodes, node, Cable::cut),
    }
    Ok(())
}

/// Puts it right.
pub(super) async fn end(nodes: &mut Nodes, fault: Fault) {
    match fault {
        Fault::Killed(node) => start(&mut nodes.nodes[node], "0"),
        Fault::HardOfHearing(node) => start(&mut nodes.nodes[node], "0.1"),
        Fault::PausedBriefly(node) | Fault::PausedBeyondItsLease(node) => nodes.nodes[node].process.go_on(),
        Fault::StoreRestarted(End::Fast | End::Immediate) => nodes.store.restart().await,
        Fault::StoreConnectionsEnded | Fault::BusFlushed => {}
        Fault::StoreOutOfReach(node) => nodes.nodes[node].store.heal(),
        Fault::BusKilled => nodes.bus.as_mut().expect("an engine of its own").restart().await,
        Fault::BusSilent(node) | Fault::BusCut(node) => each(&nodes.nodes, node, Cable::heal),
    }
}

fn start(node: &mut Node, lost: &str) {
    node.process.set(LOSE_HINTS, lost);
    node.process.restart();
}

fn each(nodes: &[Node], which: Option<usize>, pull: fn(&Cable)) {
    let hurt = nodes.iter().enumerate().filter(|(number, _)| which.is_none_or(|which| which == *number));
    hurt.for_each(|(_, node)| pull(&node.bus));
}

/// Every other connection to the database, but this one.
async fn end_connections(url: &str) {
    super::ladders::on(url, async |store| {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND pid % 2 = 0";
        store.batch_execute(sql).await
    })
    .await
    .expect("PostgreSQL does as it is told");
}
