//! The cases of Autobahn's suite that matter, in Rust, for machines that cannot run it. Numbers are the suite's.

use std::time::Duration;

use belfry_websocket::{Connection, Error, Event, Limits, Outgoing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MASK: [u8; 4] = [0xa1, 0x5c, 0x07, 0xf0];
const NORMAL: &[u8] = &[0x03, 0xe8];

/// A client's frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, 0x80, payload.len());
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The server's frame with this first byte.
fn answer(first: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, 0, payload.len()), payload.to_vec()].concat()
}

fn head(first: u8, masked: u8, length: usize) -> Vec<u8> {
    match length {
        0..=125 => vec![first, masked | length as u8],
        126..=65_535 => [&[first, masked | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, masked | 127][..], &(length as u64).to_be_bytes()].concat(),
    }
}

fn close(payload: &[u8]) -> Vec<u8> {
    frame(0x88, payload)
}

/// Echoes until the connection ends.
async fn echo(socket: tokio::io::DuplexStream) {
    let limits =
        Limits { inbound_message_bytes_max: 1 << 20, send_queue_bytes_max: 8 << 20, ..Limits::default() };
    let mut connection = Connection::new(socket, limits);
    loop {
        match connection.drive().await {
            Ok(Event::Text(text)) => drop(connection.send(&Outgoing::text(text)).expect("room")),
            Ok(Event::Binary(bytes)) => drop(connection.send(&Outgoing::binary(bytes)).expect("room")),
            Ok(Event::Ping(_) | Event::Pong(_) | Event::Close(_) | Event::Drained) => {}
            Ok(Event::Closed) | Err(Error::Gone(_)) => return,
            Err(Error::Violation(violation)) => connection.close(violation.close_code(), ""),
        }
    }
}

/// Sends these bytes in chunks, then listens until the server hangs up; returns all it said.
async fn said_to(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut reader, mut writer) = tokio::io::split(far);
    let conversation = async {
        let send = async {
            for part in bytes.chunks(chunk) {
                if writer.write_all(part).await.is_err() {
                    break;
                }
            }
            // A client that got its close frame hangs up; a server that refuses waits for that.
            let _ = writer.shutdown().await;
        };
        let mut said = Vec::new();
        let (_, heard, ()) = tokio::join!(send, reader.read_to_end(&mut said), echo(near));
        heard.expect("a pipe does not fail");
        said
    };
    tokio::time::timeout(Duration::from_secs(10), conversation).await.expect("the conversation ends")
}

/// The server answers just this, however the bytes are chopped.
async fn expect(case: &str, sent: &[Vec<u8>], expected: &[Vec<u8>]) {
    let sent = sent.concat();
    for chunk in [sent.len().max(1), 1, 7] {
        if chunk < 7 && sent.len() > 4_000 {
            continue;
        }
        let said = said_to(&sent, chunk).await;
        assert!(
            said == expected.concat(),
            "case {case}, {chunk} at a time: {:x?}",
            &said[..said.len().min(40)]
        );
    }
}

/// The server echoes what it can and refuses the rest with this code.
async fn refused(case: &str, sent: &[Vec<u8>], before: &[Vec<u8>], code: u16) {
    expect(case, sent, &[before, &[answer(0x88, &code.to_be_bytes())]].concat()).await;
}

#[tokio::test]
async fn case_1_messages_of_all_sizes_are_echoed() {
    for size in [0, 125, 126, 127, 128, 65_535, 65_536] {
        for first in [0x81, 0x82] {
            let payload = vec![b'*'; size];
            let expected = [answer(first, &payload), answer(0x88, NORMAL)];
            expect("1.*", &[frame(first, &payload), close(NORMAL)], &expected).await;
        }
    }
}

#[tokio::test]
async fn case_2_pings_are_answered_and_pongs_are_not() {
    for size in [0, 1, 125] {
        let payload = vec![0xfe; size];
        let sent = [frame(0x89, &payload), close(NORMAL)];
        expect("2.1-4", &sent, &[answer(0x8a, &payload), answer(0x88, NORMAL)]).await;
    }
    refused("2.5", &[frame(0x89, &[0xfe; 126])], &[], 1002).await;
    expect("2.7", &[frame(0x8a, b""), close(NORMAL)], &[answer(0x88, NORMAL)]).await;
    expect("2.8", &[frame(0x8a, b"unsolicited"), close(NORMAL)], &[answer(0x88, NORMAL)]).await;
    let pings: Vec<_> = (0..10).map(|n| frame(0x89, &[b'0' + n])).chain([close(NORMAL)]).collect();
    let pongs: Vec<_> = (0..10).map(|n| answer(0x8a, &[b'0' + n])).chain([answer(0x88, NORMAL)]).collect();
    expect("2.10", &pings, &pongs).await;
}

#[tokio::test]
async fn case_3_reserved_bits_are_refused() {
    let fine = frame(0x81, b"Hello");
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [0x81, 0x82, 0x88, 0x89] {
            let sent = [fine.clone(), frame(opcode | bits, b"Hello"), frame(0x89, b"")];
            refused("3.*", &sent, &[answer(0x81, b"Hello")], 1002).await;
        }
    }
}

#[tokio::test]
async fn case_4_reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"reserved opcode payload"] {
            let sent = [frame(0x81, b"Hello"), frame(0x80 | opcode, payload), frame(0x89, b"")];
            refused("4.*", &sent, &[answer(0x81, b"Hello")], 1002).await;
        }
    }
}

