//! What goes in and comes out of deliveries, their legs and attempts.

use crate::{Content, UnixMs};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::device::Provider;
use belfry_protocol::{AlertId, Channel, Level, Seq, UserId};
use std::sync::Arc;

/// How far a notification got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The highest level a device confirmed.
    pub level: Option<Level>,
    /// Its person read, archived or acted on it.
    pub read: bool,
}

/// Notifications that a watch has to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwatched {
    /// In the order of their alerts' keys.
    pub rows: Vec<Unanswered>,
    /// For `after` of the next page.
    pub next: Option<i64>,
}

/// A notification that has no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Whose.
    pub user: UserId,
    /// Its number.
    pub seq: Seq,
    /// The alert.
    pub id: AlertId,
    /// What it says.
    pub content: Arc<Content>,
}

/// A delivery to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// For whom.
    pub user: UserId,
    /// The notification's number.
    pub seq: Seq,
    /// The alert.
    pub id: AlertId,
    /// The next step to run.
    pub step: u32,
    /// The step before it failed.
    pub last_failed: bool,
    /// The level that ends the ladder.
    pub stop_at: Level,
    /// The steps as JSON: the delivery's own copy.
    pub ladder: Box<str>,
    /// When the next step is due.
    pub due_at: UnixMs,
}

/// How the ladder of an alert for everyone goes on after the live step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderOfAll {
    /// The steps as JSON.
    pub ladder: Box<str>,
    /// The first step beyond the live one.
    pub step: u32,
    /// The level of those who need it not.
    pub stop_at: Level,
    /// When it is due.
    pub due_at: UnixMs,
}

/// By which ways the rest of a ladder can reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LadderReach {
    /// Who has a device.
    pub push: bool,
    /// Who has an e-mail address.
    pub email: bool,
    /// Everybody, with an address or without: the application's own endpoint.
    pub anybody: bool,
}

/// Where the ladder of an alert for everyone stands among the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderPlace {
    /// The alert.
    pub id: AlertId,
    /// Everybody up to this key is done.
    pub from: i64,
    /// This chunk goes up to this key.
    pub to: i64,
    /// There are more behind it.
    pub more: bool,
}

/// The next users of the ladder of an alert for everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderChunk {
    /// For [`crate::Store::advance_ladder`].
    pub place: LadderPlace,
    /// The alert's number in `all`.
    pub all_seq: Seq,
    /// What it says.
    pub content: Arc<Content>,
    /// The steps as JSON.
    pub ladder: Box<str>,
    /// The first step of the deliveries.
    pub step: u32,
    /// The level of those who need none.
    pub stop_at: Level,
    /// Who may need one; nobody, where the alert is gone and its deliveries are being ended.
    pub users: Vec<UserId>,
}

/// Why a delivery waits longer than its ladder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferred {
    /// It does not.
    #[default]
    No,
    /// Do-not-disturb or quiet hours.
    QuietHours,
    /// It is gathered with others.
    Digest,
    /// Enough went out lately.
    Throttle,
}

/// One step that went out to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// To whom.
    pub user: UserId,
    /// About what; of many alerts, the first one's.
    pub category: String,
    /// By which way.
    pub channel: Channel,
    /// When it began.
    pub at: UnixMs,
}

/// A delivery in the hands of one dispatcher, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// Which one.
    pub key: i64,
    /// Whoever has it may decide.
    pub token: i64,
    /// For whom.
    pub user: UserId,
    /// The notification's number.
    pub seq: Seq,
    /// The alert.
    pub id: AlertId,
    /// The next step to run.
    pub step: u32,
    /// The step before it failed.
    pub last_failed: bool,
    /// The level that ends the ladder.
    pub stop_at: Level,
    /// Why it waited.
    pub deferred: Deferred,
    /// The steps as JSON.
    pub ladder: Box<str>,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When its next step was due.
    pub due_at: UnixMs,
    /// How often it was replayed.
    pub generation: u32,
    /// What the alert says.
    pub content: Arc<Content>,
    /// A step of it was suppressed by preference.
    pub suppressed: bool,
    /// The tag of a push of the notification that this one replaced: a push under it takes the old one's place.
    pub inherited_tag: Option<String>,
    /// The person's unread count, as shown.
    pub unread: u32,
}

/// What a dispatcher decided about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which one.
    pub key: i64,
    /// The claim's token.
    pub token: i64,
    /// Other claimed deliveries of the same person that the legs serve too.
    pub with: Vec<Member>,
    /// Legs that are final at once, for the trace: suppressed, without an address.
    pub notes: Vec<NewLeg>,
    /// What is to happen.
    pub verdict: Verdict,
}

/// A claimed delivery that goes out with another one. Its ladder may be another: it goes its own way afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub key: i64,
    /// The claim's token.
    pub token: i64,
    /// The step of its own ladder.
    pub step: u32,
    /// What follows in its own ladder.
    pub after: AfterStep,
}

/// What follows once a step was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AfterStep {
    /// How long until the next step; `None`: the ladder ends when this one is sent.
    pub wait_ms: Option<u64>,
    /// The level that ends the ladder meanwhile; `None`: the same as before.
    pub until: Option<Level>,
}

/// What is to happen to a delivery and those that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The step is sent: its legs are leased to the caller. Without a leg to send it counts as failed.
    Begin {
        /// Which step.
        step: u32,
        /// One per address.
        legs: Vec<NewLeg>,
        /// What follows.
        after: AfterStep,
    },
    /// It waits.
    Defer {
        /// The step to run then.
        step: u32,
        /// The step before it failed.
        last_failed: bool,
        /// When.
        due_at: UnixMs,
        /// Why it is late, if it is.
        deferred: Deferred,
        /// In plain words.
        reason: String,
    },
    /// Its ladder has ended. Legs that are still to be sent go on, unless it expired.
    End {
        /// How; not a state in which something is still to be done.
        state: DeliveryState,
        /// In plain words; empty for a dead letter: the reason of its last leg.
        reason: String,
    },
}

