//! Every metric is named here, once. Counters rise where things happen; gauges are read when somebody asks.

use crate::hub::HubCounts;
use crate::tasks::{TaskKind, Tasks};
use crate::ways::WayStatus;
use belfry_bus::BusGauges;
use belfry_protocol::Provider;
use belfry_protocol::delivery::DeliveryState;
use belfry_protocol::stats::KindStats;
use belfry_store::{StoreGauges, UnixMs};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter as PromCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            /// All of them.
            pub const ALL: &'static [(Counter, &'static str)] = &[$((Counter::$variant, $name),)*];
        }
    };
}

counters! {
    /// Alerts accepted with a 202.
    AlertsAccepted = "alerts_accepted";
    /// Repetitions answered from the first call.
    AlertsReplayed = "alerts_replayed";
    /// Alerts refused.
    AlertsRefused = "alerts_refused";
    /// Alert frames handed to sessions.
    AlertsSent = "alerts_sent";
    /// Alerts taken back.
    AlertsRecalled = "alerts_recalled";
    /// Items that expired.
    ItemsExpired = "items_expired";
    /// Items removed by retention.
    ItemsRemoved = "items_removed";
    /// Receipts given by clients.
    Receipts = "receipts";
    /// State changes made by people.
    StateChanges = "state_changes";
    /// Catch-ups begun.
    CatchUps = "catch_ups";
    /// Clients told to start from a fresh page.
    Resets = "resets";
    /// Cursors above the head: the store lost what a client has.
    CursorsAboveHead = "cursors_above_head";
    /// Sessions whose hints were dropped because they read too slowly.
    SessionsLagged = "sessions_lagged";
    /// Sessions opened.
    SessionsOpened = "sessions_opened";
    /// Sessions that gave way at the limit per user.
    SessionsReplaced = "sessions_replaced";
    /// Connections refused: no or bad credential.
    AuthRefused = "auth_refused";
    /// Connections and requests refused by a rate or a limit.
    RateLimited = "rate_limited";
    /// Connections refused because the node holds its maximum.
    ConnectionsRefused = "connections_refused";
    /// Frames of clients that could not be understood.
    FramesRefused = "frames_refused";
    /// Reads and writes that the store refused.
    StoreFailures = "store_failures";
    /// Status webhooks that an endpoint took.
    WebhookEventsTaken = "webhook_events_taken";
    /// Calls to endpoints that failed and are repeated.
    WebhookCallsFailed = "webhook_calls_failed";
    /// Status webhooks that were given up after the last try.
    WebhookEventsDropped = "webhook_events_dropped";
    /// Endpoints that were disabled because they failed.
    WebhooksDisabled = "webhooks_disabled";
    /// Hints of other nodes that were understood.
    HintsHeard = "hints_heard";
    /// Hints of another version, passed over.
    HintsForeign = "hints_foreign";
    /// Hints that could not be read.
    HintsGarbled = "hints_garbled";
    /// Heads of connected users that were read from the shared store.
    HeadsRead = "heads_read";
    /// Sessions that were found behind by that: a hint was lost, or is still under way.
    SessionsBehind = "sessions_behind";
    /// Rows of who came and went.
    PresenceWritten = "presence_written";
    /// Nodes whose lease ended and whose duties this one took.
    NodesTakenOver = "nodes_taken_over";
    /// How often this node was taken for dead.
    NodeEnteredAnew = "node_entered_anew";
    /// Kinds reloaded.
    KindsReloaded = "kinds_reloaded";
    /// Kind folders that were refused on a reload.
    KindsRefused = "kinds_refused";
}

/// Most kinds with figures of their own; the rest share `other`.
const KINDS_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What is read when somebody asks.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Sessions.
    pub hub: HubCounts,
    /// The store.
    pub store: StoreGauges,
    /// Notifications whose live step is running.
    pub watched: u64,
    /// The other nodes; `None`: there are none.
    pub cluster: Option<ClusterSeen>,
    /// The configured providers.
    pub ways: Vec<WayStatus>,
    /// When it was read.
    pub now: UnixMs,
}

/// What is seen of the cluster.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClusterSeen {
    /// The bus.
    pub bus: BusGauges,
    /// Whether hints come in.
    pub hears: Option<bool>,
    /// People whose coming or going waits to be written.
    pub presence_queue: u64,
}

