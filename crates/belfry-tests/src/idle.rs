//! A tab that nobody looks at, for as long as it takes, behind nginx as it is shipped, with nginx's own patience.

use crate::nginx::Nginx;
use crate::process::Process;
use crate::socket::{Opening, Received, Socket};
use belfry_server::clock;
use serde_json::json;
use std::time::Duration;

/// Two connections, one that speaks `belfry.v1` and one that does not, that say nothing of their own accord; afterwards an
/// alert has to come on both. `None`: there is no nginx.
pub async fn run(idle: Duration, say: impl Fn(&str)) -> Option<Result<(), String>> {
    let process = Process::start(&[]);
    let node = process.url.trim_start_matches("http://").to_owned();
    let nobody = format!("127.0.0.1:{}", crate::engines::free_port());
    let nodes = [("127.0.0.1:8787", node), ("127.0.0.1:3000", nobody)];
    let nginx = Nginx::start("nginx/belfry.conf", &nodes, "").await?;
    let token = process.token("ann");
    let mut v1 = Socket::open(Opening::v1(&nginx.url).bearer(&token)).await;
    v1.send(json!({"type": "resume", "data": {}})).await;
    let mut naive = Socket::open(Opening::naive(&nginx.url).bearer(&token)).await;
    let until = clock::now().instant + idle;
    let ends = tokio::join!(stay(&mut v1, until), stay(&mut naive, until));
    Some(match ends {
        (Ok(pings), Ok(_)) => {
            let minutes = idle.as_secs() / 60;
            say(&format!(
                "both are connected after {minutes} minutes, {pings} heartbeats came with belfry.v1"
            ));
            process.alert("ann", 1).await;
            v1.next_of_type("numbered").await;
            naive.next_of_type("numbered").await;
            say("an alert came on both");
            Ok(())
        }
        (v1, naive) => Err(format!("belfry.v1: {v1:?}, without: {naive:?}")),
    })
}

/// Answers heartbeats and nothing else; says how many there were.
async fn stay(socket: &mut Socket, until: std::time::Instant) -> Result<u32, String> {
    let mut pings = 0;
    while let Ok(received) = tokio::time::timeout_at(until.into(), socket.read()).await {
        match received {
            Received::Frame(frame) if frame["type"] == "ping" => {
                pings += 1;
                socket.send(json!({"type": "pong", "data": frame["data"]})).await;
            }
            Received::Frame(_) => {}
            end => return Err(format!("{end:?} after {pings} heartbeats")),
        }
    }
    Ok(pings)
}
