use proptest::prelude::*;

use super::*;
use crate::inbound::Inbound;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const LIMIT: usize = 200;

/// A client's frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        0..=125 => bytes.push(0x80 | payload.len() as u8),
        126..=65_535 => {
            bytes.push(0xfe);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0xff);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// What a stream of bytes comes to, however it is cut.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    violation: Option<Violation>,
    idle: bool,
}

fn outcome<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut inbound = Inbound::default();
    let mut events = Vec::new();
    for chunk in chunks {
        let mut step = inbound.feed(&mut chunk.to_vec(), LIMIT);
        loop {
            match step {
                Err(violation) => return Outcome { events, violation: Some(violation), idle: true },
                Ok(None) => break,
                Ok(Some(event)) => events.push(event),
            }
            // Nothing after a close frame is looked at.
            if matches!(events.last(), Some(Event::Close(_))) {
                return Outcome { events, violation: None, idle: true };
            }
            step = inbound.next(LIMIT);
        }
    }
    Outcome { events, violation: None, idle: inbound.heap_bytes() == 0 }
}

fn whole(frames: &[Vec<u8>]) -> Outcome {
    outcome([&frames.concat()[..]])
}

fn events(frames: &[Vec<u8>]) -> Vec<Event> {
    let outcome = whole(frames);
    assert_eq!(outcome.violation, None);
    outcome.events
}

fn violation(frames: &[Vec<u8>]) -> Violation {
    whole(frames).violation.expect("a violation")
}

fn text(text: &str) -> Event {
    Event::Text(text.into())
}

#[test]
fn messages_of_every_length_form_arrive() {
    for length in [0, 1, 125, 126, 127, 199, 200] {
        let payload = "x".repeat(length);
        assert_eq!(events(&[frame(0x81, payload.as_bytes())]), [text(&payload)]);
        assert_eq!(events(&[frame(0x82, payload.as_bytes())]), [Event::Binary(payload.into())]);
    }
}

#[test]
fn control_frames_of_up_to_125_bytes_arrive() {
    for length in [0, 1, 125] {
        let payload = vec![0xfe; length];
        assert_eq!(events(&[frame(0x89, &payload)]), [Event::Ping(payload.clone().into())]);
        assert_eq!(events(&[frame(0x8a, &payload)]), [Event::Pong(payload.into())]);
    }
    assert_eq!(violation(&[frame(0x89, &[0xfe; 126])]), Violation::ControlTooLong);
}

#[test]
fn fragments_become_one_message_with_control_frames_in_between() {
    let frames = [
        frame(0x01, b"frag"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x00, b"ment"),
        frame(0x80, b""),
        frame(0x82, b"next"),
    ];
    assert_eq!(
        events(&frames),
        [Event::Ping("ping".into()), Event::Pong("".into()), text("fragment"), Event::Binary("next".into())]
    );
}

#[test]
fn fragments_out_of_order_are_refused() {
    assert_eq!(violation(&[frame(0x80, b"x")]), Violation::UnexpectedContinuation);
    assert_eq!(violation(&[frame(0x00, b"x")]), Violation::UnexpectedContinuation);
    assert_eq!(violation(&[frame(0x81, b"x"), frame(0x80, b"y")]), Violation::UnexpectedContinuation);
    assert_eq!(violation(&[frame(0x01, b"x"), frame(0x81, b"y")]), Violation::ExpectedContinuation);
    assert_eq!(violation(&[frame(0x02, b"x"), frame(0x02, b"y")]), Violation::ExpectedContinuation);
}

#[test]
fn message_at_the_limit_arrives_and_one_byte_more_is_refused_by_its_header() {
    assert_eq!(events(&[frame(0x82, &[7; LIMIT])]).len(), 1);
    let over = frame(0x82, &[7; LIMIT + 1]);
    assert_eq!(outcome([&over[..8]]).violation, Some(Violation::MessageTooBig));
    assert_eq!(events(&[frame(0x01, &[b'a'; 120]), frame(0x80, &[b'a'; 80])]).len(), 1);
    assert_eq!(violation(&[frame(0x01, &[b'a'; 120]), frame(0x80, &[b'a'; 81])]), Violation::MessageTooBig);
    assert_eq!(
        violation(&[frame(0x01, "é".as_bytes()), frame(0x80, &[b'a'; 199])]),
        Violation::MessageTooBig
    );
    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(outcome([&huge[..]]).violation, Some(Violation::MessageTooBig));
}

