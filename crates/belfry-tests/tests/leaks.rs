//! What connections leave behind: nothing. A binary of its own, because the allocator counts the whole process.

use belfry_server::tasks::TaskKind;
use belfry_tests::{Opening, Socket, TestServer, eventually};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: usize = 100;
const WARM_UP_ROUNDS: usize = 15;
const ROUNDS: usize = 100;

/// Bytes that are allocated right now.
fn live_heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Sessions, tasks, open files and bytes.
#[derive(Debug, Clone, Copy)]
struct Left {
    sessions: u32,
    tasks: i64,
    files: usize,
    heap: usize,
}

fn left(server: &TestServer) -> Left {
    let services = server.services();
    let counts = services.hub.counts();
    Left {
        sessions: counts.websocket + counts.sse,
        tasks: TaskKind::ALL.iter().map(|kind| services.tasks.running(*kind)).sum(),
        files: open_files(),
        heap: live_heap(),
    }
}

async fn round(server: &TestServer, tokens: &[String]) {
    let mut sockets = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let token = &tokens[number % tokens.len()];
        let opening = if number % 3 == 0 { Opening::naive(&server.url) } else { Opening::v1(&server.url) };
        let mut socket = Socket::open(opening.bearer(token)).await;
        socket.next_of_type("connection-established").await;
        sockets.push(socket);
    }
    for (number, socket) in sockets.into_iter().enumerate() {
        // Half say goodbye, half are just gone.
        if number % 2 == 0 {
            socket.close().await;
        }
    }
    eventually("the end of every session", || async {
        let running = |kind| server.services().tasks.running(kind);
        (running(TaskKind::Session) == 0 && running(TaskKind::Connection) == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rounds_of_a_hundred_connections_leave_nothing_behind() {
    let server = TestServer::start().await;
    let tokens: Vec<String> = (0..20).map(|number| server.token(&format!("user-{number}"))).collect();
    for _ in 0..WARM_UP_ROUNDS {
        round(&server, &tokens).await;
    }
    let before = left(&server);
    for _ in 0..ROUNDS {
        round(&server, &tokens).await;
    }
    let after = left(&server);
    println!("before {before:?}\nafter  {after:?}");
    assert_eq!((after.sessions, after.tasks, after.files), (before.sessions, before.tasks, before.files));
    let most = before.heap + before.heap / 100;
    assert!(after.heap <= most, "the live heap grew from {} to {} bytes", before.heap, after.heap);
    drop(server);
    idle_connections().await;
}

/// Prints what an idle connection costs. Its clients hold no heap, and live in the same process.
#[expect(clippy::print_stdout, reason = "the figure is what this is for")]
async fn idle_connections() {
    let server = TestServer::start().await;
    let address = server.address();
    let count = 1_000.min(files_max().saturating_sub(200) / 2);
    let open = |token: String| {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut head = [0; 512];
        assert!(
            stream.read(&mut head).expect("the server answers") > 12 && head.starts_with(b"HTTP/1.1 101")
        );
        stream
    };
    // Users, tokens and connections before the first count, so that only what is idle counts.
    let tokens: Vec<String> = (0..count).map(|number| server.token(&format!("user-{number}"))).collect();
    let warm: Vec<TcpStream> = tokens.iter().map(|token| open(token.clone())).collect();
    server.until_connections(u32::try_from(count).expect("a thousand")).await;
    drop(warm);
    server.until_connections(0).await;
    let before = live_heap();
    let idle: Vec<TcpStream> = tokens.iter().map(|token| open(token.clone())).collect();
    server.until_connections(u32::try_from(count).expect("a thousand")).await;
    eventually("the end of the handshakes", || async {
        (server.services().tasks.running(TaskKind::Connection) == 0).then_some(())
    })
    .await;
    let each = live_heap().saturating_sub(before) / count;
    println!("{each} bytes of heap per idle connection ({count} connections)");
    assert!(each < 32 * 1024, "an idle connection costs {each} bytes");
    drop(idle);
}

fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(1_024)
}