#[tokio::test]
async fn case_5_fragments() {
    let (begin, end) = (frame(0x01, b"fragment1"), frame(0x80, b"fragment2"));
    let whole = answer(0x81, b"fragment1fragment2");
    refused("5.1", &[frame(0x09, b"fragment1"), end.clone()], &[], 1002).await;
    refused("5.2", &[frame(0x0a, b"fragment1"), end.clone()], &[], 1002).await;
    let sent = [begin.clone(), end.clone(), close(NORMAL)];
    expect("5.3-5", &sent, &[whole.clone(), answer(0x88, NORMAL)]).await;
    let sent = [begin.clone(), frame(0x89, b"ping"), end.clone(), close(NORMAL)];
    expect("5.6-8", &sent, &[answer(0x8a, b"ping"), whole, answer(0x88, NORMAL)]).await;
    for first in [0x80, 0x00] {
        refused("5.9-14", &[frame(first, b"non-continuation payload"), frame(0x81, b"Hello")], &[], 1002)
            .await;
    }
    let whole = answer(0x81, b"fragment1fragment2");
    let sent = [begin.clone(), end.clone(), frame(0x00, b"fragment3"), frame(0x81, b"fragment4")];
    refused("5.15", &sent, &[whole], 1002).await;
    refused("5.18", &[begin, frame(0x81, b"fragment2")], &[], 1002).await;
    let five: Vec<_> = [0x01_u8, 0x00, 0x00, 0x00, 0x80]
        .into_iter()
        .enumerate()
        .flat_map(|(n, first)| [frame(first, format!("fragment{n}").as_bytes()), frame(0x89, &[n as u8])])
        .collect();
    let expected: Vec<_> = (0..4_u8)
        .map(|n| answer(0x8a, &[n]))
        .chain([answer(0x81, b"fragment0fragment1fragment2fragment3fragment4"), answer(0x8a, &[4])])
        .chain([answer(0x88, NORMAL)])
        .collect();
    expect("5.19-20", &[five, vec![close(NORMAL)]].concat(), &expected).await;
}

#[tokio::test]
async fn case_6_text_that_is_utf8_is_echoed() {
    for text in [
        "",
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\0",
        "\u{80}",
        "\u{800}",
        "\u{10000}",
        "\u{7f}",
        "\u{7ff}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{fdd0}",
        "\u{1fffe}",
    ] {
        let expected = [answer(0x81, text.as_bytes()), answer(0x88, NORMAL)];
        expect("6.*", &[frame(0x81, text.as_bytes()), close(NORMAL)], &expected).await;
        let single: Vec<_> = text.bytes().map(|byte| frame(0x00, &[byte])).collect();
        let sent = [vec![frame(0x01, b"")], single, vec![frame(0x80, b""), close(NORMAL)]].concat();
        expect("6.2.4", &sent, &expected).await;
    }
}

#[tokio::test]
async fn case_6_text_that_is_not_utf8_is_refused_before_its_end() {
    for bytes in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf\xbf",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf",
        b"\xc0 \xc1 \xc2 ",
        b"\xe0 \xe1 \xe2 ",
        b"\xf0 \xf1 \xf2 ",
        b"\xfe",
        b"\xff",
        b"\xfe\xfe\xff\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
    ] {
        refused("6.*", &[frame(0x81, bytes), frame(0x89, b"late")], &[], 1007).await;
        // The message is never finished, so only a server that fails at once can say so.
        refused("6.4", &[frame(0x01, b"fine"), frame(0x00, bytes)], &[], 1007).await;
    }
    refused("6.3", &[frame(0x81, b"\xf0\x9f\x94")], &[], 1007).await;
}

#[tokio::test]
async fn case_7_closing() {
    let normal = &[answer(0x88, NORMAL)];
    expect("7.1.2", &[close(NORMAL), close(NORMAL)], normal).await;
    expect("7.1.3", &[close(NORMAL), frame(0x89, b"late")], normal).await;
    expect("7.1.4", &[close(NORMAL), frame(0x81, b"late")], normal).await;
    let sent = [frame(0x01, b"fragment1"), close(NORMAL), frame(0x80, b"fragment2")];
    expect("7.1.5", &sent, normal).await;
    expect("7.3.1", &[close(b"")], &[answer(0x88, b"")]).await;
    refused("7.3.2", &[close(b"\x03")], &[], 1002).await;
    expect("7.3.4", &[close(b"\x03\xe8Hello World!")], normal).await;
    expect("7.3.5", &[close(&[NORMAL, &[b'*'; 123]].concat())], normal).await;
    refused("7.3.6", &[close(&[NORMAL, &[b'*'; 124]].concat())], &[], 1002).await;
    refused(
        "7.5.1",
        &[close(b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")],
        &[],
        1007,
    )
    .await;
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16] {
        expect("7.7", &[close(&code.to_be_bytes())], &[answer(0x88, &code.to_be_bytes())]).await;
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        refused("7.9, 7.13", &[close(&code.to_be_bytes())], &[], 1002).await;
    }
}

#[tokio::test]
async fn case_9_and_10_big_messages_whole_and_in_fragments() {
    let payload: Vec<u8> = (0..1 << 20).map(|n| b'a' + (n % 26) as u8).collect();
    let expected = [answer(0x81, &payload), answer(0x88, NORMAL)];
    expect("9.1", &[frame(0x81, &payload), close(NORMAL)], &expected).await;
    for size in [64, 1_300, 65_536] {
        let mut frames: Vec<_> = payload.chunks(size).map(|part| frame(0x00, part)).collect();
        frames[0][0] = 0x01;
        frames.extend([frame(0x80, b""), close(NORMAL)]);
        expect("9.3, 10.1", &frames, &expected).await;
    }
    let over = frame(0x82, &vec![0; (1 << 20) + 1]);
    refused("limit + 1", &[over], &[], 1009).await;
}