/// All figures of this node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    counters: Vec<PromCounter>,
    closes: Family<CloseLabels, PromCounter>,
    requests: Family<RequestLabels, PromCounter>,
    /// One of `requests`, found once.
    created: OnceLock<PromCounter>,
    publish_seconds: Histogram,
    calls: Family<CallLabels, PromCounter>,
    paused: Family<ProviderLabels, Gauge>,
    held: Family<ProviderLabels, Gauge>,
    keeps_gone: Family<ProviderLabels, Gauge>,
    ended: Family<StateLabels, PromCounter>,
    delivery_lag: Gauge<f64, AtomicU64>,
    gauges: Vec<Gauge>,
    tasks: Family<NameLabels, Gauge>,
    kinds: Mutex<HashMap<String, KindFigures>>,
    started_at: Instant,
}

#[derive(Debug)]
struct KindFigures {
    accepted: u64,
    sent: u64,
    window: [u32; 60],
    second: u64,
}

impl KindFigures {
    fn move_to(&mut self, second: u64) {
        for passed in self.second + 1..=second.min(self.second + 60) {
            self.window[(passed % 60) as usize] = 0;
        }
        self.second = second;
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(now: Instant) -> Self {
        let mut registry = Registry::with_prefix("belfry");
        let counters = Counter::ALL
            .iter()
            .map(|(_, name)| {
                let counter = PromCounter::default();
                registry.register(*name, name.replace('_', " "), counter.clone());
                counter
            })
            .collect();
        let closes = Family::default();
        registry.register("closes", "sockets closed by the server, by close code", closes.clone());
        let requests = Family::default();
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        let buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5];
        let publish_seconds = Histogram::new(buckets);
        registry.register_with_unit(
            "publish",
            "from a publish call to its answer",
            Unit::Seconds,
            publish_seconds.clone(),
        );
        let calls = Family::default();
        registry.register("provider_calls", "calls to providers, by outcome", calls.clone());
        let paused = Family::default();
        registry.register(
            "provider_paused",
            "1: it refuses our credentials, what waits for it stays",
            paused.clone(),
        );
        let held = Family::default();
        registry.register("provider_held", "1: it asked for time, so nothing goes to it now", held.clone());
        let ended = Family::default();
        registry.register("deliveries_ended", "deliveries that came to their end, by state", ended.clone());
        let delivery_lag = Gauge::default();
        registry.register_with_unit(
            "delivery_lag",
            "for how long the oldest delivery that is due has been due",
            Unit::Seconds,
            delivery_lag.clone(),
        );
        let keeps_gone = Family::default();
        registry.register(
            "provider_keeps_gone",
            "1: too many answers say that an address is gone, so none is deleted",
            keeps_gone.clone(),
        );
        let gauges = GAUGES
            .iter()
            .map(|(name, help)| {
                let gauge = Gauge::default();
                registry.register(*name, *help, gauge.clone());
                gauge
            })
            .collect();
        let tasks = Family::default();
        registry.register("tasks", "running tasks, by kind", tasks.clone());
        Self {
            registry,
            counters,
            closes,
            requests,
            created: OnceLock::new(),
            publish_seconds,
            calls,
            paused,
            held,
            keeps_gone,
            ended,
            delivery_lag,
            gauges,
            tasks,
            kinds: Mutex::default(),
            started_at: now,
        }
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&self, counter: Counter, by: u64) {
        self.counters[counter as usize].inc_by(by);
    }

