//! Everything that can happen to deliveries, in random order, against a model: publishing, receipts of each level,
//! recall, expiry, claims, decisions, calls whose answers come late or never, leases that run out, restarts, replays.

use crate::harness::*;
use crate::night_model::{LAPSES_MAX, Leg, Model, Notification, is_end};
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, Audience, DoNotDisturb, Level, Seq, StateChange, Stream};
use belfry_store::*;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 3] = ["ann", "bob", "cid"];
const LEVELS: [Level; 5] = [Level::Received, Level::Displayed, Level::Seen, Level::Read, Level::Acted];

/// A dispatcher's leg, from its lease to the answer.
#[derive(Debug, Clone, Copy)]
struct InHand {
    leg: LegRef,
    leased_until: i64,
    /// The call has begun.
    called: bool,
}

struct Run {
    it: TestStore,
    model: Model,
    random: fastrand::Rng,
    ids: Vec<AlertId>,
    /// Claims of all dispatchers, some of them lost.
    claims: Vec<ClaimedDelivery>,
    legs: Vec<InHand>,
    /// What the test has seen come to pass.
    seen: BTreeMap<&'static str, u32>,
}

fn code(level: Level) -> u8 {
    LEVELS.iter().position(|one| *one == level).unwrap() as u8 + 1
}

