//! What nodes tell each other, and how it is written. Pure: bytes in, words out.
//!
//! A head is the version's letter and a JSON object whose `t` says what it is; a body is a ready frame, or what may be
//! long. A body may be left out on the way: the head then says enough to read the store. Fields are only ever added,
//! with a default; a head of another version or with an unknown `t` is somebody else's and is passed over.

use crate::hub::{LiveAlert, LiveChange, Seat, Signal};
use crate::quiet::Loudness;
use belfry_bus::Message;
use belfry_protocol::inbox::{ChangedTo, IDS_MAX};
use belfry_protocol::{AlertId, CloseCode, ConnectionId, Cursor, DoNotDisturb, Seq, Severity, UserId};
use belfry_store::{Settings, UnixMs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The first byte of every head.
const VERSION: u8 = b'1';
/// Bytes of users in one head; the bus takes heads of 4 KiB.
const USERS_BYTES_MAX: usize = 3_000;
/// What an addressee takes beside the user's id: three numbers, an alert's id, and what JSON puts between.
const ADDRESSEE_BYTES: usize = 100;
/// Most users of one hint.
const USERS_MAX: usize = 256;
/// Longest reason of a close, in bytes.
const WHY_BYTES_MAX: usize = 200;
/// Most connections of one user in a hint: their oldest and hidden ones, which are the ones that may go.
pub const SEATS_MAX: usize = 24;

/// One thing that another node has to know.
#[derive(Debug)]
pub enum Hint {
    /// An alert for some users.
    Alert {
        /// Its kind.
        kind: String,
        /// The alert; `None`: its frame was left out.
        alert: Option<Arc<LiveAlert>>,
        /// For whom.
        to: Vec<Addressee>,
    },
    /// An alert for everyone.
    Announcement {
        /// Its kind.
        kind: String,
        /// The alert; `None`: its frame was left out.
        alert: Option<Arc<LiveAlert>>,
        /// Its number in `all`.
        seq: Seq,
        /// What it takes the place of.
        replaces: Option<AlertId>,
    },
    /// Items of a user changed.
    Changed {
        /// Whose.
        user: UserId,
        /// What changed; `None`: it was left out.
        change: Option<Arc<LiveChange>>,
        /// The change's number.
        seq: Seq,
        /// The user's part of the unread count.
        unread: u32,
        /// It touched alerts for everyone.
        touches_all: bool,
    },
    /// Announcements left for everyone.
    AllChanged {
        /// What changed; `None`: it was left out.
        change: Option<Arc<LiveChange>>,
        /// The change's number in `all`.
        seq: Seq,
    },
    /// Do-not-disturb or preferences changed; `None`: what they are now was left out.
    Settings(UserId, Option<Arc<Settings>>),
    /// Sessions of a user are to close.
    Close(UserId, CloseCode, String),
    /// Tokens of a user issued at or before this are refused.
    Revoked(UserId, UnixMs),
    /// Tokens of a signing key are refused, or taken again.
    Key {
        /// Its name.
        kid: Arc<str>,
        /// They are refused.
        revoked: bool,
    },
    /// A cookie token of a connection was renewed at another node.
    Renewed {
        /// Whose.
        user: UserId,
        /// Which.
        connection: ConnectionId,
        /// The new token's end.
        expires_at: Option<UnixMs>,
        /// When it was issued.
        issued_at: Option<UnixMs>,
        /// The name of the key that signed it.
        kid: Option<Arc<str>>,
    },
    /// Something of a user is to be read again.
    Look(UserId),
    /// A user may have more connections than they may, over all nodes.
    Crowd {
        /// Who.
        user: UserId,
        /// Those at the sender that may go first, at most [`SEATS_MAX`].
        seats: Vec<Seat>,
        /// How many it has beside them.
        more: u32,
        /// The others are to answer with theirs.
        asks: bool,
    },
}

/// For whom an alert is, and what only they are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    /// Who.
    #[serde(rename = "u")]
    pub user: UserId,
    /// Its number in their stream.
    #[serde(rename = "s")]
    pub seq: Seq,
    /// Their part of the unread count.
    #[serde(rename = "n")]
    pub unread: u32,
    /// What it takes the place of.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<AlertId>,
}