    /// What was counted so far.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].get()
    }

    /// A socket was closed by us.
    pub fn closed(&self, code: u16) {
        self.closes.get_or_create(&CloseLabels { code: u32::from(code) }).inc();
    }

    /// A provider was called.
    pub fn called(&self, provider: Provider, outcome: &'static str) {
        self.calls.get_or_create(&CallLabels { provider: provider.as_str(), outcome }).inc();
    }

    /// A request was answered. `route` is the pattern, never the path.
    pub fn answered(&self, method: &http::Method, route: &str, status: u16) {
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            _ => "other",
        };
        let labels = RequestLabels { method, route: route.to_owned(), status: u32::from(status) };
        self.requests.get_or_create(&labels).inc();
    }

    /// The busiest answer: `202` to a new alert. `route` is always the same.
    pub fn answered_create(&self, route: &str) {
        let counter = self.created.get_or_init(|| {
            let labels = RequestLabels { method: "POST", route: route.to_owned(), status: 202 };
            self.requests.get_or_create_owned(&labels)
        });
        counter.inc();
    }

    /// An alert of this kind was accepted.
    pub fn accepted(&self, kind: &str, took: Duration, now: Instant) {
        self.count(Counter::AlertsAccepted);
        self.publish_seconds.observe(took.as_secs_f64());
        self.with_kind(kind, now, |figures, second| {
            figures.accepted += 1;
            figures.window[(second % 60) as usize] += 1;
        });
    }

    /// Frames of this kind were handed to sessions.
    pub fn sent(&self, kind: &str, frames: u32, now: Instant) {
        if frames > 0 {
            self.add(Counter::AlertsSent, u64::from(frames));
            self.with_kind(kind, now, |figures, _| figures.sent += u64::from(frames));
        }
    }

    fn with_kind(&self, kind: &str, now: Instant, change: impl FnOnce(&mut KindFigures, u64)) {
        let second = now.saturating_duration_since(self.started_at).as_secs();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kinds.contains_key(kind);
        let name = if known || kinds.len() < KINDS_MAX { kind } else { "other" };
        if !kinds.contains_key(name) {
            kinds.insert(name.to_owned(), KindFigures { accepted: 0, sent: 0, window: [0; 60], second });
        }
        let figures = kinds.get_mut(name).expect("it was just inserted");
        figures.move_to(second);
        change(figures, second);
    }

    /// Figures per kind.
    pub fn kinds(&self, now: Instant) -> BTreeMap<String, KindStats> {
        let second = now.saturating_duration_since(self.started_at).as_secs();
        let seconds = (second + 1).min(60);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds
            .iter_mut()
            .map(|(kind, figures)| {
                figures.move_to(second);
                let recent: u32 = figures.window.iter().sum();
                let per_second = f64::from(recent) / seconds as f64;
                (kind.clone(), KindStats { accepted: figures.accepted, per_second, sent: figures.sent })
            })
            .collect()
    }

    /// Since when this node counts.
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub fn render(&self, seen: &Seen, tasks: &Tasks) -> String {
        for way in &seen.ways {
            let labels = ProviderLabels { provider: way.provider.as_str() };
            self.paused.get_or_create(&labels).set(i64::from(way.paused.is_some()));
            self.held.get_or_create(&labels).set(i64::from(way.held));
            self.keeps_gone.get_or_create(&labels).set(i64::from(way.keeps_gone));
        }
        for (state, count) in DeliveryState::ALL.into_iter().zip(seen.store.ended_deliveries) {
            if matches!(state, DeliveryState::Waiting | DeliveryState::Sending | DeliveryState::Held) {
                continue;
            }
            let ended = self.ended.get_or_create(&StateLabels { state: state.as_str() });
            // The store counts; of two callers at once the later figure stays.
            ended.inner().fetch_max(count, Ordering::Relaxed);
        }
        self.delivery_lag.set(seen.store.delivery_lag_ms(seen.now) as f64 / 1_000.0);
        for (gauge, value) in self.gauges.iter().zip(gauges(seen)) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for kind in TaskKind::ALL {
            self.tasks.get_or_create(&NameLabels { name: kind.name() }).set(tasks.running(kind));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every byte");
        text
    }
}

/// What is read when somebody asks, in the order of [`gauges`].
const GAUGES: [(&str, &str); 32] = [
    ("connections_websocket", "open WebSocket connections"),
    ("connections_sse", "open event streams"),
    ("users", "users with an open connection"),
    ("store_writer_queue", "jobs that wait for the store's writer"),
    ("store_wal_bytes", "bytes of the write-ahead log"),
    ("store_unsettled", "alerts in the log that are not merged into inboxes yet"),
    ("store_warm_users", "users held in memory"),
    ("store_pending_receipts", "users with receipts that wait for the next commit"),
    ("store_fanouts", "unfinished fan-outs"),
    ("store_ladder_fanouts", "ladders of alerts for everyone that wait for their step or walk the users"),
    ("watched", "notifications whose live step is running"),
    ("deliveries", "deliveries of which something is left to be decided or sent"),
    ("deliveries_held", "deliveries of a restored store that wait for `belfry resume-deliveries`"),
    ("legs_pending", "steps to one address that wait for an attempt or have one under way"),
    ("dead_letters", "deliveries that could not be made and were not replayed"),
    ("store_commits", "commits since the start"),
    ("store_published", "alerts stored since the start"),
    ("store_healthy", "1 if the last write succeeded"),
    ("bus_connected", "1 if hints of other nodes come in; 0 also where there is one node"),
    ("bus_outgoing", "hints that wait to go out"),
    ("bus_outgoing_bytes", "bytes of those"),
    ("bus_incoming", "hints that wait to be handed out"),
    ("bus_incoming_bytes", "bytes of those"),
    ("bus_sent", "hints given to the bus since the start"),
    ("bus_received", "hints received from other nodes since the start"),
    ("bus_dropped", "hints dropped before they went out since the start"),
    ("bus_bodies_left_out", "hints sent without their frame because it did not fit since the start"),
    ("bus_overflowed", "hints dropped because they came faster than they were handed out since the start"),
    ("bus_garbled", "payloads that nobody could read since the start"),
    ("bus_losses", "how often the bus was lost since the start"),
    ("bus_reconnects", "how often it came back since the start"),
    ("presence_queue", "people whose coming or going waits to be written"),
];

