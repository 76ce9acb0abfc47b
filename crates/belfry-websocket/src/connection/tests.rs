use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Wake;

use super::*;
use crate::ControlPayload;

/// A socket under the test's control, and the far end's view of it.
#[derive(Clone, Default)]
struct Far(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What the far end sent, one read each; an empty one is the end.
    incoming: VecDeque<Vec<u8>>,
    /// Every read finds this, for ever.
    endless: Option<Vec<u8>>,
    received: Vec<u8>,
    /// How many bytes the socket still takes.
    window: usize,
    vectored: bool,
    /// The slices of each write, as address and length.
    writes: Vec<Vec<(usize, usize)>>,
    write_error: bool,
    flush_blocked: bool,
    shut_down: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Socket(Far);

fn pair(limits: Limits) -> (Connection<Socket>, Far) {
    let far = Far::default();
    far.state().window = usize::MAX;
    far.state().vectored = true;
    (Connection::new(Socket(far.clone()), limits), far)
}

impl Far {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn sends(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.incoming.push_back(bytes.to_vec());
        state.reader.take().inspect(Waker::wake_by_ref);
    }

    fn hangs_up(&self) {
        self.sends(&[]);
    }

    fn opens_window(&self, bytes: usize) {
        let mut state = self.state();
        state.window = bytes;
        state.flush_blocked = false;
        state.writer.take().inspect(Waker::wake_by_ref);
    }

    fn received(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().received)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        match state.incoming.front_mut().map(std::mem::take).or_else(|| state.endless.clone()) {
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(mut bytes) => {
                let rest = bytes.split_off(bytes.len().min(buffer.remaining()));
                buffer.put_slice(&bytes);
                match state.incoming.front_mut() {
                    // The end stays the end.
                    Some(_) if bytes.is_empty() => {}
                    Some(front) if !rest.is_empty() => *front = rest,
                    _ => drop(state.incoming.pop_front()),
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        if state.write_error {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.window == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.writes.push(slices.iter().map(|slice| (slice.as_ptr().addr(), slice.len())).collect());
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = all.len().min(state.window);
        state.window -= taken;
        state.received.extend(&all[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.state().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.flush_blocked {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.state().shut_down = true;
        Poll::Ready(Ok(()))
    }
}

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn poll(connection: &mut Connection<Socket>) -> Poll<Result<Event, Error>> {
    connection.poll_drive(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn event(connection: &mut Connection<Socket>) -> Event {
    match poll(connection) {
        Poll::Ready(Ok(event)) => event,
        other => panic!("an event, not {other:?}"),
    }
}

#[track_caller]
fn error(connection: &mut Connection<Socket>) -> Error {
    match poll(connection) {
        Poll::Ready(Err(error)) => error,
        other => panic!("an error, not {other:?}"),
    }
}

#[track_caller]
fn gone(connection: &mut Connection<Socket>) -> io::ErrorKind {
    match error(connection) {
        Error::Gone(error) => error.kind(),
        other => panic!("gone, not {other:?}"),
    }
}

#[track_caller]
fn nothing(connection: &mut Connection<Socket>) {
    let outcome = poll(connection);
    assert!(outcome.is_pending(), "{outcome:?}");
}

/// A client's frame; the mask is zero, since unmasking has its own tests.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        0..=125 => bytes.push(0x80 | payload.len() as u8),
        _ => {
            bytes.push(0xfe);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn control(payload: &str) -> ControlPayload {
    ControlPayload::new(payload.as_bytes()).unwrap()
}

fn alert() -> Outgoing {
    Outgoing::text("{\"type\":\"x\"").with_tail(",\"unread\":3}").with_receipt(control("u7.a2"))
}

const ALERT: &[u8] = b"\x81\x17{\"type\":\"x\",\"unread\":3}\x89\x05u7.a2";

#[test]
fn header_body_tail_and_receipt_leave_in_one_write_and_the_body_is_not_copied() {
    let (mut connection, far) = pair(Limits::default());
    let message = alert();
    assert_eq!(connection.send(&message), Ok(Sent::Written));
    assert_eq!(far.received(), ALERT);
    let state = far.state();
    assert_eq!(state.writes.len(), 1);
    assert_eq!(state.writes[0][1], (message.body.as_ptr().addr(), message.body.len()));
    assert_eq!(connection.bytes_written(), ALERT.len() as u64);
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn queued_frames_share_the_body_too() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(1);
    let message = alert();
    assert_eq!(connection.send(&message), Ok(Sent::Queued));
    far.opens_window(usize::MAX);
    assert!(connection.try_flush());
    let state = far.state();
    assert_eq!(state.writes.last().unwrap()[1], (message.body.as_ptr().addr(), message.body.len()));
}

#[test]
fn write_cut_at_any_byte_goes_on_where_it_stopped() {
    for vectored in [true, false] {
        for cut in 0..ALERT.len() {
            let (mut connection, far) = pair(Limits::default());
            far.state().vectored = vectored;
            far.opens_window(cut);
            assert_eq!(connection.send(&alert()), Ok(Sent::Queued));
            assert_eq!(connection.queued_bytes(), ALERT.len() - cut);
            assert_eq!(connection.send(&Outgoing::text("next")), Ok(Sent::Queued));
            nothing(&mut connection);
            far.opens_window(usize::MAX);
            assert_eq!(event(&mut connection), Event::Drained);
            assert_eq!(far.received(), [ALERT, b"\x81\x04next"].concat());
            assert_eq!((connection.queued_bytes(), connection.heap_bytes()), (0, 0));
            nothing(&mut connection);
        }
    }
}

#[test]
fn socket_that_takes_one_byte_at_a_time_gets_everything_in_order() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(0);
    for n in 0..40_u8 {
        connection.push(&Outgoing::text(vec![b'a' + n % 26; usize::from(n)])).unwrap();
    }
    let mut received = Vec::new();
    while connection.queued_bytes() > 0 {
        far.opens_window(1);
        connection.try_flush();
        received.extend(far.received());
    }
    let expected: Vec<u8> =
        (0..40_u8).flat_map(|n| [vec![0x81, n], vec![b'a' + n % 26; usize::from(n)]].concat()).collect();
    assert_eq!(received, expected);
}

#[test]
fn socket_that_cannot_write_slices_gets_one_piece() {
    let (mut connection, far) = pair(Limits::default());
    far.state().vectored = false;
    assert_eq!(connection.send(&alert()), Ok(Sent::Written));
    assert_eq!(far.state().writes.len(), 1);
    let big = Outgoing::binary(vec![7; 100_000]).with_tail("end");
    assert_eq!(connection.send(&big), Ok(Sent::Written));
    let received = far.received();
    assert_eq!(received.len(), ALERT.len() + big.wire_bytes());
    assert!(received.ends_with(b"end"));
}

#[test]
fn several_pushed_frames_leave_in_one_write() {
    let (mut connection, far) = pair(Limits::default());
    for _ in 0..10 {
        connection.push(&Outgoing::text("x")).unwrap();
    }
    assert_eq!(far.received(), b"");
    assert_eq!(event(&mut connection), Event::Drained);
    assert_eq!(far.received(), b"\x81\x01x".repeat(10));
    assert_eq!(far.state().writes.len(), 1);
}

#[test]
fn queue_takes_its_limit_and_refuses_one_byte_more_whole() {
    let (mut connection, far) = pair(Limits::default());
    let limit = Limits::default().send_queue_bytes_max;
    far.opens_window(0);
    connection.push(&Outgoing::text(vec![b'a'; limit - 4 - 6])).unwrap();
    assert_eq!(connection.send(&Outgoing::text("12345")), Err(SendError::QueueFull));
    assert_eq!(connection.queued_bytes(), limit - 6);
    connection.push(&Outgoing::text("1234")).unwrap();
    assert_eq!(connection.queued_bytes(), limit);
    assert_eq!(connection.push(&Outgoing::text("")), Err(SendError::QueueFull));
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Drained);
    assert_eq!(far.received().len(), limit);
    assert_eq!(connection.send(&Outgoing::text("12345")), Ok(Sent::Written));
}

#[test]
fn empty_queue_takes_a_frame_above_the_limit_and_nothing_beside_it() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(0);
    assert_eq!(connection.send(&Outgoing::text(vec![b'a'; 1 << 20])), Ok(Sent::Queued));
    assert_eq!(connection.send(&Outgoing::text("x")), Err(SendError::QueueFull));
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Drained);
    assert_eq!(far.received().len(), 10 + (1 << 20));
}

#[test]
fn number_of_waiting_frames_is_limited_too() {
    let limits = Limits { send_queue_frames_max: 3, ..Limits::default() };
    let (mut connection, far) = pair(limits);
    far.opens_window(0);
    for _ in 0..3 {
        connection.push(&Outgoing::text("x")).unwrap();
    }
    assert_eq!(connection.push(&Outgoing::text("x")), Err(SendError::QueueFull));
}

#[test]
fn queue_keeps_no_memory_after_a_burst() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(0);
    while connection.send(&Outgoing::text("x".repeat(100)).with_tail("tail")).is_ok() {}
    let full = connection.heap_bytes();
    far.opens_window(connection.queued_bytes() * 9 / 10);
    nothing(&mut connection);
    assert!(connection.heap_bytes() < full / 4, "{full} -> {}", connection.heap_bytes());
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Drained);
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn idle_connection_after_a_16_kib_message_keeps_no_buffer() {
    let (mut connection, far) = pair(Limits::default());
    let message = frame(0x81, &[b'a'; 16 * 1024]);
    let (begin, end) = message.split_at(9_000);
    far.sends(begin);
    nothing(&mut connection);
    assert!(connection.heap_bytes() > 8_000);
    far.sends(end);
    assert_eq!(event(&mut connection), Event::Text("a".repeat(16 * 1024)));
    assert_eq!(connection.heap_bytes(), 0);
    nothing(&mut connection);
    assert_eq!(connection.heap_bytes(), 0);
    assert_eq!(connection.bytes_read(), message.len() as u64);
}

#[test]
fn connection_itself_is_small() {
    let own = size_of::<Connection<()>>();
    println!("a connection takes {own} bytes beside its socket and no heap while idle");
    assert!(own <= 104, "{own}");
}

#[test]
fn several_messages_of_one_read_come_one_by_one_and_leave_no_buffer() {
    let (mut connection, far) = pair(Limits::default());
    far.sends(&[frame(0x81, b"one"), frame(0x82, b"two"), frame(0x8a, b"three"), vec![0x81]].concat());
    assert_eq!(event(&mut connection), Event::Text("one".into()));
    assert_eq!(event(&mut connection), Event::Binary("two".into()));
    assert_eq!(event(&mut connection), Event::Pong("three".into()));
    nothing(&mut connection);
    far.sends(&frame(0x81, b"four")[1..]);
    assert_eq!(event(&mut connection), Event::Text("four".into()));
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn partial_message_keeps_only_itself_not_the_messages_before_it() {
    let (mut connection, far) = pair(Limits::default());
    far.sends(&[frame(0x81, b"first"), frame(0x81, &[b'x'; 8_000]), frame(0x01, b"begun")].concat());
    event(&mut connection);
    assert!(connection.heap_bytes() > 8_000);
    event(&mut connection);
    nothing(&mut connection);
    assert!(connection.heap_bytes() < 300, "{}", connection.heap_bytes());
}

#[test]
fn bytes_read_with_the_handshake_come_first() {
    let far = Far::default();
    let bytes = frame(0x81, b"early");
    let mut connection = Connection::with_read_bytes(Socket(far.clone()), Limits::default(), &bytes[..4]);
    far.sends(&bytes[4..]);
    assert_eq!(event(&mut connection), Event::Text("early".into()));
    assert_eq!(connection.bytes_read(), bytes.len() as u64);
}

#[test]
fn ping_is_answered_by_the_codec() {
    let (mut connection, far) = pair(Limits::default());
    far.sends(&frame(0x89, b"hello"));
    assert_eq!(event(&mut connection), Event::Ping("hello".into()));
    assert_eq!(far.received(), b"\x8a\x05hello");
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn only_the_latest_of_several_waiting_pings_is_answered_between_two_messages() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(3);
    connection.send(&Outgoing::text("first")).unwrap();
    connection.send(&Outgoing::text("second")).unwrap();
    let queued = connection.queued_bytes();
    for n in 0..200_u8 {
        far.sends(&frame(0x89, &[n]));
        assert_eq!(event(&mut connection), Event::Ping(vec![n].into()));
    }
    assert_eq!(connection.queued_bytes(), queued + 3);
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Drained);
    assert_eq!(far.received(), b"\x81\x05first\x8a\x01\xc7\x81\x06second");
}

#[test]
fn pong_cut_in_the_middle_goes_on_before_the_next_one() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(3);
    far.sends(&frame(0x89, b"abc"));
    event(&mut connection);
    for payload in [b"def", b"ghi"] {
        far.sends(&frame(0x89, payload));
        event(&mut connection);
    }
    far.opens_window(usize::MAX);
    nothing(&mut connection);
    assert_eq!(far.received(), b"\x8a\x03abc\x8a\x03ghi");
}

#[test]
fn our_close_follows_what_waits_and_ends_with_the_peers_answer() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(0);
    connection.push(&Outgoing::text("last")).unwrap();
    connection.close(4000, "going away");
    connection.close(4001, "ignored");
    assert!(connection.is_closing());
    assert_eq!(connection.send(&Outgoing::text("x")), Err(SendError::Closing));
    assert_eq!(connection.push(&Outgoing::text("x")), Err(SendError::Closing));
    far.sends(
        &[frame(0x81, b"ack"), frame(0x89, b"ping"), frame(0x88, &[15, 160]), frame(0x81, b"late")].concat(),
    );
    assert_eq!(event(&mut connection), Event::Text("ack".into()));
    assert_eq!(event(&mut connection), Event::Ping("ping".into()));
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Close(CloseFrame { code: Some(4000), reason: String::new() }));
    assert_eq!(event(&mut connection), Event::Closed);
    assert_eq!(far.received(), b"\x81\x04last\x88\x0c\x0f\xa0going away");
    assert!(far.state().shut_down);
    assert_eq!(event(&mut connection), Event::Closed);
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn peers_close_is_answered_with_its_code_and_what_follows_is_ignored() {
    for (payload, answer) in [
        (&b"\x0f\xa1bye"[..], &b"\x88\x02\x0f\xa1"[..]),
        (b"", b"\x88\x00"),
        (b"\x03\xe8", b"\x88\x02\x03\xe8"),
    ] {
        let (mut connection, far) = pair(Limits::default());
        far.sends(&[frame(0x88, payload), frame(0x89, b"late")].concat());
        far.sends(&frame(0x81, b"later"));
        assert!(matches!(event(&mut connection), Event::Close(_)));
        assert_eq!(connection.send(&Outgoing::text("x")), Err(SendError::Closing));
        assert_eq!(event(&mut connection), Event::Closed);
        assert_eq!(far.received(), answer);
        assert!(far.state().incoming.is_empty(), "unread bytes would turn the end into a reset");
    }
}

#[test]
fn peers_close_waits_for_what_is_queued() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(1);
    connection.send(&Outgoing::text("slow")).unwrap();
    far.sends(&frame(0x88, b"\x03\xe8"));
    assert!(matches!(event(&mut connection), Event::Close(_)));
    nothing(&mut connection);
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Closed);
    assert_eq!(far.received(), b"\x81\x04slow\x88\x02\x03\xe8");
}

#[test]
fn discarding_lets_the_close_frame_through() {
    let (mut connection, far) = pair(Limits::default());
    far.opens_window(3);
    connection.send(&Outgoing::text("begun")).unwrap();
    connection.send(&Outgoing::text("dropped")).unwrap();
    connection.discard_queue();
    connection.close(4002, "lagging");
    connection.discard_queue();
    far.opens_window(usize::MAX);
    nothing(&mut connection);
    assert_eq!(far.received(), b"\x81\x05begun\x88\x09\x0f\xa2lagging");
}

#[test]
fn violation_is_said_until_the_owner_closes_and_ends_when_the_peer_hangs_up() {
    let (mut connection, far) = pair(Limits::default());
    far.sends(&[frame(0x81, b"fine"), vec![0x81, 0x01, b'x']].concat());
    assert_eq!(event(&mut connection), Event::Text("fine".into()));
    for _ in 0..2 {
        let error = error(&mut connection);
        assert!(matches!(error, Error::Violation(Violation::Unmasked)));
        assert_eq!(error.close_code(), Some(1002));
    }
    assert!(connection.is_closing());
    assert_eq!(connection.heap_bytes(), 0);
    connection.close(4003, "frame is not masked");
    far.sends(&frame(0x81, b"ignored"));
    nothing(&mut connection);
    assert_eq!(far.received(), b"\x88\x15\x0f\xa3frame is not masked");
    assert!(far.state().shut_down && far.state().incoming.is_empty());
    far.hangs_up();
    assert_eq!(event(&mut connection), Event::Closed);
}

#[test]
fn peer_that_hangs_up_without_a_close_frame_is_gone() {
    let (mut connection, far) = pair(Limits::default());
    far.sends(&frame(0x81, b"half")[..5]);
    far.hangs_up();
    assert_eq!(gone(&mut connection), io::ErrorKind::UnexpectedEof);
    assert_eq!(gone(&mut connection), io::ErrorKind::NotConnected);
    assert_eq!(connection.send(&Outgoing::text("x")), Err(SendError::Closing));
    assert_eq!(connection.heap_bytes(), 0);
}

#[test]
fn peer_that_hangs_up_after_our_close_is_closed() {
    let (mut connection, far) = pair(Limits::default());
    connection.close(1001, "");
    far.hangs_up();
    assert_eq!(event(&mut connection), Event::Closed);
    assert_eq!(far.received(), b"\x88\x02\x03\xe9");
}

#[test]
fn socket_failure_while_sending_is_reported_by_the_next_drive() {
    let (mut connection, far) = pair(Limits::default());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    assert!(connection.poll_drive(&mut Context::from_waker(&waker)).is_pending());
    far.state().write_error = true;
    assert_eq!(connection.send(&alert()), Err(SendError::Closing));
    assert!(wakes.take() > 0, "the owner must hear of it");
    assert!(connection.is_closing());
    assert_eq!(gone(&mut connection), io::ErrorKind::BrokenPipe);
}

#[test]
fn write_from_elsewhere_wakes_the_owner_once_the_socket_can_go_on() {
    for window in 0..8 {
        let (mut connection, far) = pair(Limits::default());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(connection.poll_drive(&mut cx).is_pending());
        far.opens_window(window);
        assert_eq!(connection.send(&alert()), Ok(Sent::Queued));
        assert_eq!(wakes.take(), 0);
        far.opens_window(usize::MAX);
        assert_eq!(wakes.take(), 1);
        assert!(matches!(connection.poll_drive(&mut cx), Poll::Ready(Ok(Event::Drained))));
    }
}

#[test]
fn drained_waits_for_the_layer_below() {
    let (mut connection, far) = pair(Limits::default());
    far.state().flush_blocked = true;
    connection.push(&Outgoing::text("x")).unwrap();
    assert!(!connection.try_flush());
    nothing(&mut connection);
    far.opens_window(usize::MAX);
    assert_eq!(event(&mut connection), Event::Drained);
}

#[test]
fn written_frames_owe_no_drained() {
    let (mut connection, _far) = pair(Limits::default());
    assert_eq!(connection.send(&alert()), Ok(Sent::Written));
    nothing(&mut connection);
}

#[test]
fn endless_message_lets_other_tasks_run() {
    let limits = Limits { inbound_message_bytes_max: usize::MAX, ..Limits::default() };
    let (mut connection, far) = pair(limits);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    far.sends(&frame(0x01, b"begin"));
    far.state().endless = Some(frame(0x00, &[b'x'; 200]).repeat(10));
    assert!(connection.poll_drive(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(wakes.take(), 1);
}

#[test]
fn dropped_drive_loses_nothing() {
    let (mut connection, far) = pair(Limits::default());
    let mut cx = Context::from_waker(Waker::noop());
    let messages: Vec<Vec<u8>> =
        (0..20_u8).map(|n| frame(0x81, &vec![b'a' + n; usize::from(n) * 3])).collect();
    far.opens_window(0);
    let mut events = Vec::new();
    for byte in messages.concat() {
        far.sends(&[byte]);
        connection.send(&Outgoing::text([byte % 128].to_vec())).unwrap();
        far.opens_window(2);
        // Every future is polled once and dropped, as a `select!` whose other branch wins would do.
        let mut drive = Box::pin(connection.drive());
        match drive.as_mut().poll(&mut cx) {
            Poll::Ready(event) => events.push(event.unwrap()),
            Poll::Pending => {}
        }
    }
    far.opens_window(usize::MAX);
    while let Poll::Ready(event) = poll(&mut connection) {
        events.push(event.unwrap());
    }
    events.retain(|event| *event != Event::Drained);
    let expected: Vec<Event> = (0..20_u8)
        .map(|n| Event::Text(char::from(b'a' + n).to_string().repeat(usize::from(n) * 3)))
        .collect();
    assert_eq!(events, expected);
    let sent: Vec<u8> = messages.concat().iter().flat_map(|byte| [0x81, 1, byte % 128]).collect();
    assert_eq!(far.received(), sent);
}
