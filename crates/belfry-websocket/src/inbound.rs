use crate::decoder::Decoder;
use crate::{Event, Violation};

/// The read side between two reads: nothing at all, unless a frame, a message or unread bytes are left.
#[derive(Debug, Default)]
pub(crate) struct Inbound(Option<Box<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    decoder: Decoder,
    /// Bytes read behind an event that was handed out first.
    unread: Vec<u8>,
    unread_from: usize,
}

impl Inbound {
    /// Begins with bytes that somebody else read from the socket.
    pub(crate) fn with_unread(unread: &[u8]) -> Self {
        if unread.is_empty() {
            return Self::default();
        }
        Self(Some(Box::new(Kept { unread: unread.to_vec(), ..Kept::default() })))
    }

    /// The next event among the unread bytes.
    pub(crate) fn next(&mut self, message_bytes_max: usize) -> Result<Option<Event>, Violation> {
        let Some(kept) = &mut self.0 else { return Ok(None) };
        let unread = &mut kept.unread[kept.unread_from..];
        let (used, event) = kept.decoder.decode(unread, message_bytes_max)?;
        kept.unread_from += used;
        if kept.unread_from == kept.unread.len() {
            kept.unread = Vec::new();
            kept.unread_from = 0;
            if kept.decoder.is_idle() {
                self.0 = None;
            }
        }
        Ok(event)
    }

    /// The next event of bytes just read; there must be no unread ones. What lies behind the event is kept.
    pub(crate) fn feed(
        &mut self,
        fresh: &mut [u8],
        message_bytes_max: usize,
    ) -> Result<Option<Event>, Violation> {
        let mut kept = self.0.take();
        let mut new = Decoder::default();
        let decoder = kept.as_mut().map_or(&mut new, |kept| &mut kept.decoder);
        let (used, event) = decoder.decode(fresh, message_bytes_max)?;
        let unread = &fresh[used..];
        if !unread.is_empty() || !decoder.is_idle() {
            let mut kept = kept.unwrap_or_else(|| Box::new(Kept { decoder: new, ..Kept::default() }));
            kept.unread = unread.to_vec();
            self.0 = Some(kept);
        }
        Ok(event)
    }

    /// The heap held between two reads.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |kept| size_of::<Kept>() + kept.unread.capacity() + kept.decoder.heap_bytes())
    }
}