fn gauges(seen: &Seen) -> [u64; GAUGES.len()] {
    let (hub, store) = (&seen.hub, &seen.store);
    let cluster = seen.cluster.unwrap_or_default();
    let bus = cluster.bus;
    [
        u64::from(hub.websocket),
        u64::from(hub.sse),
        u64::from(hub.users),
        store.writer_queue,
        store.wal_bytes,
        store.unsettled,
        store.warm_users,
        store.pending_receipts,
        store.fanouts,
        store.ladder_fanouts,
        seen.watched,
        store.deliveries,
        store.held_deliveries,
        store.pending_legs,
        store.dead_letters,
        store.commits,
        store.published,
        u64::from(store.healthy),
        u64::from(cluster.hears == Some(true)),
        bus.outgoing_messages as u64,
        bus.outgoing_bytes as u64,
        bus.incoming_messages as u64,
        bus.incoming_bytes as u64,
        bus.sent,
        bus.received,
        bus.dropped,
        bus.bodies_left_out,
        bus.overflowed,
        bus.garbled,
        bus.losses,
        bus.reconnects,
        cluster.presence_queue,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_of_a_kind_forgets_after_a_minute() {
        let start = crate::clock::now().instant;
        let metrics = Metrics::new(start);
        for _ in 0..120 {
            metrics.accepted("deal-notification", Duration::from_millis(1), start);
        }
        let after = |seconds| metrics.kinds(start + Duration::from_secs(seconds))["deal-notification"];
        assert_eq!((after(59).accepted, after(59).per_second), (120, 2.0));
        assert_eq!((after(61).accepted, after(61).per_second), (120, 0.0));
    }

    #[test]
    fn kinds_beyond_the_limit_share_one_entry() {
        let start = crate::clock::now().instant;
        let metrics = Metrics::new(start);
        for number in 0..KINDS_MAX + 50 {
            metrics.accepted(&format!("kind-{number}"), Duration::ZERO, start);
        }
        let kinds = metrics.kinds(start);
        assert_eq!(kinds["other"].accepted, 50);
        assert_eq!(kinds.len(), KINDS_MAX + 1);
    }

    #[test]
    fn every_counter_is_in_the_text() {
        let metrics = Metrics::new(crate::clock::now().instant);
        metrics.closed(4401);
        let store = StoreGauges {
            ended_deliveries: [0, 0, 0, 5, 4, 3, 2, 1, 7],
            first_delivery_due: Some(UnixMs(1_000)),
            ..StoreGauges::default()
        };
        let seen = Seen {
            hub: HubCounts::default(),
            store,
            watched: 9,
            cluster: None,
            ways: Vec::new(),
            now: UnixMs(2_500),
        };
        let text = metrics.render(&seen, &Tasks::new());
        assert!(
            Counter::ALL.iter().all(|(_, name)| text.contains(&format!("belfry_{name}_total"))),
            "{text}"
        );
        assert!(text.contains("belfry_closes_total{code=\"4401\"} 1"), "{text}");
        for line in [
            "belfry_deliveries_ended_total{state=\"confirmed\"} 5",
            "belfry_deliveries_ended_total{state=\"dead_lettered\"} 7",
            "belfry_delivery_lag_seconds 1.5",
            "belfry_watched 9",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("state=\"waiting\""), "{text}");
    }
}
