//! Puts the house together: store, hub, kinds and keys; both doors on one port; and its gentle end.

use crate::auth::{ApiKeys, CookieNames, ForwardedHeader, Gate, Loopback, Origins, TrustedProxies, Verifier};
use crate::changes;
use crate::clock;
use crate::cluster::{self, Cluster};
use crate::config::{Config, Mode};
use crate::escalate;
use crate::http;
use crate::hub::Hub;
use crate::kinds::{Kinds, KindsHandle, KindsOptions};
use crate::limiter::{Limiter, Limiters, Rate};
use crate::live;
use crate::live::session::SessionRules;
use crate::metrics::{Counter, Metrics};
use crate::services::Services;
use crate::signed::Signer;
use crate::status_webhooks;
use crate::tasks::{TaskKind, Tasks};
use crate::watch::Watch;
use crate::ways::breaker::BreakerRules;
use crate::ways::caught::Caught;
use crate::ways::{WayRules, Ways};
use anyhow::Context;
use axum::Router;
use belfry_channels::{Channel, WebPush};
use belfry_protocol::frame::ServerInfo;
use belfry_store::{PageLimit, Store};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tokio::sync::{Notify, Semaphore};

/// Changes in one frame of a catch-up.
const CHANGES_PER_FRAME: usize = 200;

/// The running house without a listener: mount [`App::router`] into an axum application, or start a
/// [`crate::listener::Server`].
#[derive(Debug, Clone)]
pub struct App {
    services: Arc<Services>,
}

impl App {
    /// Opens the store, loads kinds and keys, and starts the tasks.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        if config.mode == Mode::Dev {
            let caught = Arc::new(Caught::default());
            return Box::pin(Self::open_house(config, caught.ways(), Some(caught))).await;
        }
        let channels = providers(&config)?;
        Self::open_with(config, channels).await
    }

    /// The same with ways out of the caller's own in place of the configured ones.
    pub async fn open_with(config: Config, channels: Vec<Arc<dyn Channel>>) -> anyhow::Result<Self> {
        Box::pin(Self::open_house(config, channels, None)).await
    }

    async fn open_house(
        config: Config,
        channels: Vec<Arc<dyn Channel>>,
        caught: Option<Arc<Caught>>,
    ) -> anyhow::Result<Self> {
        let started = clock::now();
        let store = Store::open(config.store_options(), started.unix_ms()).await?;
        let verifier = Arc::new(Verifier::new(config.verifier_options())?);
        for (key, _) in store.revoked_keys().await? {
            verifier.set_key_revoked(key.as_str(), true);
        }
        let gate = gate(&config, Arc::clone(&verifier))?;
        let kinds = kinds(&config)?;
        let limits = &config.limits;
        let requests = Rate {
            per_second: f64::from(limits.requests_per_second_per_user),
            burst: f64::from(limits.requests_burst_per_user),
        };
        let limiters = Limiters {
            connections: Limiter::new(Rate::per_second(limits.connections_per_second)),
            connections_per_address: Limiter::new(Rate::per_second(
                limits.connections_per_second_per_address,
            )),
            publishes: Limiter::new(Rate::per_second(limits.publishes_per_second_per_key)),
            requests: Limiter::new(requests),
            signed: Limiter::new(requests),
        };
        let cluster = Cluster::of(&config).map(Arc::new);
        let watched_max = config.fallback.watched_max as usize;
        let watch = match cluster {
            Some(_) => Watch::fresh(watched_max),
            None => Watch::new(watched_max, store.watched_to()),
        };
        let changes = cluster.as_ref().map(|cluster| Arc::clone(&cluster.changes));
        let signer = Signer::of(&store, started.unix_ms()).await?;
        let services = Arc::new(Services {
            store,
            hub: Arc::new(Hub::new(limits.connections_per_user as usize, changes)),
            cluster,
            kinds,
            gate,
            api_keys: ApiKeys::new(&config.api_keys)?,
            proxies: proxies(&config)?,
            signer,
            limiters,
            metrics: Metrics::new(started.instant),
            tasks: Tasks::new(),
            rules: Arc::new(session_rules(&config)),
            fanout_wake: Notify::new(),
            watch,
            caught,
            web_push: web_push(&config)?,
            ways: Ways::new(channels, way_rules(&config)),
            escalate_wake: Notify::new(),
            sends: Arc::new(Semaphore::new(config.fallback.sends_in_flight_max as usize)),
            poster: config.status_webhooks.poster().context("`[status_webhooks]`")?,
            leaving: AtomicBool::new(false),
            started,
            config: Arc::new(config),
        });
        if services.caught.is_some() {
            crate::page::settle_in(&services).await?;
        }
        enter_cluster(&services).await?;
        start_tasks(&services, verifier);
        Ok(Self { services })
    }

    /// Both doors under the configured base path. The state is inside: merge or nest it as it is.
    pub fn router(&self) -> Router {
        let services = &self.services;
        let mut doors = http::router().merge(live::router());
        let is_dev = services.config.mode == Mode::Dev;
        if is_dev {
            doors = doors.merge(crate::page::router());
        }
        let doors = doors
            .layer(axum::middleware::from_fn_with_state(Arc::clone(services), http::front))
            .with_state(Arc::clone(services));
        match services.config.server.base_path.as_str() {
            "" => doors,
            // A nested router does not answer to its own path with a slash, which is how people write it.
            base if is_dev => Router::new().nest(base, doors).merge(crate::page::slash(base)),
            base => Router::new().nest(base, doors),
        }
    }

    /// What both doors stand on.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Readiness turns 503; what is open goes on.
    pub fn leave(&self) {
        self.services.leaving.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Tells every session to go, spread over the drain window, and waits until they have left.
    pub async fn drain(&self) {
        self.leave();
        self.services.hub.start_draining();
        let drain = &self.services.config.drain;
        live::drain::drain(&self.services, drain.window, drain.timeout).await;
    }

    /// Ends the tasks and closes the store. Nothing that was answered `202` depends on it.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.close_by(clock::now().instant + self.services.config.drain.timeout).await
    }

    /// The same; what has not ended by then is cut, and the store is closed all the same.
    pub(crate) async fn close_by(&self, by: Instant) -> anyhow::Result<()> {
        if !self.services.tasks.stop(by).await {
            tracing::warn!("some tasks did not end in time; they are cut");
        }
        if let Some(cluster) = &self.services.cluster {
            cluster::membership::leave(&self.services, cluster).await;
        }
        self.services
            .store
            .close()
            .await
            .context("the store did not close cleanly; it recovers when it is opened again")
    }
}

