//! The codec over real sockets, with the wake-ups and resets that only those have.

use std::time::Duration;

use belfry_websocket::{Connection, Error, Event, Limits, Outgoing, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn pair(limits: Limits) -> (Connection<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let client = TcpStream::connect(address).await.expect("it listens");
    let (server, _) = listener.accept().await.expect("the client is there");
    (Connection::new(server, limits), client)
}

async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it happens in time")
}

#[tokio::test]
async fn slow_reader_gets_everything_and_the_owner_hears_when_the_queue_is_empty() {
    let limits =
        Limits { send_queue_bytes_max: 64 << 20, send_queue_frames_max: 10_000, ..Limits::default() };
    let (mut connection, mut client) = pair(limits).await;
    let body = bytes::Bytes::from(vec![b'x'; 60_000]);
    let mut count = 0;
    // The first bytes wait once the kernel's buffers are full.
    while connection.send(&Outgoing::text(body.clone()).with_tail("tail")).unwrap() == Sent::Written {
        count += 1;
    }
    count += 1;
    for _ in 0..50 {
        assert_eq!(connection.send(&Outgoing::text(body.clone()).with_tail("tail")), Ok(Sent::Queued));
        count += 1;
    }
    assert!(connection.heap_bytes() < 16 * 1024, "bodies are shared: {}", connection.heap_bytes());
    let total = count * (4 + 60_000 + 4);
    let reading = async {
        let mut received = vec![0; total];
        client.read_exact(&mut received).await.unwrap();
        received
    };
    let (received, event) = within(async { tokio::join!(reading, connection.drive()) }).await;
    assert_eq!(event.unwrap(), Event::Drained);
    assert!(received.chunks(4 + 60_000 + 4).all(|frame| frame[0] == 0x81 && frame.ends_with(b"xtail")));
    assert_eq!((connection.queued_bytes(), connection.heap_bytes()), (0, 0));
    assert_eq!(connection.bytes_written(), total as u64);
}

#[tokio::test]
async fn refused_peer_that_goes_on_sending_still_gets_the_close_frame() {
    let (mut connection, client) = pair(Limits::default()).await;
    let (mut reader, mut writer) = client.into_split();
    let client = async {
        // An unmasked frame, then far more than the server ever reads as frames.
        let sent = writer.write_all(&[&[0x81, 5][..], &vec![b'x'; 4 << 20]].concat()).await;
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        drop(writer);
        (sent.is_ok(), received)
    };
    let server = async {
        assert!(matches!(connection.drive().await, Err(Error::Violation(_))));
        connection.close(4003, "frame is not masked");
        assert_eq!(connection.drive().await.unwrap(), Event::Closed);
    };
    let ((sent, received), ()) = within(async { tokio::join!(client, server) }).await;
    assert!(sent, "the server reads away what it refuses");
    assert_eq!(received, b"\x88\x15\x0f\xa3frame is not masked");
}

#[tokio::test]
async fn peer_that_resets_is_gone() {
    let (mut connection, client) = pair(Limits::default()).await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(matches!(within(connection.drive()).await, Err(Error::Gone(_))));
}

#[tokio::test]
async fn drive_in_a_select_loses_nothing_however_often_it_is_dropped() {
    let (mut connection, mut client) = pair(Limits::default()).await;
    let client = async {
        for n in 0..500_u16 {
            let payload = n.to_be_bytes().repeat(usize::from(n));
            let mut frame = vec![0x82];
            match payload.len() {
                length @ 0..=125 => frame.push(0x80 | length as u8),
                length => frame.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
            }
            frame.extend([0; 4]);
            frame.extend(payload);
            // Odd pieces, so that most reads end inside a frame.
            for piece in frame.chunks(97) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        client
    };
    let server = async {
        let mut heard = 0_u16;
        let mut dropped = 0;
        while heard < 500 {
            tokio::select! {
                biased;
                event = connection.drive() => {
                    let Event::Binary(bytes) = event.unwrap() else { panic!("only messages were sent") };
                    assert_eq!(bytes, heard.to_be_bytes().repeat(usize::from(heard)));
                    heard += 1;
                }
                () = tokio::task::yield_now() => dropped += 1,
            }
        }
        dropped
    };
    let (client, dropped) = within(async { tokio::join!(client, server) }).await;
    assert!(dropped > 500, "{dropped}");
    drop(client);
}
