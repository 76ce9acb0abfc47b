//! From the store's rows to the protocol's bytes. Rows never go on a wire by themselves.

use crate::clock::timestamp;
use crate::quiet::{self, Loudness};
use belfry_channels::{Address, ApnsEnvironment};
use belfry_protocol::device::{self, Device, ExportedDevice, PushAddress};
use belfry_protocol::frame::{AlertBody, ChangedItem, Covers, ItemTail, ResetReason};
use belfry_protocol::inbox::{Ack, ChangedTo, IDS_MAX};
use belfry_protocol::{AlertId, Cursor, DeviceId, Epoch, Level, Stream};
use belfry_store::{
    AckRow, ChangedRow, Content, DeviceMove, DeviceRow, Heads, ItemNow, ItemRow, MoveDirection, Selection,
    Settings, Standing,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// A position of both streams in this numbering.
pub fn cursor(epoch: Epoch, heads: Heads) -> Cursor {
    Cursor { epoch, user: heads.user, all: heads.all }
}

/// What decides whether an alert makes noise.
pub fn loudness(content: &Content) -> Loudness {
    Loudness { severity: content.severity, breaks_through: content.breaks_through, quiet: content.quiet }
}

/// The part of an alert's frame that all receivers share: JSON without the tail and the last brace.
pub fn alert_body(id: AlertId, stream: Stream, content: &Content) -> Vec<u8> {
    let data: &RawValue = serde_json::from_str(&content.data).unwrap_or(RawValue::NULL);
    AlertBody {
        r#type: &content.kind,
        data,
        timestamp: timestamp(content.created_at),
        id,
        stream,
        title: &content.title,
        body: content.body.as_deref(),
        severity: content.severity,
        category: &content.category,
        link: content.link.as_deref(),
        image: content.image.as_deref(),
        actions: &content.actions,
        thread: content.thread.as_deref(),
        expires_at: content.expires_at.map(timestamp),
    }
    .encode()
}

/// Appends an item with its state.
pub fn write_item(out: &mut Vec<u8>, row: &ItemRow, settings: &Settings, now: Timestamp) {
    out.extend_from_slice(&alert_body(row.id, row.stream, &row.content));
    let quiet = quiet::is_quiet(settings, loudness(&row.content), now);
    ItemTail { seq: row.seq, version: row.version, state: row.state, quiet }.write(out);
}

fn write_items(out: &mut Vec<u8>, rows: &[ItemRow], settings: &Settings, now: Timestamp) {
    out.push(b'[');
    for (nth, row) in rows.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        write_item(out, row, settings, now);
    }
    out.push(b']');
}

fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("every protocol type has a JSON form");
}

fn changed_item(row: &ChangedRow) -> ChangedItem {
    let (state, left) = match row.now {
        ItemNow::Here(state) => (Some(state), None),
        ItemNow::Left(to) => (None, Some(to)),
    };
    ChangedItem { id: row.id, version: row.version, state, left }
}

/// What a `catch-up` frame says.
pub struct CatchUpFrame<'a> {
    /// Items the client has that changed since.
    pub changes: &'a [ChangedRow],
    /// Newer items.
    pub items: &'a [ItemRow],
    /// The stretch it covers.
    pub covers: Covers,
    /// The unread count.
    pub unread: u32,
    /// Another one follows.
    pub more: bool,
}