/// The providers that the configuration names.
fn providers(config: &Config) -> anyhow::Result<Vec<Arc<dyn Channel>>> {
    let mut ways: Vec<Arc<dyn Channel>> = Vec::new();
    if let Some(options) = config.fcm.options() {
        ways.push(Arc::new(belfry_channels::Fcm::new(options).context("`[fcm]`")?));
    }
    if let Some(options) = config.apns.options() {
        ways.push(Arc::new(belfry_channels::Apns::new(options).context("`[apns]`")?));
    }
    if let Some(web_push) = web_push(config)? {
        ways.push(web_push);
    }
    if let Some(options) = config.smtp.options() {
        ways.push(Arc::new(belfry_channels::email::Smtp::new(&options).context("`[smtp]`")?));
    }
    if let Some(options) = config.webhook.options() {
        ways.push(Arc::new(belfry_channels::Webhook::new(&options).context("`[webhook]`")?));
    }
    Ok(ways)
}

fn web_push(config: &Config) -> anyhow::Result<Option<Arc<WebPush>>> {
    let options = config.web_push.options();
    options.map(|options| Ok(Arc::new(WebPush::new(options).context("`[web_push]`")?))).transpose()
}

fn way_rules(config: &Config) -> WayRules {
    let fallback = &config.fallback;
    let breaker = BreakerRules {
        window: fallback.gone_window,
        share: f64::from(fallback.gone_percent_max) / 100.0,
        gone_min: fallback.gone_min,
    };
    WayRules { probe_every: fallback.probe_every, breaker }
}

fn proxies(config: &Config) -> anyhow::Result<TrustedProxies> {
    let nets: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    Ok(TrustedProxies::new(&nets, ForwardedHeader::XForwardedFor)?)
}

fn gate(config: &Config, verifier: Arc<Verifier>) -> anyhow::Result<Gate> {
    let loopback = if config.mode == Mode::Dev { Loopback::Allowed } else { Loopback::Listed };
    let origins = Origins::new(&config.auth.allowed_origins, loopback)?;
    let cookies = CookieNames::new(&config.auth.cookie_names)?;
    Ok(Gate::new(verifier, origins, cookies)?)
}

