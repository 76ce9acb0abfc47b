/// What one connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message a peer may send, all its fragments together; more is [`crate::Violation::MessageTooBig`].
    pub inbound_message_bytes_max: usize,
    /// How many bytes of frames may wait for the socket. One frame larger than this is still accepted while
    /// nothing waits, so that a big catch-up page can be sent at all.
    pub send_queue_bytes_max: usize,
    /// How many frames may wait for the socket, because tiny frames cost more memory than their bytes say.
    pub send_queue_frames_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound_message_bytes_max: 16 * 1024,
            send_queue_bytes_max: 48 * 1024,
            send_queue_frames_max: 512,
        }
    }
}