/// A `catch-up` frame.
pub fn catch_up(frame: &CatchUpFrame<'_>, settings: &Settings, now: Timestamp) -> Vec<u8> {
    let changes: Vec<ChangedItem> = frame.changes.iter().map(changed_item).collect();
    let mut out = Vec::with_capacity(256 + frame.items.len() * 512 + changes.len() * 128);
    out.extend_from_slice(br#"{"type":"catch-up","data":{"changes":"#);
    write_json(&mut out, &changes);
    out.extend_from_slice(br#","items":"#);
    write_items(&mut out, frame.items, settings, now);
    out.extend_from_slice(br#","covers":"#);
    write_json(&mut out, &frame.covers);
    out.extend_from_slice(br#","unread":"#);
    write_json(&mut out, &frame.unread);
    out.extend_from_slice(br#","more":"#);
    write_json(&mut out, &frame.more);
    out.extend_from_slice(br#"},"timestamp":"#);
    write_json(&mut out, &now);
    out.push(b'}');
    out
}

/// What a `reset` frame says beside its page.
#[derive(Debug, Clone, Copy)]
pub struct ResetFrame {
    /// From where the client goes on.
    pub cursor: Cursor,
    /// The unread count.
    pub unread: u32,
    /// Why.
    pub reason: ResetReason,
}

/// A `reset` frame with the newest page.
pub fn reset(
    frame: ResetFrame,
    items: &[ItemRow],
    next: Option<i64>,
    settings: &Settings,
    now: Timestamp,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + items.len() * 512);
    out.extend_from_slice(br#"{"type":"reset","data":{"cursor":"#);
    write_json(&mut out, &frame.cursor);
    out.extend_from_slice(br#","unread":"#);
    write_json(&mut out, &frame.unread);
    out.extend_from_slice(br#","items":"#);
    write_items(&mut out, items, settings, now);
    out.extend_from_slice(br#","next":"#);
    write_json(&mut out, &next.map(page_token));
    out.extend_from_slice(br#","reason":"#);
    write_json(&mut out, &frame.reason);
    out.extend_from_slice(br#"},"timestamp":"#);
    write_json(&mut out, &now);
    out.push(b'}');
    out
}

/// A page of `GET /v1/inbox`.
pub fn inbox_page(
    items: &[ItemRow],
    next: Option<i64>,
    standing: &Standing,
    settings: &Settings,
    now: Timestamp,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + items.len() * 512);
    out.extend_from_slice(br#"{"items":"#);
    write_items(&mut out, items, settings, now);
    out.extend_from_slice(br#","next":"#);
    write_json(&mut out, &next.map(page_token));
    out.extend_from_slice(br#","complete_to":"#);
    write_json(&mut out, &cursor(standing.epoch, standing.head));
    out.extend_from_slice(br#","unread":"#);
    write_json(&mut out, &standing.unread.total());
    out.push(b'}');
    out
}

/// The opaque text of a page position.
pub fn page_token(key: i64) -> String {
    format!("{key:x}")
}

/// The position behind a page token.
pub fn parse_page_token(text: &str) -> Option<i64> {
    let hex = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

/// A registered address as the ways out take it.
pub fn push_address(address: PushAddress) -> Address {
    match address {
        PushAddress::Fcm { token: Some(token), .. } => Address::FcmToken(token),
        PushAddress::Fcm { token: None, installation_id } => {
            Address::FcmInstallation(installation_id.unwrap_or_default())
        }
        PushAddress::Apns { token, environment, topic } => {
            let environment = match environment {
                device::ApnsEnvironment::Production => ApnsEnvironment::Production,
                device::ApnsEnvironment::Sandbox => ApnsEnvironment::Sandbox,
            };
            Address::Apns { token, environment, topic }
        }
        PushAddress::WebPush { endpoint, keys, vapid_key_id } => {
            Address::WebPush { endpoint, p256dh: keys.p256dh, auth: keys.auth, vapid_key_id }
        }
    }
}

/// An id that was parsed when it came in.
fn device_id(id: String) -> DeviceId {
    DeviceId::new(id).expect("the store holds what was a device id at the door")
}

/// A device as its user sees it.
pub fn device(row: DeviceRow) -> Device {
    Device {
        id: device_id(row.id),
        provider: row.address.provider(),
        address: push_address(row.address).shortened(),
        locale: row.locale,
        time_zone: row.time_zone,
        app_version: row.app_version,
        registered_at: timestamp(row.registered_at),
        accepted_at: row.accepted_at.map(timestamp),
        failure: row.failure,
    }
}

/// A device whole, for the person it belongs to.
pub fn exported_device(row: DeviceRow) -> ExportedDevice {
    ExportedDevice {
        id: device_id(row.id),
        address: row.address,
        locale: row.locale,
        time_zone: row.time_zone,
        app_version: row.app_version,
        registered_at: timestamp(row.registered_at),
        accepted_at: row.accepted_at.map(timestamp),
        failure: row.failure,
    }
}

/// An address that moved, as one of the two has it in their trace.
pub fn device_move(row: DeviceMove) -> device::DeviceMove {
    device::DeviceMove {
        at: timestamp(row.at),
        device: device_id(row.device),
        direction: match row.direction {
            MoveDirection::Came => device::MoveDirection::Came,
            MoveDirection::Went => device::MoveDirection::Went,
        },
        user: row.other,
    }
}

/// The word for an item that left, as the trace prints it.
pub fn left_word(to: ChangedTo) -> &'static str {
    match to {
        ChangedTo::Expired => "expired",
        ChangedTo::Recalled => "recalled",
        ChangedTo::Replaced => "replaced",
        ChangedTo::Removed => "removed",
        _ => "changed",
    }
}

/// Which items a client means: exactly one of `ids` and `up_to`. The error names the field.
pub fn selection(
    ids: Option<Vec<AlertId>>,
    up_to: Option<Cursor>,
    epoch: Epoch,
) -> Result<(Selection, Option<Cursor>), &'static str> {
    match (ids, up_to) {
        (Some(ids), None) if ids.len() > IDS_MAX => Err("`ids` has at most 1,000 entries"),
        (Some(ids), None) => Ok((Selection::Ids(ids), None)),
        (None, Some(cursor)) if cursor.epoch != epoch => {
            Err("`up_to` belongs to another numbering: fetch the inbox again and use its `complete_to`")
        }
        (None, Some(cursor)) => {
            Ok((Selection::UpTo(Heads { user: cursor.user, all: cursor.all }), Some(cursor)))
        }
        (Some(_), Some(_)) => Err("give either `ids` or `up_to`, not both"),
        (None, None) => Err("give `ids` or `up_to`"),
    }
}

/// A receipt as the store takes it. `sent`: what this connection was sent, or the head where nobody knows that; a range
/// never confirms more.
pub fn ack_row(ack: Ack, sent: Heads) -> Result<AckRow, &'static str> {
    match ack {
        Ack { ids: Some(ids), stream: None, after: None, up_to: None, level } => {
            if ids.len() > IDS_MAX {
                return Err("`ids` has at most 1,000 entries");
            }
            if !matches!(level, Level::Received | Level::Displayed) {
                return Err(
                    "`level` of an ack is `received` or `displayed`; use `seen`, `read` or `acted` for the others",
                );
            }
            Ok(AckRow::Ids { ids, level })
        }
        Ack { ids: None, stream: Some(stream), after: Some(after), up_to: Some(up_to), level } => {
            if level != Level::Received {
                return Err("a range is always `received`: name single alerts by `ids` for `displayed`");
            }
            let up_to = up_to.min(if stream == Stream::User { sent.user } else { sent.all });
            Ok(AckRow::Range { stream, after, up_to, level: Level::Received })
        }
        _ => Err("give either `ids`, or `stream`, `after` and `up_to`"),
    }
}