/// How the configuration reads kinds.
pub fn kinds_options(config: &Config) -> KindsOptions {
    KindsOptions {
        link_schemes: config.kinds.link_schemes.clone(),
        default_locale: config.kinds.default_locale.clone(),
        default_time_zone: config.fallback.time_zone.clone(),
    }
}

fn kinds(config: &Config) -> anyhow::Result<KindsHandle> {
    let options = kinds_options(config);
    let Some(dir) = &config.kinds.dir else { return Ok(KindsHandle::fixed(Kinds::none())) };
    KindsHandle::open(dir, options).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the kinds in `{}` have faults:\n{}", dir.display(), lines.join("\n"))
    })
}

fn session_rules(config: &Config) -> SessionRules {
    let live = &config.live;
    SessionRules {
        heartbeat_interval: live.heartbeat_interval,
        heartbeat_timeout: live.heartbeat_timeout,
        resume_wait: live.resume_wait,
        stalled_after: live.stalled_after,
        reorder_wait: live.reorder_wait,
        page: PageLimit { items: live.catch_up_page_items, bytes: live.catch_up_page_bytes },
        changed_items_max: live.changed_items_max,
        naive_backlog_items: live.naive_backlog_items,
        naive_backlog_age: live.naive_backlog_age,
        trust_pong: live.trust_pong,
        inbound: Rate {
            per_second: f64::from(config.limits.inbound_frames_per_second),
            burst: f64::from(config.limits.inbound_frames_burst),
        },
        changes_per_frame: CHANGES_PER_FRAME,
        // A shared store is read for many at once.
        reads_at_heartbeat: !config.shares_its_store(),
        server: ServerInfo {
            node: config.server.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    }
}

/// Hears the other nodes from here on, and is known to them: before the first connection comes in.
async fn enter_cluster(services: &Arc<Services>) -> anyhow::Result<()> {
    let Some(cluster) = &services.cluster else { return Ok(()) };
    if let Some(options) = services.config.bus_options() {
        let incoming = cluster::incoming::connect(options.clone(), cluster).await?;
        let (services, cluster) = (Arc::clone(services), Arc::clone(cluster));
        services
            .tasks
            .clone()
            .spawn(TaskKind::Cluster, cluster::incoming::run(services, cluster, incoming, options));
    }
    cluster::membership::join(services, cluster).await?;
    let tasks = &services.tasks;
    tasks.spawn(TaskKind::Cluster, cluster::membership::run(Arc::clone(services), Arc::clone(cluster)));
    tasks.spawn(TaskKind::Cluster, cluster::presence::run(Arc::clone(services), Arc::clone(cluster)));
    tasks.spawn(TaskKind::Cluster, cluster::heads::run(Arc::clone(services), Arc::clone(cluster)));
    Ok(())
}

fn start_tasks(services: &Arc<Services>, verifier: Arc<Verifier>) {
    let tasks = &services.tasks;
    tasks.spawn(TaskKind::Fanout, changes::expand_fanouts(Arc::clone(services)));
    tasks.spawn(TaskKind::Sweep, changes::sweep(Arc::clone(services)));
    tasks.spawn(TaskKind::Escalate, escalate::night_watch::run(Arc::clone(services)));
    if !services.ways.is_empty() {
        tasks.spawn(TaskKind::Escalate, escalate::dispatcher::run(Arc::clone(services)));
    }
    tasks.spawn(TaskKind::StatusWebhooks, status_webhooks::run(Arc::clone(services)));
    let stop = tasks.stopping().clone();
    tasks.spawn(TaskKind::KeysRefresh, async move {
        tokio::select! {
            () = verifier.keep_keys_fresh() => {}
            () = stop.cancelled() => {}
        }
    });
    if services.config.kinds.reload {
        tasks.spawn(TaskKind::KindsWatch, watch_kinds(Arc::clone(services)));
    }
}

async fn watch_kinds(services: Arc<Services>) {
    let (kinds, stop) = (services.kinds.clone(), services.tasks.stopping().clone());
    crate::kinds::watch(kinds, stop, |reloaded| match reloaded {
        Ok(kinds) => {
            services.metrics.count(Counter::KindsReloaded);
            tracing::info!(kind.count = kinds.len(), "took over {} kinds", kinds.len());
        }
        Err(faults) => {
            services.metrics.count(Counter::KindsRefused);
            for fault in faults {
                tracing::error!("the kinds were not taken over, the old ones stay: {fault}");
            }
        }
    })
    .await;
}