#[test]
fn control_frames_do_not_count_against_the_message_limit() {
    let frames = [frame(0x02, &[7; LIMIT]), frame(0x89, &[1; 125]), frame(0x80, b"")];
    assert_eq!(events(&frames).len(), 2);
}

#[test]
fn announced_length_alone_costs_no_memory() {
    let mut inbound = Inbound::default();
    let mut begin = [0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 1];
    assert_eq!(inbound.feed(&mut begin, 1 << 20), Ok(None));
    assert!(inbound.heap_bytes() < 512, "{}", inbound.heap_bytes());
}

#[test]
fn growing_message_never_holds_more_than_was_announced_or_twice_what_came() {
    let (mut inbound, bytes) = (Inbound::default(), frame(0x82, &[1; 40_000]));
    let empty = {
        let mut inbound = Inbound::default();
        inbound.feed(&mut bytes[..8].to_vec(), 1 << 20).unwrap();
        inbound.heap_bytes()
    };
    let mut came = 0;
    for chunk in bytes.chunks(700) {
        came += chunk.len();
        inbound.feed(&mut chunk.to_vec(), 1 << 20).unwrap();
        assert!(inbound.heap_bytes() <= empty + (2 * came).min(40_000));
    }
    assert_eq!(inbound.heap_bytes(), 0);
}

#[test]
fn text_is_refused_at_the_first_byte_that_cannot_be_utf8() {
    // The message is announced longer than what is sent, so only failing early can notice.
    for (good, bad) in [
        (&b"ok"[..], 0xff_u8),
        (b"", 0x80),
        (b"", 0xc0),
        (b"", 0xc1),
        (b"", 0xf5),
        (b"\xc3", 0x28),
        (b"\xe0", 0x9f),
        (b"\xe2\x82", 0x28),
        (b"\xed", 0xa0),
        (b"\xf0", 0x8f),
        (b"\xf4", 0x90),
        (b"\xf0\x9f\x94", 0x28),
        ("κόσμε".as_bytes(), 0xfe),
    ] {
        let payload = [good, &[bad], b"rest of it"].concat();
        let bytes = frame(0x81, &payload);
        let header = bytes.len() - payload.len();
        assert_eq!(outcome([&bytes[..header + good.len()]]).violation, None, "{good:x?}");
        assert_eq!(
            outcome([&bytes[..header + good.len() + 1]]).violation,
            Some(Violation::InvalidUtf8),
            "{good:x?} {bad:x}"
        );
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(outcome(single).violation, Some(Violation::InvalidUtf8));
    }
}

#[test]
fn character_may_be_cut_by_fragments_but_not_by_the_end() {
    let bell = "🔔".as_bytes();
    for cut in 1..4 {
        let frames = [frame(0x01, &bell[..cut]), frame(0x00, b""), frame(0x80, &bell[cut..])];
        assert_eq!(events(&frames), [text("🔔")]);
        assert_eq!(violation(&[frame(0x81, &bell[..cut])]), Violation::InvalidUtf8);
        let frames = [frame(0x01, &bell[..cut]), frame(0x80, b"")];
        assert_eq!(violation(&frames), Violation::InvalidUtf8);
    }
}

#[test]
fn all_scalar_values_at_the_edges_are_text() {
    for code in [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffe, 0xffff, 0x1_0000, 0x1_ffff, 0x10_ffff] {
        let expected = char::from_u32(code).unwrap().to_string();
        assert_eq!(events(&[frame(0x81, expected.as_bytes())]), [text(&expected)]);
    }
}