/// Why a hint says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHint {
    /// Of another version of this server.
    #[error("a hint of another version")]
    Foreign,
    /// Nothing that a node writes.
    #[error("a hint that cannot be read: {0}")]
    Garbled(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case")]
enum Head {
    Alert {
        id: AlertId,
        kind: String,
        loud: Loud,
        to: Vec<Addressee>,
    },
    Announcement {
        id: AlertId,
        kind: String,
        loud: Loud,
        s: Seq,
        #[serde(default)]
        r: Option<AlertId>,
    },
    Changed {
        u: UserId,
        s: Seq,
        n: u32,
        all: bool,
    },
    AllChanged {
        s: Seq,
    },
    Settings {
        u: UserId,
    },
    Close {
        u: UserId,
        code: u16,
        why: String,
    },
    Revoked {
        u: UserId,
        before: i64,
    },
    Key {
        kid: String,
        revoked: bool,
    },
    Renewed {
        u: UserId,
        connection: ConnectionId,
        #[serde(default)]
        expires_at: Option<i64>,
        #[serde(default)]
        issued_at: Option<i64>,
        #[serde(default)]
        kid: Option<String>,
    },
    Look {
        u: UserId,
    },
    Crowd {
        u: UserId,
        seats: Vec<(ConnectionId, bool, i64)>,
        #[serde(default)]
        more: u32,
        asks: bool,
    },
}

/// Every `t` of [`Head`]: one of these that cannot be read is no newer node's.
const KNOWN: [&str; 11] = [
    "alert",
    "announcement",
    "changed",
    "all-changed",
    "settings",
    "close",
    "revoked",
    "key",
    "renewed",
    "look",
    "crowd",
];

#[derive(Deserialize)]
struct Tag {
    t: String,
}

#[derive(Serialize, Deserialize)]
struct Loud {
    severity: Severity,
    #[serde(default)]
    breaks_through: bool,
    #[serde(default)]
    quiet: bool,
}

impl From<Loudness> for Loud {
    fn from(loudness: Loudness) -> Self {
        let Loudness { severity, breaks_through, quiet } = loudness;
        Self { severity, breaks_through, quiet }
    }
}

impl From<Loud> for Loudness {
    fn from(loud: Loud) -> Self {
        let Loud { severity, breaks_through, quiet } = loud;
        Self { severity, breaks_through, quiet }
    }
}

#[derive(Serialize, Deserialize)]
struct ChangeBody {
    to: ChangedTo,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<AlertId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<Cursor>,
}

#[derive(Serialize, Deserialize)]
struct SettingsBody {
    do_not_disturb: DoNotDisturb,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    rev: u64,
}

/// Cuts a list of addressees into those that fit into one head each.
pub fn packs(mut to: Vec<Addressee>) -> Vec<Vec<Addressee>> {
    let mut packs = Vec::new();
    while !to.is_empty() {
        let mut bytes = 0;
        let fits = to.iter().take(USERS_MAX).take_while(|one| {
            bytes += one.user.as_str().len() + ADDRESSEE_BYTES;
            bytes <= USERS_BYTES_MAX
        });
        let count = fits.count().max(1);
        let rest = to.split_off(count);
        packs.push(std::mem::replace(&mut to, rest));
    }
    packs
}

impl Hint {
    /// What other nodes are told when the sessions of a user are told this; `None`: it concerns this node only.
    pub fn of(user: &UserId, signal: &Signal) -> Option<Self> {
        Some(match signal {
            Signal::Changed { change, seq, unread, touches_all } => Self::Changed {
                user: user.clone(),
                change: Some(Arc::clone(change)),
                seq: *seq,
                unread: *unread,
                touches_all: *touches_all,
            },
            Signal::Settings(settings) => Self::Settings(user.clone(), Some(Arc::clone(settings))),
            Signal::Close(code, why) => Self::Close(user.clone(), *code, why.clone().into_owned()),
            Signal::Revoked(before) => Self::Revoked(user.clone(), *before),
            Signal::Alert { .. }
            | Signal::Announcement { .. }
            | Signal::AllChanged { .. }
            | Signal::KeyRevoked(_)
            | Signal::Renewed { .. }
            | Signal::Expect(..)
            | Signal::Heads(_)
            | Signal::Drain { .. } => return None,
        })
    }

    /// As bytes.
    pub fn encode(&self) -> Message {
        let (head, body) = self.head_and_body();
        let mut bytes = Vec::with_capacity(160);
        bytes.push(VERSION);
        serde_json::to_writer(&mut bytes, &head).expect("a head is a JSON object");
        Message { head: bytes.into(), body }
    }

    fn head_and_body(&self) -> (Head, Option<Bytes>) {
        match self {
            Self::Alert { kind, alert, to } => {
                let (id, loud, body) = ready(alert.as_deref());
                (Head::Alert { id, kind: kind.clone(), loud, to: to.clone() }, body)
            }
            Self::Announcement { kind, alert, seq, replaces } => {
                let (id, loud, body) = ready(alert.as_deref());
                (Head::Announcement { id, kind: kind.clone(), loud, s: *seq, r: *replaces }, body)
            }
            Self::Changed { user, change, seq, unread, touches_all } => {
                let head = Head::Changed { u: user.clone(), s: *seq, n: *unread, all: *touches_all };
                (head, change.as_deref().map(change_body))
            }
            Self::AllChanged { change, seq } => {
                (Head::AllChanged { s: *seq }, change.as_deref().map(change_body))
            }
            Self::Settings(user, settings) => {
                let body = settings.as_deref().map(|settings| {
                    let Settings { do_not_disturb, time_zone, locale, rev } = settings.clone();
                    json(&SettingsBody { do_not_disturb, time_zone, locale, rev })
                });
                (Head::Settings { u: user.clone() }, body)
            }
            Self::Close(user, code, why) => {
                (Head::Close { u: user.clone(), code: code.number(), why: why.clone() }, None)
            }
            Self::Revoked(user, before) => (Head::Revoked { u: user.clone(), before: before.0 }, None),
            Self::Key { kid, revoked } => (Head::Key { kid: kid.to_string(), revoked: *revoked }, None),
            Self::Renewed { user, connection, expires_at, issued_at, kid } => {
                let head = Head::Renewed {
                    u: user.clone(),
                    connection: *connection,
                    expires_at: expires_at.map(|at| at.0),
                    issued_at: issued_at.map(|at| at.0),
                    kid: kid.as_deref().map(str::to_owned),
                };
                (head, None)
            }
            Self::Look(user) => (Head::Look { u: user.clone() }, None),
            Self::Crowd { user, seats, more, asks } => {
                let seats = seats.iter().map(|seat| (seat.connection, seat.visible, seat.since.0)).collect();
                (Head::Crowd { u: user.clone(), seats, more: *more, asks: *asks }, None)
            }
        }
    }

    /// What another node wrote.
    pub fn decode(message: &Message) -> Result<Self, NoHint> {
        let Some((VERSION, head)) = message.head.split_first().map(|(first, rest)| (*first, rest)) else {
            return Err(if message.head.is_empty() {
                NoHint::Garbled("it is empty")
            } else {
                NoHint::Foreign
            });
        };
        let head = serde_json::from_slice(head).map_err(|_| match serde_json::from_slice::<Tag>(head) {
            Ok(tag) if !KNOWN.contains(&tag.t.as_str()) => NoHint::Foreign,
            _ => NoHint::Garbled("its head is not as it must be"),
        })?;
        of_head(head, message.body.as_ref())
    }
}

fn of_head(head: Head, body: Option<&Bytes>) -> Result<Hint, NoHint> {
    Ok(match head {
        Head::Alert { to, .. } if to.is_empty() || to.len() > USERS_MAX => {
            return Err(NoHint::Garbled("it is for nobody, or for too many"));
        }
        Head::Alert { id, kind, loud, to } => Hint::Alert { kind, alert: alert(id, loud, body)?, to },
        Head::Announcement { id, kind, loud, s, r } => {
            Hint::Announcement { kind, alert: alert(id, loud, body)?, seq: s, replaces: r }
        }
        Head::Changed { u, s, n, all } => {
            Hint::Changed { user: u, change: change(body)?, seq: s, unread: n, touches_all: all }
        }
        Head::AllChanged { s } => Hint::AllChanged { change: change(body)?, seq: s },
        Head::Settings { u } => Hint::Settings(u, settings(body)?),
        Head::Close { u, code, why } => {
            let code = CloseCode::ALL.iter().find(|known| known.number() == code).copied();
            let code = code.ok_or(NoHint::Foreign)?;
            if why.len() > WHY_BYTES_MAX {
                return Err(NoHint::Garbled("its reason is too long"));
            }
            Hint::Close(u, code, why)
        }
        Head::Revoked { u, before } => Hint::Revoked(u, UnixMs(before)),
        Head::Key { kid, revoked } => Hint::Key { kid: kid.into(), revoked },
        Head::Renewed { u, connection, expires_at, issued_at, kid } => Hint::Renewed {
            user: u,
            connection,
            expires_at: expires_at.map(UnixMs),
            issued_at: issued_at.map(UnixMs),
            kid: kid.map(Into::into),
        },
        Head::Look { u } => Hint::Look(u),
        Head::Crowd { seats, .. } if seats.len() > SEATS_MAX => {
            return Err(NoHint::Garbled("too many connections"));
        }
        Head::Crowd { u, seats, more, asks } => {
            let seat = |(connection, visible, since)| Seat { connection, visible, since: UnixMs(since) };
            Hint::Crowd { user: u, seats: seats.into_iter().map(seat).collect(), more, asks }
        }
    })
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a body is a JSON object").into()
}

fn ready(alert: Option<&LiveAlert>) -> (AlertId, Loud, Option<Bytes>) {
    let nobody = Loud { severity: Severity::Info, breaks_through: false, quiet: false };
    match alert {
        Some(alert) => (alert.id, alert.loudness.into(), Some(alert.body.clone())),
        None => (AlertId::from_parts(0, 0), nobody, None),
    }
}

fn change_body(change: &LiveChange) -> Bytes {
    json(&ChangeBody { to: change.to, ids: change.ids.clone(), up_to: change.up_to })
}

/// A frame goes to sockets as it is: it has to be text that is at least the beginning of an object.
fn alert(id: AlertId, loud: Loud, body: Option<&Bytes>) -> Result<Option<Arc<LiveAlert>>, NoHint> {
    let Some(body) = body else { return Ok(None) };
    if body.first() != Some(&b'{') || std::str::from_utf8(body).is_err() {
        return Err(NoHint::Garbled("its frame is no text"));
    }
    Ok(Some(Arc::new(LiveAlert { id, body: body.clone(), loudness: loud.into() })))
}

fn change(body: Option<&Bytes>) -> Result<Option<Arc<LiveChange>>, NoHint> {
    let Some(body) = body else { return Ok(None) };
    let ChangeBody { to, ids, up_to } =
        serde_json::from_slice(body).map_err(|_| NoHint::Garbled("its change is not as it must be"))?;
    if ids.len() > IDS_MAX {
        return Err(NoHint::Garbled("too many items changed"));
    }
    Ok(Some(Arc::new(LiveChange { ids, up_to, to })))
}

fn settings(body: Option<&Bytes>) -> Result<Option<Arc<Settings>>, NoHint> {
    let Some(body) = body else { return Ok(None) };
    let SettingsBody { do_not_disturb, time_zone, locale, rev } =
        serde_json::from_slice(body).map_err(|_| NoHint::Garbled("its settings are not as they must be"))?;
    Ok(Some(Arc::new(Settings { do_not_disturb, time_zone, locale, rev })))
}

#[cfg(test)]
mod tests;