/// A leg to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeg {
    /// The step.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Who carries it; a leg that is to be sent has one.
    pub provider: Option<Provider>,
    /// The device.
    pub device: Option<String>,
    /// The address, in the caller's own form.
    pub address: String,
    /// The address, shortened for the trace.
    pub address_short: Option<String>,
    /// A later push under this tag takes the place of this one.
    pub tag: String,
    /// `Pending`, or how it ended.
    pub state: LegState,
    /// Why, in plain words.
    pub reason: Option<String>,
    /// No attempt begins at or after this.
    pub deadline_at: UnixMs,
}

/// A leg in the hands of one dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegRef {
    /// Which one.
    pub key: i64,
    /// Whoever has it may send.
    pub token: i64,
}

/// A leg in the hands of one dispatcher, with what is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedLeg {
    /// Which one.
    pub key: i64,
    /// Whoever has it may send.
    pub token: i64,
    /// The step.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Who carries it.
    pub provider: Provider,
    /// The device.
    pub device: Option<String>,
    /// The address, as it was given.
    pub address: String,
    /// The tag, as it was given.
    pub tag: String,
    /// Attempts that counted.
    pub tries: u32,
    /// No attempt begins at or after this.
    pub deadline_at: UnixMs,
    /// The first delivery it serves; its token is 0.
    pub delivery: ClaimedDelivery,
    /// The others that still want it; their tokens are 0.
    pub with: Vec<ClaimedDelivery>,
}

/// What a call on a leg came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The leg, as it was leased.
    pub leg: LegRef,
    /// The node that called.
    pub node: String,
    /// `accepted`, or what the answer meant.
    pub outcome: String,
    /// HTTP status or SMTP reply code.
    pub status: Option<u16>,
    /// The provider's own words, shortened.
    pub said: String,
    /// What becomes of the leg.
    pub then: Then,
}

/// What becomes of a leg after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The provider has it.
    Accepted {
        /// Under this id.
        provider_id: Option<String>,
    },
    /// Another attempt; where its deadline would be over by then, there is none.
    Retry {
        /// When.
        next_at: UnixMs,
    },
    /// It will not be sent.
    Fail {
        /// Why.
        reason: String,
    },
    /// Not now, through no fault of its own: this counts as no try.
    Hold {
        /// When to look again.
        next_at: UnixMs,
    },
    /// Its time is over.
    Expire,
}

/// Which dead letters; what is missing matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterQuery {
    /// Of this person.
    pub user: Option<UserId>,
    /// Of this alert.
    pub alert: Option<AlertId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this category.
    pub category: Option<String>,
    /// Whose last step was this.
    pub channel: Option<Channel>,
    /// With exactly this reason.
    pub reason: Option<String>,
    /// Given up at or after this.
    pub since: Option<UnixMs>,
    /// Given up before this.
    pub until: Option<UnixMs>,
}

/// A page of dead letters, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The page.
    pub rows: Vec<DeadLetterRow>,
    /// For `after` of the next page.
    pub next: Option<i64>,
}

/// A delivery that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// For [`Replay::Ids`].
    pub key: i64,
    /// The alert.
    pub id: AlertId,
    /// For whom.
    pub user: UserId,
    /// The alert's kind.
    pub kind: String,
    /// The alert's category.
    pub category: String,
    /// The step that failed last.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Why.
    pub reason: String,
    /// When it was given up.
    pub at: UnixMs,
}

/// Which dead letters to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// These.
    Ids(Vec<i64>),
    /// All that match.
    Filter(DeadLetterQuery),
}

/// A delivery, for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryTraceRow {
    /// Which one.
    pub key: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, in plain words.
    pub reason: Option<String>,
    /// The step it is at.
    pub step: u32,
    /// When the next step is due, where one is.
    pub due_at: Option<UnixMs>,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When it reached its end.
    pub ended_at: Option<UnixMs>,
    /// How often it was replayed.
    pub generation: u32,
    /// In the order they began.
    pub legs: Vec<LegTraceRow>,
}

/// A leg, for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTraceRow {
    /// Which one.
    pub key: i64,
    /// The step of this delivery's ladder.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Who carried it.
    pub provider: Option<Provider>,
    /// The device.
    pub device: Option<String>,
    /// The address, shortened.
    pub address_short: Option<String>,
    /// How it was served.
    pub state: LegState,
    /// Why, in plain words.
    pub reason: Option<String>,
    /// When it began.
    pub created_at: UnixMs,
    /// When the next attempt is due, where one is.
    pub next_at: Option<UnixMs>,
    /// When it reached its end.
    pub ended_at: Option<UnixMs>,
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// Other alerts that it was about.
    pub with: Vec<AlertId>,
    /// Its calls, oldest first; the last 20.
    pub attempts: Vec<AttemptTraceRow>,
}

/// A call, for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptTraceRow {
    /// When it ended.
    pub at: UnixMs,
    /// The node that made it.
    pub node: String,
    /// What it came to.
    pub outcome: String,
    /// HTTP status or SMTP reply code.
    pub status: Option<u16>,
    /// The provider's own words.
    pub said: String,
    /// Its answer came when the leg was not the caller's any more.
    pub late: bool,
}