impl Run {
    fn now(&self) -> UnixMs {
        UnixMs(self.model.now)
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// One of the young ones.
    fn some(&mut self) -> Option<usize> {
        let count = self.ids.len();
        (count > 0).then(|| self.random.usize(count.saturating_sub(12)..count))
    }

    fn at(&self, id: AlertId) -> usize {
        self.ids.iter().rposition(|one| *one == id).unwrap()
    }

    async fn publish(&mut self) {
        let name = NAMES[self.random.usize(..NAMES.len())];
        let now = self.model.now;
        let collapse_key = (self.random.u8(..4) == 0).then_some("price");
        let expires_at = (self.random.u8(..5) == 0).then(|| now + self.random.i64(1..3 * LEASE_MS));
        let content = Content {
            created_at: self.now(),
            collapse_key: collapse_key.map(str::to_owned),
            expires_at: expires_at.map(UnixMs),
            ..content()
        };
        let published = self.it.publish(Audience::User(user(name)), content).await;
        let notified = &published.notifications[0];
        let replaced = notified.replaced.map(|id| self.at(id));
        if let Some(replaced) = replaced {
            self.model.notifications[replaced].gone = Some(DeliveryState::Recalled);
        }
        self.ids.push(published.id);
        self.model.notifications.push(Notification {
            name,
            seq: notified.seq.0,
            level: 0,
            read: false,
            gone: None,
            expires_at,
            collapse_key,
            replaced,
        });
        assert_eq!(
            replaced.is_some(),
            replaced.is_some_and(|at| self.model.notifications[at].collapse_key.is_some())
        );
        if self.random.u8(..8) > 0 {
            self.open().await;
        }
    }

    async fn open(&mut self) {
        let Some(at) = self.some() else { return };
        let one = &self.model.notifications[at];
        let (name, seq) = (one.name, Seq(one.seq));
        let due_at = self.model.now + self.random.i64(-5..2_000);
        self.model.settle();
        let opens = u32::from(self.model.open(at, due_at));
        let new = vec![delivery(name, seq, self.ids[at], UnixMs(due_at))];
        assert_eq!(self.it.store.open_deliveries(new, None, self.now()).await, Ok(opens));
    }

    /// What a device or a person says.
    async fn answer(&mut self) {
        let Some(at) = self.some() else { return };
        let (id, name) = (self.ids[at], self.model.notifications[at].name);
        let level = LEVELS[self.random.usize(..LEVELS.len())];
        match level {
            Level::Received | Level::Displayed if self.random.bool() => {
                self.it
                    .store
                    .acknowledge(&user(name), AckRow::Ids { ids: vec![id], level }, self.now())
                    .unwrap();
            }
            Level::Received | Level::Displayed => {
                let up_to = Seq(self.model.notifications[at].seq);
                let row = AckRow::Range { stream: Stream::User, after: Seq(up_to.0 - 1), up_to, level };
                self.it.store.acknowledge(&user(name), row, self.now()).unwrap();
            }
            _ => {
                let change = match level {
                    Level::Seen => StateChange::Seen,
                    Level::Read => StateChange::Read,
                    _ => StateChange::Acted,
                };
                self.it.store.flush().await.unwrap();
                let selection = Selection::Ids(vec![id]);
                self.it.store.change_state(&user(name), selection, change, self.now()).await.unwrap();
            }
        }
        let one = &mut self.model.notifications[at];
        // A receipt of what left the list is still written, but ends nothing that has not ended by then.
        one.level = one.level.max(code(level));
        one.read |= level >= Level::Read && one.gone.is_none();
        self.model.settle();
        self.saw("answers");
    }

    async fn recall(&mut self) {
        let Some(at) = self.some() else { return };
        self.it.store.flush().await.unwrap();
        self.it.store.recall(self.ids[at], self.now()).await.unwrap();
        self.model.notifications[at].gone.get_or_insert(DeliveryState::Recalled);
        self.model.settle();
    }

    async fn sweep(&mut self) {
        self.it.store.flush().await.unwrap();
        self.it.store.sweep_expired(self.now(), 10_000).await.unwrap();
        for at in 0..self.ids.len() {
            if self.model.over(at) {
                self.model.notifications[at].gone.get_or_insert(DeliveryState::Expired);
            }
        }
        self.model.settle();
    }

    fn pass_time(&mut self) {
        self.model.now += match self.random.u8(..4) {
            0 => LEASE_MS,
            1 => self.random.i64(0..2 * TEN_MINUTES / 3),
            _ => self.random.i64(0..3_000),
        };
    }

    async fn claim(&mut self) {
        let limit = if self.random.u8(..3) == 0 { self.random.u32(1..4) } else { 1_000 };
        let claimable: BTreeSet<usize> = self.model.claimable().into_iter().collect();
        let claimed = self.it.store.claim_deliveries(self.now(), limit, LEASE).await.unwrap();
        let doomed = self.end_lapsed(&claimable, &claimed).await;
        let enough = claimable.len().min(limit as usize).saturating_sub(doomed.len());
        assert!(claimed.len() >= enough, "{claimed:?} of {claimable:?}");
        let mut left = claimable.clone();
        for one in claimed {
            let at = self.at(one.id);
            assert!(left.remove(&at), "{at} of {claimable:?}");
            let now = self.model.now;
            let delivery = self.model.deliveries.get_mut(&at).unwrap();
            assert_eq!(
                (one.step, one.last_failed, code(one.stop_at)),
                (delivery.step, delivery.last_failed, delivery.stop_at)
            );
            assert_eq!(
                (one.due_at.0, one.deferred, one.generation),
                (delivery.due_at, delivery.deferred, delivery.generation)
            );
            delivery.lapsed += u32::from(delivery.token.is_some());
            assert!(delivery.lapsed < LAPSES_MAX);
            delivery.token = Some(one.token);
            delivery.claim_at = Some(now + LEASE_MS);
            self.claims.push(one);
        }
        if limit == 1_000 {
            assert_eq!(left, doomed);
        }
    }

    /// Those whose lease has run out too often were given up by a claim, as far as its limit went.
    async fn end_lapsed(
        &mut self,
        claimable: &BTreeSet<usize>,
        claimed: &[ClaimedDelivery],
    ) -> BTreeSet<usize> {
        let mut doomed = BTreeSet::new();
        for at in claimable {
            let delivery = &self.model.deliveries[at];
            let lapses = delivery.lapsed + u32::from(delivery.token.is_some());
            if lapses < LAPSES_MAX || claimed.iter().any(|one| one.id == self.ids[*at]) {
                continue;
            }
            let found = self.it.find_trace(self.ids[*at], self.model.notifications[*at].name).await;
            if found.is_some_and(|row| row.state == DeliveryState::DeadLettered) {
                self.model.deliveries.get_mut(at).unwrap().end(DeliveryState::DeadLettered);
                doomed.insert(*at);
                self.saw("given up");
            }
        }
        doomed
    }

    async fn decide(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let chosen = self.claims.swap_remove(self.random.usize(..self.claims.len()));
        let at = self.at(chosen.id);
        let mut asked = vec![(at, chosen.token)];
        let mut with = Vec::new();
        if self.random.u8(..3) == 0 {
            let (same, others) = std::mem::take(&mut self.claims)
                .into_iter()
                .partition::<Vec<_>, _>(|one| one.user == chosen.user && one.key != chosen.key);
            self.claims = others;
            for one in same {
                let member = self.at(one.id);
                // Two claims of one delivery: one of them is stale.
                if asked.iter().any(|each| each.0 == member) {
                    continue;
                }
                let after = if self.random.bool() { LAST } else { UNTIL_SEEN };
                with.push(Member { key: one.key, token: one.token, step: one.step, after });
                asked.push((member, one.token));
            }
        }
        match self.random.u8(..8) {
            0 => self.defer(&chosen, with, &asked).await,
            1 => self.end(&chosen, with, &asked).await,
            _ => self.begin(&chosen, with, &asked).await,
        }
    }

    async fn defer(&mut self, chosen: &ClaimedDelivery, with: Vec<Member>, asked: &[(usize, i64)]) {
        let due_at = self.model.now + self.random.i64(0..TEN_MINUTES);
        let deferred = if self.random.bool() { Deferred::QuietHours } else { Deferred::Digest };
        let decision = Decision { with, ..to_defer(chosen, UnixMs(due_at), deferred) };
        let answered = self.it.decide(decision, self.now()).await;
        let all = self.model.held_by_caller(asked, false);
        assert_eq!(answered.is_some(), all);
        let before = self.model.deliveries.clone();
        for (at, _) in asked.iter().filter(|_| all) {
            let mut due_at = due_at;
            if deferred == Deferred::Digest {
                // The first one that is gathered for a person says when all of them go.
                let name = self.model.notifications[*at].name;
                let gathered = before.iter().filter(|(other, one)| {
                    *other != at
                        && self.model.notifications[**other].name == name
                        && one.state == DeliveryState::Waiting
                        && one.deferred == Deferred::Digest
                        && one.due_at > self.model.now
                });
                due_at = gathered.map(|(_, one)| one.due_at).min().map_or(due_at, |at| at.min(due_at));
            }
            let delivery = self.model.deliveries.get_mut(at).unwrap();
            (delivery.step, delivery.last_failed) = (chosen.step, chosen.last_failed);
            delivery.deferred = deferred;
            delivery.wait_until(due_at);
        }
    }

    async fn end(&mut self, chosen: &ClaimedDelivery, with: Vec<Member>, asked: &[(usize, i64)]) {
        let states = [
            DeliveryState::DeadLettered,
            DeliveryState::DeadLettered,
            DeliveryState::Suppressed,
            DeliveryState::Sent,
            DeliveryState::Expired,
        ];
        let state = states[self.random.usize(..states.len())];
        let answered =
            self.it.decide(Decision { with, ..to_end(chosen, state, "because") }, self.now()).await;
        let all = self.model.held_by_caller(asked, false);
        assert_eq!(answered.is_some(), all);
        for (at, _) in asked.iter().filter(|_| all) {
            if state == DeliveryState::Expired {
                self.model.end(*at, state);
            } else {
                let kept_in = matches!(state, DeliveryState::DeadLettered | DeliveryState::Suppressed);
                let sent = kept_in && self.model.was_sent(*at);
                let state = if sent { DeliveryState::Sent } else { state };
                self.model.deliveries.get_mut(at).unwrap().end(state);
            }
        }
    }

    async fn begin(&mut self, chosen: &ClaimedDelivery, with: Vec<Member>, asked: &[(usize, i64)]) {
        let count = self.random.usize(..4);
        let now = self.model.now;
        let deadline_at = now + self.random.i64(1..5 * LEASE_MS);
        let new = NewLeg { deadline_at: UnixMs(deadline_at), ..leg(chosen.step, "phone") };
        let own = if self.random.bool() { LAST } else { UNTIL_SEEN };
        let serves: Vec<(usize, AfterStep, u32)> = std::iter::once((asked[0].0, own, chosen.step))
            .chain(asked[1..].iter().zip(&with).map(|((at, _), member)| (*at, member.after, member.step)))
            .collect();
        let decision = Decision { with, ..to_begin(chosen, vec![new; count], own) };
        let refs = self.it.decide(decision, self.now()).await;
        let all = self.model.held_by_caller(asked, true);
        assert_eq!(refs.is_some(), all);
        let Some(refs) = refs else {
            self.saw("decisions refused");
            return;
        };
        for (at, after, step) in &serves {
            let delivery = self.model.deliveries.get_mut(at).unwrap();
            (delivery.state, delivery.step, delivery.after) = (DeliveryState::Sending, *step, *after);
            (delivery.claim_at, delivery.token, delivery.deferred) = (None, None, Deferred::No);
            delivery.lapsed = 0;
            if count == 0 {
                (delivery.last_failed, delivery.step) = (true, step + 1);
                delivery.wait_until(now);
            }
        }
        let mut steps: Vec<(usize, u32)> = serves.iter().map(|one| (one.0, one.2)).collect();
        steps[1..].sort_by_key(|one| self.model.deliveries[&one.0].order);
        for leg in refs {
            let made = Leg {
                serves: steps.clone(),
                state: LegState::Pending,
                token: Some(leg.token),
                next_at: now,
                claim_at: Some(now + LEASE_MS),
                changed: false,
                tries: 0,
                lapsed: 0,
                deadline_at,
                accepted: Vec::new(),
            };
            assert!(self.model.legs.insert(leg.key, made).is_none());
            self.model.pending.insert(leg.key);
            self.legs.push(InHand { leg, leased_until: now + LEASE_MS, called: false });
        }
    }

    async fn claim_legs(&mut self) {
        let claimed = self.it.store.claim_legs(self.now(), 1_000, LEASE, &[]).await.unwrap();
        let mut expected = Vec::new();
        for key in self.model.claimable_legs() {
            if self.model.claim_leg(key) {
                expected.push(key);
            }
        }
        assert_eq!(claimed.iter().map(|leg| leg.key).collect::<Vec<_>>(), expected);
        for leg in claimed {
            let serves: Vec<usize> =
                std::iter::once(&leg.delivery).chain(&leg.with).map(|one| self.at(one.id)).collect();
            let now = self.model.now;
            let known = self.model.legs.get_mut(&leg.key).unwrap();
            assert_eq!(serves, known.serves.iter().map(|one| one.0).collect::<Vec<_>>());
            assert_eq!(leg.tries, known.tries);
            known.token = Some(leg.token);
            let leg = LegRef { key: leg.key, token: leg.token };
            self.legs.push(InHand { leg, leased_until: now + LEASE_MS, called: false });
            self.saw("legs claimed");
        }
    }

    /// A dispatcher goes on with a leg: it asks and calls, or it files the answer.
    async fn work(&mut self) {
        if self.legs.is_empty() {
            return;
        }
        let at = self.random.usize(..self.legs.len());
        let mut hand = self.legs[at];
        if hand.called {
            self.legs.swap_remove(at);
            self.file(hand).await;
            return;
        }
        self.model.settle();
        let wanted = self.it.wanted(hand.leg).await;
        assert_eq!(wanted, self.model.still_wanted(hand.leg.key, hand.leg.token), "{hand:?}");
        // A dispatcher's own clock says when it may not begin any more.
        if !wanted || hand.leased_until <= self.model.now {
            self.legs.swap_remove(at);
            self.saw("calls not made");
            return;
        }
        for (served, _) in &self.model.legs[&hand.leg.key].serves {
            let stop_at = self.model.deliveries[served].stop_at;
            assert_eq!(self.model.outcome(*served, stop_at), None, "a call begins for what was answered");
        }
        hand.called = true;
        self.legs[at] = hand;
        // The provider may accept whether or not its answer is ever filed.
        if self.random.bool() {
            let leg = self.model.legs.get_mut(&hand.leg.key).unwrap();
            for (token, leased_until) in &leg.accepted {
                let twice = *token == hand.leg.token || self.model.now < *leased_until;
                assert!(!twice, "accepted twice within a lease");
            }
            leg.accepted.push((hand.leg.token, hand.leased_until));
            self.saw("accepted by the provider");
        }
    }

    async fn file(&mut self, hand: InHand) {
        let key = hand.leg.key;
        if self.random.u8(..6) == 0 {
            self.saw("answers lost");
            return;
        }
        let was_accepted = self.model.legs[&key].accepted.iter().any(|one| one.0 == hand.leg.token);
        let next_at = self.model.now + self.random.i64(1..LEASE_MS);
        let then = match self.random.u8(..5) {
            _ if was_accepted => accepted(),
            0 => Then::Expire,
            1 => Then::Hold { next_at: UnixMs(next_at) },
            2 => failed("gone"),
            _ => Then::Retry { next_at: UnixMs(next_at) },
        };
        self.it.store.flush().await.unwrap();
        let filed = self.it.record(hand.leg, then.clone(), self.now()).await;
        let leg = self.model.legs.get_mut(&key).unwrap();
        let mine = leg.state == LegState::Pending && leg.token == Some(hand.leg.token);
        assert_eq!(filed, mine);
        if !mine {
            self.saw("late answers");
            return;
        }
        match then {
            Then::Accepted { .. } => self.model.finish_leg(key, LegState::Accepted),
            Then::Fail { .. } => self.model.finish_leg(key, LegState::Failed),
            Then::Expire => self.model.finish_leg(key, LegState::Expired),
            Then::Retry { .. } if next_at >= leg.deadline_at => self.model.finish_leg(key, LegState::Expired),
            Then::Retry { .. } | Then::Hold { .. } => {
                leg.tries += u32::from(!matches!(then, Then::Hold { .. }));
                (leg.next_at, leg.claim_at, leg.token, leg.changed) = (next_at, Some(next_at), None, false);
                leg.lapsed = 0;
            }
        }
        self.model.settle();
    }

    async fn replay(&mut self) {
        self.it.store.flush().await.unwrap();
        let replayed = self.model.replay();
        let which = Replay::Filter(DeadLetterQuery::default());
        assert_eq!(self.it.store.replay(which, 10_000, self.now()).await, Ok((replayed, false)));
        for _ in 0..replayed {
            self.saw("replayed");
        }
    }

    async fn change_settings(&mut self) {
        let name = NAMES[self.random.usize(..NAMES.len())];
        self.it.store.flush().await.unwrap();
        self.it.store.set_do_not_disturb(&user(name), DoNotDisturb::default(), self.now()).await.unwrap();
        let now = self.model.now;
        for (at, delivery) in &mut self.model.deliveries {
            if self.model.notifications[*at].name != name || delivery.state != DeliveryState::Waiting {
                continue;
            }
            if delivery.deferred == Deferred::QuietHours {
                delivery.wait_until(now);
            } else if delivery.token.is_some() {
                delivery.release();
            }
        }
    }

    async fn restart(&mut self) {
        self.it.store.flush().await.unwrap();
        let new = TestStore::new(self.it.engine).await;
        let it = std::mem::replace(&mut self.it, new);
        self.it = if self.random.bool() { it.as_after_a_crash().await } else { it.reopened().await };
        if self.random.bool() {
            // What the node had in its hands died with it, but for calls that are out.
            self.claims.clear();
            self.legs.retain(|hand| hand.called);
        }
    }

    async fn compare(&mut self, which: impl Iterator<Item = usize>) {
        self.it.store.flush().await.unwrap();
        for at in which {
            let found = self.it.find_trace(self.ids[at], self.model.notifications[at].name).await;
            let Some(known) = self.model.deliveries.get(&at) else {
                assert_eq!(found, None);
                continue;
            };
            let found = found.unwrap();
            let place = (found.state, found.step, found.generation);
            assert_eq!(
                place,
                (known.state, known.step, known.generation),
                "{at}: {:?}",
                self.model.notifications[at]
            );
            assert_eq!(found.ended_at.is_some(), is_end(known.state));
            let own = |leg: &&LegTraceRow| self.model.legs.contains_key(&leg.key);
            let legs: Vec<_> = found.legs.iter().filter(own).map(|leg| (leg.key, leg.state)).collect();
            let expected = self.model.legs.iter().filter(|(_, leg)| leg.serves.iter().any(|one| one.0 == at));
            assert_eq!(legs, expected.map(|(key, leg)| (*key, leg.state)).collect::<Vec<_>>(), "{at}");
        }
    }

    fn compare_counts(&self) {
        let gauges = self.it.store.gauges();
        let count =
            |is: &dyn Fn(usize) -> bool| self.model.deliveries.keys().filter(|at| is(**at)).count() as u64;
        let active =
            |at: usize| !is_end(self.model.deliveries[&at].state) || !self.model.open_legs(at).is_empty();
        assert_eq!(gauges.deliveries, count(&active));
        assert_eq!(
            gauges.dead_letters,
            count(&|at| self.model.deliveries[&at].state == DeliveryState::DeadLettered)
        );
        let pending = self.model.legs.values().filter(|leg| leg.state == LegState::Pending).count();
        assert_eq!(gauges.pending_legs, pending as u64);
    }

    async fn step(&mut self, number: usize) {
        match self.random.u8(..32) {
            0..6 => self.publish().await,
            6 => self.open().await,
            7..10 => self.answer().await,
            10 if self.random.bool() => self.recall().await,
            11 => self.sweep().await,
            12..15 => self.pass_time(),
            15..18 => self.claim().await,
            18..23 => self.decide().await,
            23..25 => self.claim_legs().await,
            25..30 => self.work().await,
            30 if self.random.u8(..3) == 0 => self.replay().await,
            31 if self.random.bool() => self.change_settings().await,
            _ => {}
        }
        if number % 250 == 249 {
            self.restart().await;
        }
        self.model.settle();
        let young = self.ids.len().saturating_sub(6)..self.ids.len();
        if number.is_multiple_of(3) {
            self.compare(young).await;
            self.compare_counts();
        }
        if number % 500 == 499 {
            self.compare(0..self.ids.len()).await;
        }
    }

    /// Everybody does what is left to do, until nothing is.
    async fn wind_up(&mut self) {
        for _ in 0..400 {
            self.model.now += LEASE_MS;
            self.legs.clear();
            self.claim_legs().await;
            for hand in std::mem::take(&mut self.legs) {
                self.it.record(hand.leg, accepted(), self.now()).await;
                self.model.finish_leg(hand.leg.key, LegState::Accepted);
                self.model.settle();
            }
            self.claims.clear();
            self.claim().await;
            while let Some(claimed) = self.claims.pop() {
                let asked = [(self.at(claimed.id), claimed.token)];
                self.end(&claimed, Vec::new(), &asked).await;
            }
            if self.model.deliveries.values().all(|one| is_end(one.state))
                && self.it.store.gauges().deliveries == 0
            {
                break;
            }
        }
        self.compare(0..self.ids.len()).await;
        self.compare_counts();
        assert_eq!(self.it.store.gauges().deliveries, 0);
        assert_eq!(self.it.store.next_due().await, Ok(None));
        for delivery in self.model.deliveries.values() {
            assert!(is_end(delivery.state), "{delivery:?}");
            for generation in 0..=delivery.generation {
                let ends = delivery.ends.iter().filter(|end| end.0 == generation).count();
                assert_eq!(ends, 1, "each ends once: {delivery:?}");
            }
        }
    }
}

async fn random_run(it: TestStore, seed: u64, steps: usize) {
    let steps = it.engine.share_of(steps);
    let mut run = Run {
        it,
        model: Model::new(),
        random: fastrand::Rng::with_seed(seed),
        ids: Vec::new(),
        claims: Vec::new(),
        legs: Vec::new(),
        seen: BTreeMap::new(),
    };
    for number in 0..steps {
        run.step(number).await;
    }
    run.wind_up().await;
    let rare = [
        "answers",
        "decisions refused",
        "legs claimed",
        "calls not made",
        "accepted by the provider",
        "answers lost",
        "late answers",
        "replayed",
    ];
    // The walk on a server is shorter, and what is rare in it depends on when receipts are written.
    for what in rare.into_iter().filter(|_| run.it.engine.remembers()) {
        assert!(run.seen.get(what).copied().unwrap_or(0) >= 10, "{what}: {:?}", run.seen);
    }
}

contract! {
    async fn deliveries_agree_with_the_model_in_any_order_of_events(it: TestStore) {
        random_run(it, 11, 4_000).await;
    }

    async fn deliveries_agree_with_the_model_in_another_order_of_events(it: TestStore) {
        random_run(it, 12, 4_000).await;
    }

    async fn deliveries_agree_with_the_model_in_a_third_order_of_events(it: TestStore) {
        random_run(it, 13, 4_000).await;
    }
}
