//! The codec beside two others, tungstenite and tokio-websockets: as clients that talk to it, and as servers
//! that judge the same bytes. Where they may differ, and why, stands in `judge`.

use std::io::{self, Read, Write};

use belfry_websocket::{Connection, ControlPayload, Error, Event, Limits, Outgoing, Violation};
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// What one message, sent or received, comes to.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(20), future).await.expect("the conversation ends")
    })
}

// ---------------------------------------------------------------------------------------------------------------
// The same bytes, judged by three servers.

const LIMIT: usize = 300;

/// How a stream of bytes ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// The bytes were all right as far as they went.
    Open,
    Closed(Option<u16>),
    Refused,
}

type Verdict = (Vec<Said>, End);

fn ours(bytes: &[u8]) -> (Verdict, Option<Violation>) {
    let limits = Limits { inbound_message_bytes_max: LIMIT, ..Limits::default() };
    let mut connection = Connection::new(tokio::io::join(bytes, tokio::io::sink()), limits);
    let mut said = Vec::new();
    block_on(async {
        loop {
            match connection.drive().await {
                Ok(Event::Text(text)) => said.push(Said::Text(text)),
                Ok(Event::Binary(bytes)) => said.push(Said::Binary(bytes)),
                Ok(Event::Ping(payload)) => said.push(Said::Ping(payload)),
                Ok(Event::Pong(payload)) => said.push(Said::Pong(payload)),
                Ok(Event::Close(frame)) => return ((said, End::Closed(frame.code)), None),
                Ok(Event::Drained | Event::Closed) => unreachable!("nothing was sent"),
                Err(Error::Violation(violation)) => return ((said, End::Refused), Some(violation)),
                Err(Error::Gone(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    return ((said, End::Open), None);
                }
            }
        }
    })
}

/// Reads the bytes, swallows the answers.
struct Tape<'a>(&'a [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenites(bytes: &[u8]) -> Verdict {
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Tape(bytes), Role::Server, Some(config));
    let mut said = Vec::new();
    loop {
        said.push(match socket.read() {
            Ok(Message::Text(text)) => Said::Text(text.to_string()),
            Ok(Message::Binary(bytes)) => Said::Binary(bytes),
            Ok(Message::Ping(payload)) => Said::Ping(payload),
            Ok(Message::Pong(payload)) => Said::Pong(payload),
            Ok(Message::Close(frame)) => return (said, End::Closed(frame.map(|frame| frame.code.into()))),
            Ok(Message::Frame(_)) => unreachable!("frames are never read"),
            Err(tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return (said, End::Open),
            Err(_) => return (said, End::Refused),
        });
    }
}

fn tokio_websockets_(bytes: &[u8]) -> Verdict {
    let limits = tokio_websockets::Limits::default().max_payload_len(Some(LIMIT));
    let mut socket = tokio_websockets::ServerBuilder::new()
        .limits(limits)
        .serve(tokio::io::join(bytes, tokio::io::sink()));
    let mut said = Vec::new();
    block_on(async {
        loop {
            match socket.next().await {
                None => return (said, End::Open),
                Some(Ok(message)) if message.is_close() => {
                    let empty = message.as_payload().is_empty();
                    let code = message.as_close().filter(|_| !empty).map(|(code, _)| code.into());
                    return (said, End::Closed(code));
                }
                Some(Ok(message)) => said.push(from_tokio_websockets(message)),
                // A stream that ends inside a frame is an I/O error to them.
                Some(Err(tokio_websockets::Error::Io(_))) => return (said, End::Open),
                Some(Err(_)) => return (said, End::Refused),
            }
        }
    })
}

fn from_tokio_websockets(message: tokio_websockets::Message) -> Said {
    let bytes = Bytes::copy_from_slice(message.as_payload());
    if message.is_text() {
        Said::Text(String::from_utf8_lossy(&bytes).into_owned())
    } else if message.is_binary() {
        Said::Binary(bytes)
    } else if message.is_ping() {
        Said::Ping(bytes)
    } else {
        Said::Pong(bytes)
    }
}

/// Holds the three verdicts against each other. These differences are legitimate:
/// * A codec that looks at whole frames only refuses later than ours, so to it a stream cut inside the bad
///   frame is merely unfinished; and tokio-websockets refuses some frames by their first two bytes, where ours
///   reads the header first.
/// * tungstenite takes lengths that are not minimally encoded (RFC 6455, 5.2: "the minimal number of bytes MUST
///   be used"), in control frames too, where ours sees a payload too long.
/// * tungstenite hands a close frame with a forbidden code to its user, as 1002, and does so with 1014 too,
///   which is registered by now.
/// * tokio-websockets does not notice that text ends inside a character if the final fragment is empty.
fn judge(bytes: &[u8], cut: bool) -> Result<(), TestCaseError> {
    let ((said, end), violation) = ours(bytes);

    let (their_said, their_end) = tungstenites(bytes);
    match violation {
        Some(Violation::LengthNotMinimal | Violation::ControlTooLong) => {
            prop_assert!(their_said.starts_with(&said));
        }
        Some(violation) => {
            prop_assert_eq!(&said, &their_said, "tungstenite: {}", violation);
            let tolerated = violation == Violation::InvalidCloseCode && matches!(their_end, End::Closed(_));
            prop_assert!(
                tolerated || matches!(their_end, End::Refused | End::Open),
                "tungstenite accepts: {}",
                violation
            );
            prop_assert!(
                tolerated || cut || their_end == End::Refused,
                "tungstenite does not refuse: {}",
                violation
            );
        }
        None => {
            prop_assert_eq!(&said, &their_said, "tungstenite");
            let expected = if end == End::Closed(Some(1014)) { End::Closed(Some(1002)) } else { end };
            prop_assert_eq!(expected, their_end, "tungstenite");
        }
    }

    if violation == Some(Violation::InvalidUtf8) && ends_with_empty_fragment(bytes) {
        return Ok(());
    }
    let (their_said, their_end) = tokio_websockets_(bytes);
    prop_assert_eq!(&said, &their_said, "tokio-websockets, {:?}", violation);
    match violation {
        Some(violation) => prop_assert!(
            their_end == End::Refused || cut && their_end == End::Open,
            "tokio-websockets, {}: {:?}",
            violation,
            their_end
        ),
        None => {
            let early = cut && end == End::Open && their_end == End::Refused;
            prop_assert!(early || end == their_end, "tokio-websockets: {:?} {:?}", end, their_end);
        }
    }
    Ok(())
}

/// Whether some final fragment in here is empty: a rough test, good enough to step around the one difference.
fn ends_with_empty_fragment(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == [0x80, 0x80])
}

/// A frame as a client might send it, right or wrong.
#[derive(Debug, Clone)]
struct Sent {
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
    long_length: bool,
}

impl Sent {
    fn write(&self, out: &mut Vec<u8>) {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        out.push(self.first);
        match (self.payload.len(), self.long_length) {
            (length @ 0..=125, false) => out.push(masked | length as u8),
            (length @ 0..=65_535, false) => {
                out.push(masked | 126);
                out.extend((length as u16).to_be_bytes());
            }
            (length, _) => {
                out.push(masked | 127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        out.extend(&mask[..if self.mask.is_some() { 4 } else { 0 }]);
        out.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
}

/// Payloads: text, text cut anywhere, close payloads good and bad, noise, and the limit's edge.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-zé🔔]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::sample::select(vec![124_usize, 125, 126, 127, LIMIT - 1, LIMIT, LIMIT + 1]).prop_map(|n| vec![b'x'; n]),
        1 => prop::sample::select(vec![999_u16, 1000, 1001, 1004, 1005, 1006, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000])
            .prop_map(|code| [&code.to_be_bytes()[..], b"why"].concat()),
    ]
}

/// One message in one to four frames, cut anywhere, also inside characters.
fn message_frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    (any::<bool>(), payload(), prop::collection::vec(any::<prop::sample::Index>(), 0..4)).prop_map(
        |(text, payload, cuts)| {
            let text = text && std::str::from_utf8(&payload).is_ok();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(payload.len());
            let (last, mut from) = (cuts.len() - 1, 0);
            let mut frames = Vec::new();
            for (n, to) in cuts.into_iter().enumerate() {
                let opcode = if n > 0 {
                    0
                } else if text {
                    1
                } else {
                    2
                };
                frames.push((if n == last { 0x80 } else { 0 } | opcode, payload[from..to].to_vec()));
                from = to;
            }
            frames
        },
    )
}

/// What may go wrong with a stream.
#[derive(Debug, Clone)]
enum Fault {
    Change(prop::sample::Index, u8),
    First(prop::sample::Index, u8),
    Unmasked(prop::sample::Index),
    LongLength(prop::sample::Index),
    Payload(prop::sample::Index, Vec<u8>),
    Dropped(prop::sample::Index),
    Doubled(prop::sample::Index),
}

fn fault() -> impl Strategy<Value = Fault> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(place, value)| Fault::Change(place, value)),
        (place(), any::<u8>()).prop_map(|(place, value)| Fault::First(place, value)),
        place().prop_map(Fault::Unmasked),
        place().prop_map(Fault::LongLength),
        (place(), payload()).prop_map(|(place, payload)| Fault::Payload(place, payload)),
        place().prop_map(Fault::Dropped),
        place().prop_map(Fault::Doubled),
    ]
}