#[test]
fn close_frames_are_judged() {
    let close = |code, reason: &str| Event::Close(CloseFrame { code, reason: reason.into() });
    assert_eq!(events(&[frame(0x88, b"")]), [close(None, "")]);
    assert_eq!(events(&[frame(0x88, b"\x03\xe8bye")]), [close(Some(1000), "bye")]);
    assert_eq!(events(&[frame(0x88, &[&[15, 161][..], &[b'r'; 123]].concat())]).len(), 1);
    assert_eq!(violation(&[frame(0x88, b"\x03")]), Violation::CloseTooShort);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(violation(&[frame(0x88, &code.to_be_bytes())]), Violation::InvalidCloseCode, "{code}");
    }
    assert_eq!(violation(&[frame(0x88, b"\x03\xe8\xce\xba\xff")]), Violation::InvalidCloseReason);
}

#[test]
fn nothing_is_kept_after_a_whole_message() {
    assert!(whole(&[frame(0x81, b"x"), frame(0x89, b"y")]).idle);
    assert!(!whole(&[frame(0x01, b"x")]).idle);
    assert!(!whole(&[frame(0x81, b"x"), vec![0x81]]).idle);
}

/// One message in fragments, a control frame before each of them now and then.
fn message() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let control = prop::option::weighted(
        0.2,
        (prop::sample::select(vec![0x89_u8, 0x8a]), prop::collection::vec(any::<u8>(), 0..20)),
    );
    let payload = prop_oneof![
        6 => "[a-zé🔔]{0,12}".prop_map(|text| (true, text.into_bytes())),
        2 => "[a-zé]{40,60}".prop_map(|text| (true, text.into_bytes())),
        2 => prop::collection::vec(any::<u8>(), 0..140).prop_map(|bytes| (false, bytes)),
        1 => prop::collection::vec(any::<u8>(), 1..9).prop_map(|bytes| (true, bytes)),
    ];
    (payload, prop::collection::vec((any::<prop::sample::Index>(), control), 1..5)).prop_map(
        |((is_text, payload), parts)| {
            let mut cuts: Vec<usize> =
                parts[1..].iter().map(|(cut, _)| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(payload.len());
            let (mut frames, mut from) = (Vec::new(), 0);
            for (n, (cut, (_, control))) in cuts.iter().zip(&parts).enumerate() {
                if let Some((first, payload)) = control {
                    frames.push(frame(*first, payload));
                }
                let kind = if n > 0 {
                    0
                } else if is_text {
                    1
                } else {
                    2
                };
                let fin = if n + 1 == parts.len() { 0x80 } else { 0 };
                frames.push(frame(fin | kind, &payload[from..*cut]));
                from = *cut;
            }
            frames
        },
    )
}

/// A conversation, mostly valid, sometimes with a byte changed, a frame dropped, or the end cut off.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let close =
        prop::option::weighted(0.3, prop::sample::select(vec![&b"\x03\xe8"[..], b"\x0f\xa1x", b"\x03\xed"]));
    let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    let dropped = prop::option::weighted(0.1, any::<prop::sample::Index>());
    let end = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (prop::collection::vec(message(), 1..8), close, change, dropped, end).prop_map(
        |(messages, close, change, dropped, end)| {
            let mut frames: Vec<Vec<u8>> = messages.into_iter().flatten().collect();
            frames.extend(close.map(|payload| frame(0x88, payload)));
            if let Some(dropped) = dropped {
                frames.remove(dropped.index(frames.len()));
            }
            let mut bytes = frames.concat();
            if let (Some((place, value)), false) = (change, bytes.is_empty()) {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn split_at_every_byte_the_stream_says_the_same(bytes in stream(), cuts in prop::collection::vec(1_usize..40, 1..30)) {
        let whole = outcome([&bytes[..]]);
        prop_assert_eq!(&outcome(bytes.chunks(1)), &whole);
        for place in 0..=bytes.len() {
            let (left, right) = bytes.split_at(place);
            prop_assert_eq!(&outcome([left, right]), &whole, "cut at {}", place);
        }
        let mut chunks = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(outcome(chunks), whole);
    }
}
