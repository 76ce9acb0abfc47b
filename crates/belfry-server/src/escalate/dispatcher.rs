//! Claims what is due, asks the policy, and sends: deliveries become legs, legs become calls.

use crate::arm::read_ladder;
use crate::clock::{self, Now};
use crate::escalate::bundle::{Planned, bundle, counted, goes_as_one};
use crate::escalate::compose::{self, House, Told};
use crate::escalate::for_everyone;
use crate::escalate::policy::{self, Due, Next, Obstacle, Waiting};
use crate::escalate::send::{self, Outgoing};
use crate::escalate::throttle::Sendings;
use crate::kinds::{Kinds, Ladder, LadderStep};
use crate::services::Services;
use belfry_channels::Address;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Channel, Provider, UserId};
use belfry_store::{
    AfterStep, ClaimedDelivery, ClaimedLeg, Decision, Deferred, DeviceRow, LegRef, Member, NewLeg, Recipient,
    StoreError, UnixMs, Verdict,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a claim holds: longer than a call may take, with time to spare.
pub const LEASE: Duration = Duration::from_secs(60);
/// Deliveries decided in one transaction.
const CLAIMED_TOGETHER: u32 = 128;
/// The longest that nobody looks.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What never expires is given up after this.
const LEG_LIVES_AT_MOST_MS: i64 = 7 * 24 * 3_600_000;

/// Claims and sends until the node stops.
pub async fn run(services: Arc<Services>) {
    let stop = services.tasks.stopping().clone();
    while !stop.is_cancelled() {
        let worked = match round(&services).await {
            Ok(worked) => worked,
            Err(error) => {
                tracing::warn!(error = %error, "the dispatcher waits for the store");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
        };
        if worked {
            continue;
        }
        let wait = until_next(&services).await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = services.escalate_wake.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn until_next(services: &Services) -> Duration {
    let due = services.store.next_due().await.ok().flatten();
    let wait = due.map(|due| due.0.saturating_sub(clock::now().unix_ms().0));
    let wait = wait.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    // What is due and could not be claimed waits for a provider or for a free place: it is not asked for in a circle.
    wait.unwrap_or(LOOK_AT_LEAST_EVERY).clamp(Duration::from_millis(20), LOOK_AT_LEAST_EVERY)
}

/// One look at everything that is due. `true`: there was something.
async fn round(services: &Arc<Services>) -> Result<bool, StoreError> {
    let now = clock::now();
    let room = services.sends.available_permits();
    if room == 0 {
        return Ok(false);
    }
    let closed = services.ways.closed(now.instant);
    let limit = u32::try_from(room).unwrap_or(u32::MAX).min(CLAIMED_TOGETHER);
    let legs = services.store.claim_legs(now.unix_ms(), limit, LEASE, &closed).await?;
    let deliveries = services.store.claim_deliveries(now.unix_ms(), limit, LEASE).await?;
    let mut worked = !legs.is_empty() || !deliveries.is_empty();
    // Alerts for everyone wait behind what has been opened: they fill a gap and never make a queue.
    let limit = limit as usize;
    if legs.len() < limit && deliveries.len() < limit {
        worked |= for_everyone::walk(services, now).await?;
    }
    let people = recipients(services, &legs, &deliveries).await?;
    resume(services, legs, &people, now).await?;
    decide(services, deliveries, &people, now).await?;
    Ok(worked)
}

type People = HashMap<UserId, Recipient>;

async fn recipients(
    services: &Services,
    legs: &[ClaimedLeg],
    deliveries: &[ClaimedDelivery],
) -> Result<People, StoreError> {
    let mut users: Vec<UserId> = legs
        .iter()
        .map(|leg| &leg.delivery.user)
        .chain(deliveries.iter().map(|one| &one.user))
        .cloned()
        .collect();
    users.sort_unstable();
    users.dedup();
    if users.is_empty() {
        return Ok(People::new());
    }
    let found = services.store.recipients(&users).await?;
    Ok(found.into_iter().map(|one| (one.user.clone(), one)).collect())
}

fn house<'a>(services: &'a Services, kinds: &'a Kinds) -> House<'a> {
    let config = &services.config;
    House {
        kinds,
        default_locale: &config.kinds.default_locale,
        default_time_zone: &config.fallback.time_zone,
        app_url: &config.fallback.app_url,
    }
}

/// Legs whose next attempt is due, or whose node died.
async fn resume(
    services: &Arc<Services>,
    legs: Vec<ClaimedLeg>,
    people: &People,
    now: Now,
) -> Result<(), StoreError> {
    let kinds = services.kinds.snapshot();
    let house = house(services, &kinds);
    let webhook = services.config.webhook.url.as_deref();
    let mut gone = Vec::new();
    for leg in legs {
        let told: Vec<Told<'_>> = std::iter::once(&leg.delivery)
            .chain(&leg.with)
            .map(|one| Told { id: one.id, content: &one.content })
            .collect();
        let to = people.get(&leg.delivery.user);
        let device =
            to.and_then(|to| to.devices.iter().find(|device| Some(&device.id) == leg.device.as_ref()));
        let address = to.and_then(|to| address(leg.channel, to, device, webhook));
        let notice = to.and_then(|to| compose::notice(&house, &told, to, device, leg.tag.clone()));
        match (address, notice) {
            (Some(address), Some(notice)) if address.provider() == leg.provider => {
                let leg_ref = LegRef { key: leg.key, token: leg.token };
                let outgoing = Outgoing {
                    leg: leg_ref,
                    device: leg.device,
                    tries: leg.tries,
                    deadline: leg.deadline_at,
                    leased_until: now.instant + LEASE,
                    address,
                    notice: Arc::new(send::signed(services, notice, leg.channel, device)),
                };
                send::launch(services, vec![outgoing]).await;
            }
            // The address was taken away, or moved to somebody else, since the leg was begun.
            _ => gone.push(send::failed(services, &leg, Obstacle::NoAddress.as_str())),
        }
    }
    if !gone.is_empty() {
        services.store.record_attempts(gone, clock::now().unix_ms()).await?;
        services.escalate_wake.notify_one();
    }
    Ok(())
}

fn address(
    channel: Channel,
    to: &Recipient,
    device: Option<&DeviceRow>,
    webhook: Option<&str>,
) -> Option<Address> {
    match channel {
        Channel::Push => device.and_then(compose::push_address),
        Channel::Email => compose::mail_address(to),
        Channel::Webhook => webhook.map(|url| Address::Webhook { url: url.to_owned() }),
        Channel::Live => None,
    }
}

async fn decide(
    services: &Arc<Services>,
    deliveries: Vec<ClaimedDelivery>,
    people: &People,
    now: Now,
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let kinds = services.kinds.snapshot();
    let house = house(services, &kinds);
    let mut ladders: Ladders = HashMap::new();
    for one in &deliveries {
        if !ladders.contains_key(&one.ladder) {
            ladders.insert(one.ladder.clone(), Arc::new(read_ladder(&one.ladder).unwrap_or_default()));
        }
    }
    let mut sendings = sendings(services, &deliveries, &ladders, now).await?;
    let mut planned = Vec::with_capacity(deliveries.len());
    for one in deliveries {
        let ladder = ladders.get(&one.ladder).cloned().unwrap_or_default();
        planned.push(plan(services, &kinds, one, (people, ladder), &mut sendings, now));
    }
    let bundles = bundle(planned);
    let mut decisions = Vec::with_capacity(bundles.len());
    let mut outgoing = Vec::with_capacity(bundles.len());
    for bundle in &bundles {
        let (decision, sends) = carry_out(services, &house, bundle, people, now);
        decisions.push(decision);
        outgoing.push(sends);
    }
    let begun = services.store.decide(decisions, now.unix_ms(), LEASE).await?;
    let mut in_order: HashMap<(UserId, Option<String>), Vec<Outgoing>> = HashMap::new();
    for ((sends, legs), bundle) in outgoing.into_iter().zip(begun).zip(&bundles) {
        let waited = bundle[0].delivery.deferred == Deferred::QuietHours;
        for (mut send, leg) in sends.into_iter().zip(legs.unwrap_or_default()) {
            send.leg = leg;
            if waited {
                let address = (bundle[0].delivery.user.clone(), send.device.clone());
                in_order.entry(address).or_default().push(send);
            } else {
                send::launch(services, vec![send]).await;
            }
        }
    }
    for sends in in_order.into_values() {
        send::launch(services, sends).await;
    }
    Ok(())
}

fn plan(
    services: &Services,
    kinds: &Kinds,
    delivery: ClaimedDelivery,
    (people, ladder): (&People, Arc<Ladder>),
    sendings: &mut Sendings,
    now: Now,
) -> Planned {
    let to = people.get(&delivery.user);
    let mutable = kinds.find(&delivery.content.kind).ok().flatten().is_none_or(|kind| kind.mutable);
    let obstacle = |channel| obstacle(services, &delivery, to, channel, mutable);
    let as_one = goes_as_one(delivery.deferred);
    let passes = crate::quiet::passes(crate::wire::loudness(&delivery.content));
    let throttled_until = |step: &LadderStep| {
        let throttle = step.throttle.filter(|_| !passes)?;
        sendings.held_until(&counted(&delivery, step.channel), throttle, as_one, now.at)
    };
    let decision = policy::next_step(
        &Due {
            ladder: &ladder,
            step: delivery.step,
            last_failed: delivery.last_failed,
            suppressed: delivery.suppressed,
            gathered: as_one,
            expires_at: delivery.content.expires_at.map(clock::timestamp),
            held_until: to.and_then(|to| held_until(services, &delivery, to, now)),
            throttled_until: &throttled_until,
            obstacle: &obstacle,
        },
        now.at,
    );
    if let Next::Send { step } = decision.next
        && let Some(step) = ladder.steps().get(step as usize)
    {
        sendings.goes(counted(&delivery, step.channel), as_one, now.at);
    }
    Planned { delivery, ladder, decision }
}

type Ladders = HashMap<Box<str>, Arc<Ladder>>;

/// What went out lately to those who have a throttled ladder.
async fn sendings(
    services: &Services,
    deliveries: &[ClaimedDelivery],
    ladders: &Ladders,
    now: Now,
) -> Result<Sendings, StoreError> {
    let window = |one: &ClaimedDelivery| {
        let steps = ladders.get(&one.ladder)?.steps().iter();
        steps.filter_map(|step| step.throttle).map(|throttle| throttle.window).max()
    };
    let Some(longest) = deliveries.iter().filter_map(window).max() else { return Ok(Sendings::default()) };
    let mut users: Vec<UserId> =
        deliveries.iter().filter(|one| window(one).is_some()).map(|one| one.user.clone()).collect();
    users.sort_unstable();
    users.dedup();
    let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    let after = UnixMs(now.unix_ms().0.saturating_sub(longest));
    let mut found = Sendings::default();
    for one in services.store.sendings(users, after).await? {
        found.note((one.user, one.category, one.channel), clock::timestamp(one.at));
    }
    Ok(found)
}

fn held_until(
    services: &Services,
    delivery: &ClaimedDelivery,
    to: &Recipient,
    now: Now,
) -> Option<jiff::Timestamp> {
    let mut settings = to.settings();
    settings.time_zone.get_or_insert_with(|| services.config.fallback.time_zone.clone());
    crate::quiet::held_until(&settings, crate::wire::loudness(&delivery.content), now.at)
}

/// What stands in the way of a channel for this person.
fn obstacle(
    services: &Services,
    delivery: &ClaimedDelivery,
    to: Option<&Recipient>,
    channel: Channel,
    mutable: bool,
) -> Option<Obstacle> {
    let Some(to) = to else { return Some(Obstacle::NoAddress) };
    let ways = &services.ways;
    let configured = match channel {
        Channel::Push => {
            [Provider::Fcm, Provider::Apns, Provider::WebPush].into_iter().any(|one| ways.has(one))
        }
        Channel::Email => ways.has(Provider::Smtp),
        Channel::Webhook => ways.has(Provider::Webhook),
        Channel::Live => true,
    };
    if !configured {
        return Some(Obstacle::NotConfigured);
    }
    if mutable && !to.preferences.wants(&delivery.content.category, channel) {
        return Some(Obstacle::Unwanted);
    }
    match channel {
        Channel::Push if pushable(services, to).next().is_none() => Some(Obstacle::NoAddress),
        Channel::Email if to.profile.email.is_none() => Some(Obstacle::NoAddress),
        Channel::Email if to.email_suppressed.is_some() => Some(Obstacle::Bounced),
        _ => None,
    }
}

/// The devices that a push can go to.
fn pushable<'a>(services: &'a Services, to: &'a Recipient) -> impl Iterator<Item = (&'a DeviceRow, Address)> {
    to.devices
        .iter()
        .filter_map(|device| Some((device, compose::push_address(device)?)))
        .filter(|(_, address)| services.ways.has(address.provider()))
}

/// What the store is told, and what is sent once it agrees.
fn carry_out(
    services: &Services,
    house: &House<'_>,
    bundle: &[Planned],
    people: &People,
    now: Now,
) -> (Decision, Vec<Outgoing>) {
    let first = &bundle[0];
    let delivery = &first.delivery;
    let notes = first.decision.skipped.iter().map(|skipped| note(skipped, delivery, now)).collect();
    let with = bundle[1..].iter().filter_map(member).collect();
    let (verdict, outgoing) = match &first.decision.next {
        Next::Send { step } => begin(services, house, bundle, *step, people, now),
        Next::Wait { step, until, why } => {
            let (deferred, reason) = match why {
                Waiting::QuietHours => (Deferred::QuietHours, "quiet hours".to_owned()),
                Waiting::Digest => (Deferred::Digest, "gathered for a digest".to_owned()),
                Waiting::Live => (Deferred::No, "the live step has its time".to_owned()),
                Waiting::Throttle => (Deferred::Throttle, throttled(first, *step)),
            };
            let verdict = Verdict::Defer {
                step: *step,
                last_failed: first.decision.last_failed,
                due_at: UnixMs(until.as_millisecond()),
                deferred,
                reason,
            };
            (verdict, Vec::new())
        }
        Next::Stop { state, reason } => {
            let skipped = first.decision.skipped.last().map(|skipped| skipped.why.as_str());
            let reason = if *state == DeliveryState::DeadLettered { skipped.unwrap_or("") } else { reason };
            (Verdict::End { state: *state, reason: reason.to_owned() }, Vec::new())
        }
    };
    (Decision { key: delivery.key, token: delivery.token, with, notes, verdict }, outgoing)
}

/// Why it waits, for the trace.
fn throttled(one: &Planned, step: u32) -> String {
    let throttle = one.ladder.steps().get(step as usize).and_then(|step| step.throttle);
    match throttle {
        Some(throttle) => format!("throttled: at most {throttle}"),
        None => "throttled".to_owned(),
    }
}

/// One that goes out with the first of its bundle, and then its own way.
fn member(one: &Planned) -> Option<Member> {
    let Next::Send { step } = one.decision.next else { return None };
    let after = after(one.ladder.steps().get(step as usize)?);
    Some(Member { key: one.delivery.key, token: one.delivery.token, step, after })
}

fn after(step: &LadderStep) -> AfterStep {
    let wait_ms = step.until.map(|_| u64::try_from(step.wait.as_millis()).unwrap_or(u64::MAX));
    AfterStep { wait_ms, until: step.until }
}

fn note(skipped: &policy::Skipped, delivery: &ClaimedDelivery, now: Now) -> NewLeg {
    let unwanted = skipped.why == Obstacle::Unwanted;
    NewLeg {
        step: skipped.step,
        channel: skipped.channel,
        provider: None,
        device: None,
        address: String::new(),
        address_short: None,
        tag: compose::tag(delivery.id),
        state: if unwanted { LegState::Suppressed } else { LegState::Failed },
        reason: Some(skipped.why.as_str().to_owned()),
        deadline_at: now.unix_ms(),
    }
}

fn begin(
    services: &Services,
    house: &House<'_>,
    bundle: &[Planned],
    number: u32,
    people: &People,
    now: Now,
) -> (Verdict, Vec<Outgoing>) {
    let first = &bundle[0];
    let step = first.ladder.steps()[number as usize];
    let Some(to) = people.get(&first.delivery.user) else {
        let reason = Obstacle::NoAddress.as_str().to_owned();
        return (Verdict::End { state: DeliveryState::DeadLettered, reason }, Vec::new());
    };
    let targets: Vec<(Option<&DeviceRow>, Address)> = match step.channel {
        Channel::Push => pushable(services, to).map(|(device, address)| (Some(device), address)).collect(),
        channel => address(channel, to, None, services.config.webhook.url.as_deref())
            .map(|address| (None, address))
            .into_iter()
            .collect(),
    };
    let told: Vec<Told<'_>> =
        bundle.iter().map(|one| Told { id: one.delivery.id, content: &one.delivery.content }).collect();
    let expires_at = told.iter().map(|told| told.content.expires_at.map(|at| at.0)).max().flatten();
    let deadline = UnixMs(expires_at.unwrap_or_else(|| now.unix_ms().0.saturating_add(LEG_LIVES_AT_MOST_MS)));
    let tag = first.delivery.inherited_tag.clone().unwrap_or_else(|| compose::tag(first.delivery.id));
    let mut legs = Vec::with_capacity(targets.len());
    let mut outgoing = Vec::with_capacity(targets.len());
    for (device, address) in targets {
        let Some(notice) = compose::notice(house, &told, to, device, tag.clone()) else { continue };
        legs.push(NewLeg {
            step: number,
            channel: step.channel,
            provider: Some(address.provider()),
            device: device.map(|device| device.id.clone()),
            address: String::new(),
            address_short: Some(address.shortened()),
            tag: tag.clone(),
            state: LegState::Pending,
            reason: None,
            deadline_at: deadline,
        });
        outgoing.push(Outgoing {
            leg: LegRef { key: 0, token: 0 },
            device: device.map(|device| device.id.clone()),
            tries: 0,
            deadline,
            leased_until: now.instant + LEASE,
            address,
            notice: Arc::new(send::signed(services, notice, step.channel, device)),
        });
    }
    (Verdict::Begin { step: number, legs, after: after(&step) }, outgoing)
}