/// A client's bytes: messages with control frames in between, an end, at most two faults, perhaps cut off.
fn bytes() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let control = (prop::sample::select(vec![0x89_u8, 0x8a]), prop::collection::vec(any::<u8>(), 0..126));
    let messages = prop::collection::vec((message_frames(), prop::option::weighted(0.3, control)), 1..6);
    let close = prop::option::weighted(0.4, payload());
    let faults = prop::collection::vec(fault(), 0..3);
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (messages, close, faults, cut, any::<[u8; 4]>()).prop_map(|(messages, close, faults, cut, mask)| {
        let mut parts = Vec::new();
        for (frames, control) in messages {
            let place = parts.len() + frames.len() / 2;
            parts.extend(frames);
            if let Some(control) = control {
                parts.insert(place, control);
            }
        }
        parts.extend(close.map(|payload| (0x88, payload)));
        let mut frames: Vec<Sent> = parts
            .into_iter()
            .map(|(first, payload)| Sent { first, mask: Some(mask), payload, long_length: false })
            .collect();
        let mut change = None;
        for fault in faults {
            let n = frames.len();
            match fault {
                _ if n == 0 => {}
                Fault::Change(place, value) => change = Some((place, value)),
                Fault::First(place, value) => frames[place.index(n)].first = value,
                Fault::Unmasked(place) => frames[place.index(n)].mask = None,
                Fault::LongLength(place) => frames[place.index(n)].long_length = true,
                Fault::Payload(place, payload) => frames[place.index(n)].payload = payload,
                Fault::Dropped(place) => drop(frames.remove(place.index(n))),
                Fault::Doubled(place) => frames.insert(place.index(n), frames[place.index(n)].clone()),
            }
        }
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        let mut cut_off = false;
        if let (Some((place, value)), false) = (change, bytes.is_empty()) {
            let place = place.index(bytes.len());
            bytes[place] = value;
            // A changed length moves every later frame, so the bytes may now end inside one.
            cut_off = true;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
            cut_off = true;
        }
        (bytes, cut_off)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_servers_judge_the_same_bytes_alike((bytes, cut) in bytes()) {
        judge(&bytes, cut)?;
    }
}

#[test]
fn differences_that_are_excused_are_real() {
    // Half a character, then an empty final fragment.
    let mut bytes = Vec::new();
    for (first, payload) in [(0x01, &b"\xc3"[..]), (0x80, b"")] {
        let frame = Sent { first, mask: Some([0; 4]), payload: payload.to_vec(), long_length: false };
        frame.write(&mut bytes);
    }
    assert_eq!(ours(&bytes).1, Some(Violation::InvalidUtf8));
    assert_eq!(tungstenites(&bytes).1, End::Refused);
    assert_eq!(tokio_websockets_(&bytes).1, End::Open);
    // A length in a longer form than it needs.
    let mut bytes = Vec::new();
    Sent { first: 0x82, mask: Some([0; 4]), payload: vec![1], long_length: true }.write(&mut bytes);
    assert_eq!(ours(&bytes).1, Some(Violation::LengthNotMinimal));
    assert_eq!(tungstenites(&bytes).1, End::Open);
    assert_eq!(tokio_websockets_(&bytes).1, End::Refused);
}

// ---------------------------------------------------------------------------------------------------------------
// Conversations over a narrow pipe.

/// What a client says next.
#[derive(Debug, Clone)]
enum Say {
    Text(String, Vec<prop::sample::Index>),
    Binary(Vec<u8>, Vec<prop::sample::Index>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn say() -> impl Strategy<Value = Say> {
    let cuts = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    prop_oneof![
        3 => ("[a-zé🔔]{0,80}", cuts()).prop_map(|(text, cuts)| Say::Text(text, cuts)),
        1 => ("[a-zé🔔]{1000,3000}", cuts()).prop_map(|(text, cuts)| Say::Text(text, cuts)),
        2 => (prop::collection::vec(any::<u8>(), 0..300), cuts()).prop_map(|(bytes, cuts)| Say::Binary(bytes, cuts)),
        1 => (prop::sample::select(vec![16_384_usize, 65_535, 65_536, 70_000]), cuts())
            .prop_map(|(n, cuts)| Say::Binary(vec![7; n], cuts)),
        2 => prop::collection::vec(any::<u8>(), 0..126).prop_map(Say::Ping),
        1 => prop::collection::vec(any::<u8>(), 0..126).prop_map(Say::Pong),
    ]
}

/// Our side: answers every message with its bytes, a tail `!` and a receipt ping; returns all it heard.
async fn echo(socket: DuplexStream) -> Vec<Said> {
    let limits =
        Limits { inbound_message_bytes_max: 1 << 20, send_queue_bytes_max: 8 << 20, ..Limits::default() };
    let mut connection = Connection::new(socket, limits);
    let mut said = Vec::new();
    let mut count = 0_u32;
    loop {
        let event = connection.drive().await.expect("the client keeps to the protocol");
        let answer = match &event {
            Event::Text(text) => Outgoing::text(text.clone()),
            Event::Binary(bytes) => Outgoing::binary(bytes.clone()),
            _ => Outgoing::binary(""),
        };
        said.push(match event {
            Event::Text(text) => Said::Text(text),
            Event::Binary(bytes) => Said::Binary(bytes),
            Event::Ping(payload) => Said::Ping(payload),
            Event::Pong(payload) => Said::Pong(payload),
            Event::Close(frame) => {
                assert_eq!((frame.code, frame.reason.as_str()), (Some(4000), "bye"));
                continue;
            }
            Event::Drained => continue,
            Event::Closed => {
                assert_eq!(connection.heap_bytes(), 0);
                return said;
            }
        });
        if matches!(said.last(), Some(Said::Text(_) | Said::Binary(_))) {
            let receipt = ControlPayload::new(format!("r{count}").as_bytes()).expect("it is short");
            connection.send(&answer.with_tail("!").with_receipt(receipt)).expect("room");
            count += 1;
        }
    }
}

/// Cuts a payload into one or more parts.
fn parts<'a>(payload: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(payload.len());
    let mut from = 0;
    cuts.into_iter().map(|to| &payload[std::mem::replace(&mut from, to)..to]).collect()
}

/// The frames tungstenite sends for one thing to say.
fn for_tungstenite(say: &Say) -> Vec<Message> {
    let fragments = |first, payload: &[u8], cuts: &[prop::sample::Index]| {
        let parts = parts(payload, cuts);
        let last = parts.len() - 1;
        parts
            .into_iter()
            .enumerate()
            .map(|(n, part)| {
                let opcode = if n == 0 { first } else { Data::Continue };
                Message::Frame(Frame::message(Bytes::copy_from_slice(part), OpCode::Data(opcode), n == last))
            })
            .collect()
    };
    match say {
        Say::Text(text, cuts) => fragments(Data::Text, text.as_bytes(), cuts),
        Say::Binary(bytes, cuts) => fragments(Data::Binary, bytes, cuts),
        Say::Ping(payload) => vec![Message::Ping(payload.clone().into())],
        Say::Pong(payload) => vec![Message::Pong(payload.clone().into())],
    }
}

/// Sends everything and a close, while reading until the end.
async fn converse<M, E: std::fmt::Debug>(
    client: impl Stream<Item = Result<M, E>> + Sink<M, Error = E>,
    messages: Vec<M>,
    heard: impl Fn(M) -> Option<Said>,
) -> Vec<Said> {
    let (mut sink, mut stream) = client.split();
    let sending = async {
        for message in messages {
            sink.send(message).await.expect("the server takes it");
        }
    };
    let receiving = async {
        let mut said = Vec::new();
        while let Some(Ok(message)) = stream.next().await {
            said.extend(heard(message));
        }
        said
    };
    tokio::join!(sending, receiving).1
}

/// Checks both sides of a conversation.
fn compare(says: &[Say], server_heard: &[Said], client_heard: &[Said]) -> Result<(), TestCaseError> {
    let data = |said: &[Said]| -> Vec<Said> {
        said.iter().filter(|said| matches!(said, Said::Text(_) | Said::Binary(_))).cloned().collect()
    };
    let pings = |said: &[Said]| -> Vec<Bytes> {
        said.iter()
            .filter_map(|said| if let Said::Ping(payload) = said { Some(payload.clone()) } else { None })
            .collect()
    };
    let pongs = |said: &[Said]| -> Vec<Bytes> {
        said.iter()
            .filter_map(|said| if let Said::Pong(payload) = said { Some(payload.clone()) } else { None })
            .collect()
    };
    let expected: Vec<Said> = says
        .iter()
        .filter_map(|say| match say {
            Say::Text(text, _) => Some(Said::Text(text.clone())),
            Say::Binary(bytes, _) => Some(Said::Binary(bytes.clone().into())),
            Say::Ping(_) | Say::Pong(_) => None,
        })
        .collect();
    prop_assert_eq!(data(server_heard), expected.clone());
    let echoes: Vec<Said> = expected
        .into_iter()
        .map(|said| match said {
            Said::Text(text) => Said::Text(text + "!"),
            Said::Binary(bytes) => Said::Binary([&bytes[..], b"!"].concat().into()),
            other => other,
        })
        .collect();
    // What the client still hears after it has said goodbye is its own affair.
    let heard = data(client_heard);
    prop_assert!(echoes.starts_with(&heard));
    // Every ping arrives; pongs come in the pings' order, though not for each of them.
    let sent: Vec<Bytes> = says
        .iter()
        .filter_map(|say| if let Say::Ping(payload) = say { Some(payload.clone().into()) } else { None })
        .collect();
    prop_assert_eq!(pings(server_heard), sent.clone());
    let mut rest = sent.iter();
    prop_assert!(pongs(client_heard).iter().all(|pong| rest.any(|ping| ping == pong)));
    let receipts: Vec<Bytes> = (0..echoes.len()).map(|n| format!("r{n}").into()).collect();
    prop_assert!(receipts.starts_with(&pings(client_heard)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tungstenites_client_and_our_server_understand_each_other(
        says in prop::collection::vec(say(), 0..12),
        width in prop::sample::select(vec![5_usize, 64, 4_096, 1 << 20]),
    ) {
        let (server_heard, client_heard) = block_on(async {
            let (near, far) = tokio::io::duplex(width);
            let client = tokio_tungstenite::WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            let mut messages: Vec<Message> = says.iter().flat_map(for_tungstenite).collect();
            messages.push(Message::Close(Some(CloseFrame { code: 4000.into(), reason: "bye".into() })));
            let client = converse(client, messages, |message| match message {
                Message::Text(text) => Some(Said::Text(text.to_string())),
                Message::Binary(bytes) => Some(Said::Binary(bytes)),
                Message::Ping(payload) => Some(Said::Ping(payload)),
                Message::Pong(payload) => Some(Said::Pong(payload)),
                _ => None,
            });
            tokio::join!(echo(near), client)
        });
        compare(&says, &server_heard, &client_heard)?;
    }

    #[test]
    fn tokio_websockets_client_and_our_server_understand_each_other(
        says in prop::collection::vec(say(), 0..12),
        width in prop::sample::select(vec![5_usize, 64, 4_096, 1 << 20]),
        frame_size in prop::sample::select(vec![1_usize, 10, 125, 126, 1_000, 1 << 20]),
    ) {
        let (server_heard, client_heard) = block_on(async {
            let (near, far) = tokio::io::duplex(width);
            let client = tokio_websockets::ClientBuilder::new()
                .config(tokio_websockets::Config::default().frame_size(frame_size))
                .take_over(far);
            let mut messages: Vec<tokio_websockets::Message> = says
                .iter()
                .map(|say| match say {
                    Say::Text(text, _) => tokio_websockets::Message::text(text.clone()),
                    Say::Binary(bytes, _) => tokio_websockets::Message::binary(bytes.clone()),
                    Say::Ping(payload) => tokio_websockets::Message::ping(payload.clone()),
                    Say::Pong(payload) => tokio_websockets::Message::pong(payload.clone()),
                })
                .collect();
            let bye = tokio_websockets::CloseCode::try_from(4000).unwrap();
            messages.push(tokio_websockets::Message::close(Some(bye), "bye"));
            let client = converse(client, messages, |message| {
                (!message.is_close()).then(|| from_tokio_websockets(message))
            });
            tokio::join!(echo(near), client)
        });
        compare(&says, &server_heard, &client_heard)?;
    }
}
