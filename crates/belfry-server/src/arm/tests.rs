use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ladder(toml: &str) -> Ladder {
    #[derive(serde::Deserialize)]
    struct File {
        ladder: Vec<Step>,
    }
    let file: File = toml::from_str(toml).expect("is TOML");
    Ladder::from_publish(&file.ladder).expect("is sound")
}

fn linger(settled: Instant) -> Linger {
    Linger { after_close: 15 * SECOND, after_start: 60 * SECOND, settled }
}

fn start() -> Instant {
    crate::clock::now().instant
}

/// A node that has been up for an hour.
fn later(settled: Instant) -> Instant {
    settled + 3_600 * SECOND
}

fn begin_with(presence: impl Fn(Instant) -> Presence) -> Beginning {
    let settled = start();
    let now = later(settled);
    begin(&Ladder::default(), presence(now), linger(settled), now).expect("is watched")
}

#[test]
fn somebody_at_a_visible_page_has_the_time_that_the_live_step_gives() {
    let begun = begin_with(|now| Presence::Open { visible: true, since: now });
    assert_eq!((begun.look_after, begun.live_failed, begun.stop_at), (5 * SECOND, false, Level::Displayed));
    assert_eq!(begun.next_step, 1);
}

#[test]
fn nobody_waits_for_a_hidden_page_to_be_looked_at() {
    assert_eq!(begin_with(|now| Presence::Open { visible: false, since: now }).look_after, ABSENT_AFTER);
    let settled = start();
    let now = later(settled);
    let received = ladder(
        "ladder = [{ channel = \"live\", wait = \"5s\", until = \"received\" }, { channel = \"push\" }]",
    );
    let hidden = Presence::Open { visible: false, since: now };
    let begun = begin(&received, hidden, linger(settled), now).expect("is watched");
    assert_eq!(begun.look_after, 5 * SECOND, "a hidden page can still receive");
}

#[test]
fn who_is_away_gets_the_push_at_once_and_who_reloads_does_not() {
    let away = begin_with(|_| Presence::Away);
    assert_eq!((away.look_after, away.due_after, away.live_failed), (ABSENT_AFTER, ABSENT_AFTER, true));
    let reloading = begin_with(|now| Presence::Left(now - SECOND));
    assert_eq!(reloading.look_after, 14 * SECOND);
    let nearly_gone = begin_with(|now| Presence::Left(now - 14 * SECOND));
    assert_eq!(nearly_gone.look_after, 5 * SECOND, "no less than the live step gives");
    assert_eq!(begin_with(|now| Presence::Left(now - 15 * SECOND)).look_after, ABSENT_AFTER);
}

#[test]
fn nobody_is_absent_from_a_node_that_has_just_settled() {
    let settled = start();
    let now = settled + 10 * SECOND;
    let begun = begin(&Ladder::default(), Presence::Away, linger(settled), now).expect("is watched");
    assert_eq!(begun.look_after, 50 * SECOND);
}

#[test]
fn a_long_live_step_is_written_down_after_a_minute_and_due_when_it_says() {
    let settled = start();
    let now = later(settled);
    let slow =
        ladder("ladder = [{ channel = \"live\", wait = \"2h\", until = \"seen\" }, { channel = \"push\" }]");
    let open = Presence::Open { visible: true, since: settled };
    let begun = begin(&slow, open, linger(settled), now).expect("is watched");
    assert_eq!((begun.look_after, begun.due_after), (WATCHED_AT_MOST, 7_200 * SECOND));
}

#[test]
fn a_ladder_that_ends_live_is_not_watched() {
    let settled = start();
    let now = later(settled);
    let live = ladder("ladder = [{ channel = \"live\", wait = \"5s\", until = \"seen\" }]");
    assert_eq!(begin(&live, Presence::Away, linger(settled), now), None);
    let until_sent = ladder("ladder = [{ channel = \"live\" }, { channel = \"push\" }]");
    let open = Presence::Open { visible: true, since: settled };
    assert_eq!(begin(&until_sent, open, linger(settled), now), None, "it was sent");
    assert!(begin(&until_sent, Presence::Away, linger(settled), now).is_some(), "it was not");
}

#[test]
fn a_ladder_without_a_live_step_begins_at_once() {
    let settled = start();
    let email = ladder("ladder = [{ channel = \"email\" }]");
    let open = Presence::Open { visible: true, since: settled };
    let begun = begin(&email, open, linger(settled), later(settled)).expect("is watched");
    assert_eq!((begun.look_after, begun.next_step, begun.live_failed), (Duration::ZERO, 0, false));
}

#[test]
fn a_ladder_begins_with_what_the_other_nodes_say_and_counts_from_when_it_was_armed() {
    let start = crate::clock::now().instant;
    let linger = Linger { after_close: 15 * SECOND, after_start: 60 * SECOND, settled: start };
    let armed = start + 100 * SECOND;
    let alert = crate::watch::WatchedAlert {
        id: AlertId::from_parts(1, 0),
        ladder: Ladder::default(),
        published: armed,
        linger,
    };
    let watched = Watched {
        alert: Arc::new(alert),
        user: UserId::new("ann").expect("is an id"),
        seq: Seq(1),
        stop_at: Level::Displayed,
        next_step: 1,
        live_failed: true,
        due: armed + ABSENT_AFTER,
        elsewhere: true,
    };
    let look = armed + ABSENT_AFTER;
    let begun = |presence| match begin_elsewhere(&watched, presence, look) {
        Elsewhere::Nothing => panic!("the default ladder goes on after the live step"),
        Elsewhere::Now(watched) => (None, watched.live_failed, watched.elsewhere),
        Elsewhere::Later(watched, at) => {
            assert_eq!(watched.due, at);
            (Some(at - armed), watched.live_failed, watched.elsewhere)
        }
    };
    let open = |visible| Presence::Open { visible, since: start };
    assert_eq!(begun(open(true)), (Some(5 * SECOND), false, false), "the live step runs there");
    assert_eq!(begun(open(false)), (None, false, false), "nobody looks at it");
    assert_eq!(begun(Presence::Away), (None, true, false));
    assert_eq!(
        begun(Presence::Left(armed - 5 * SECOND)),
        (Some(10 * SECOND), true, false),
        "perhaps a reload"
    );
    assert_eq!(
        begun(Presence::Lost(armed - 5 * SECOND)),
        (Some(55 * SECOND), true, false),
        "its node is gone"
    );
    assert_eq!(begun(Presence::Left(start)), (None, true, false));
}
