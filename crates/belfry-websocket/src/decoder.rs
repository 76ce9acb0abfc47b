use bytes::Bytes;

use crate::frame::{Header, Opcode, RECEIVED_HEADER_BYTES_MAX};
use crate::mask::unmask;
use crate::{CloseFrame, Event, Violation};

/// Turns a client's bytes into events. Pure: what it says depends on the bytes alone, not on how they were split.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a header whose end has not come yet.
    header: [u8; RECEIVED_HEADER_BYTES_MAX],
    header_len: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The message whose final fragment is still to come.
    message: Option<Message>,
    /// The payload so far of a control frame that came in parts.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    mask: [u8; 4],
    remaining: usize,
}

impl Decoder {
    /// Reads until an event is complete or the input is used up; says how much it used.
    pub(crate) fn decode(
        &mut self,
        input: &mut [u8],
        message_bytes_max: usize,
    ) -> Result<(usize, Option<Event>), Violation> {
        let mut used = 0;
        while used < input.len() {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => {
                    let (header_bytes, frame) = self.begin_frame(&input[used..], message_bytes_max)?;
                    used += header_bytes;
                    let Some(frame) = frame else { break };
                    frame
                }
            };
            let available = frame.remaining.min(input.len() - used);
            let part = &mut input[used..used + available];
            unmask(part, &mut frame.mask);
            used += available;
            frame.remaining -= available;
            if let Some(event) = self.take_part(part, &frame)? {
                return Ok((used, Some(event)));
            }
            if frame.remaining > 0 {
                self.frame = Some(frame);
            }
        }
        Ok((used, None))
    }

    /// Whether nothing is kept: the next byte begins a new frame and a new message.
    pub(crate) fn is_idle(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// The heap held by a partial message or control frame.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.control.capacity() + self.message.as_ref().map_or(0, Message::capacity)
    }

    /// Reads a header, or keeps the part of it that is there.
    fn begin_frame(
        &mut self,
        input: &[u8],
        message_bytes_max: usize,
    ) -> Result<(usize, Option<Frame>), Violation> {
        let kept = self.header_len;
        let copied = input.len().min(self.header.len() - kept);
        self.header[kept..kept + copied].copy_from_slice(&input[..copied]);
        let Some(header) = Header::parse(&self.header[..kept + copied])? else {
            self.header_len = kept + copied;
            return Ok((copied, None));
        };
        self.header_len = 0;
        self.check_sequence(&header, message_bytes_max)?;
        let remaining = usize::try_from(header.payload_bytes).map_err(|_| Violation::MessageTooBig)?;
        let frame = Frame { opcode: header.opcode, fin: header.fin, mask: header.mask, remaining };
        Ok((header.header_bytes - kept, Some(frame)))
    }

    /// Checks what one header by itself cannot tell: fragments in order, and the size of the whole message.
    fn check_sequence(&mut self, header: &Header, message_bytes_max: usize) -> Result<(), Violation> {
        let begun = match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(Violation::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::ExpectedContinuation),
            (Opcode::Continuation, Some(message)) => message.len(),
            (Opcode::Text, None) => self.message.insert(Message::text()).len(),
            (Opcode::Binary, None) => self.message.insert(Message::Binary(Vec::new())).len(),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
        };
        if header.payload_bytes > message_bytes_max.saturating_sub(begun) as u64 {
            return Err(Violation::MessageTooBig);
        }
        Ok(())
    }

    /// Takes an unmasked part of a frame's payload; its last part may complete an event.
    fn take_part(&mut self, part: &[u8], frame: &Frame) -> Result<Option<Event>, Violation> {
        if frame.opcode.is_control() {
            return self.take_control_part(part, frame);
        }
        let message = self.message.as_mut().expect("a data frame begins or continues a message");
        message.push(part, frame.remaining)?;
        if frame.remaining > 0 || !frame.fin {
            return Ok(None);
        }
        self.message.take().map(Message::finish).transpose()
    }

    fn take_control_part(&mut self, part: &[u8], frame: &Frame) -> Result<Option<Event>, Violation> {
        if frame.remaining > 0 {
            self.control.extend_from_slice(part);
            return Ok(None);
        }
        let payload = if self.control.is_empty() {
            Bytes::copy_from_slice(part)
        } else {
            self.control.extend_from_slice(part);
            Bytes::from(std::mem::take(&mut self.control))
        };
        Ok(Some(match frame.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(CloseFrame::parse(&payload)?),
        }))
    }
}

/// A message on its way in.
#[derive(Debug)]
enum Message {
    /// Valid text, and the first bytes of a character whose last ones are still to come.
    Text {
        text: String,
        character: [u8; 4],
        character_len: usize,
    },
    Binary(Vec<u8>),
}

impl Message {
    fn text() -> Self {
        Self::Text { text: String::new(), character: [0; 4], character_len: 0 }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text { text, character_len, .. } => text.len() + character_len,
            Self::Binary(bytes) => bytes.len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.capacity(),
            Self::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Appends a part; `announced` is how much of the same frame is still to come.
    fn push(&mut self, part: &[u8], announced: usize) -> Result<(), Violation> {
        let more = self.growth(part.len(), announced);
        match self {
            Self::Text { text, character, character_len } => {
                text.reserve_exact(more);
                push_utf8(text, character, character_len, part)
            }
            Self::Binary(bytes) => {
                bytes.reserve_exact(more);
                bytes.extend_from_slice(part);
                Ok(())
            }
        }
    }

    /// How much room to ask for: double, so that copying stays cheap, but never for more than was announced,
    /// and never on the strength of an announcement alone.
    fn growth(&self, part: usize, announced: usize) -> usize {
        let needed = self.len() + part;
        if needed <= self.capacity() {
            return part;
        }
        needed.max((self.capacity() * 2).min(needed + announced)) - self.len()
    }

    fn finish(self) -> Result<Event, Violation> {
        match self {
            Self::Text { character_len: 1.., .. } => Err(Violation::InvalidUtf8),
            Self::Text { text, .. } => Ok(Event::Text(text)),
            Self::Binary(bytes) => Ok(Event::Binary(Bytes::from(bytes))),
        }
    }
}

/// Appends UTF-8 that may be cut anywhere; fails at the first byte that can no longer become valid.
fn push_utf8(
    text: &mut String,
    character: &mut [u8; 4],
    character_len: &mut usize,
    mut part: &[u8],
) -> Result<(), Violation> {
    while *character_len > 0 {
        let [next, rest @ ..] = part else { return Ok(()) };
        character[*character_len] = *next;
        *character_len += 1;
        part = rest;
        match std::str::from_utf8(&character[..*character_len]) {
            Ok(complete) => {
                text.push_str(complete);
                *character_len = 0;
            }
            Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
            Err(_) => {}
        }
    }
    match std::str::from_utf8(part) {
        Ok(valid) => text.push_str(valid),
        Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
        Err(error) => {
            let (valid, cut) = part.split_at(error.valid_up_to());
            text.push_str(std::str::from_utf8(valid).expect("validated up to here"));
            character[..cut.len()].copy_from_slice(cut);
            *character_len = cut.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
