//! Receipts: ranges with holes, levels that only rise, clamped to what there is.

use crate::harness::*;
use belfry_protocol::{Level, Seq, StateChange, Stream};
use belfry_store::*;

fn range(after: u64, up_to: u64) -> AckRow {
    AckRow::Range { stream: Stream::User, after: Seq(after), up_to: Seq(up_to), level: Level::Received }
}

fn ids(ids: &[belfry_protocol::AlertId], level: Level) -> AckRow {
    AckRow::Ids { ids: ids.to_vec(), level }
}

async fn levels(it: &TestStore, name: &str) -> Vec<Option<Level>> {
    it.all_items(name).await.iter().map(|item| item.level).collect()
}

contract! {
    async fn a_range_confirms_what_lies_in_it_and_nothing_else(it: TestStore) {
        for _ in 0..6 {
            it.tell("ann").await;
        }
        it.store.acknowledge(&user("ann"), range(1, 2), NOW).unwrap();
        it.store.acknowledge(&user("ann"), range(3, 5), NOW).unwrap();
        let received = Some(Level::Received);
        let expected = [None, received, None, received, received, None];
        if !it.engine.remembers() {
            it.store.flush().await.unwrap();
        }
        assert_eq!(levels(&it, "ann").await, expected);
        it.store.flush().await.unwrap();
        for it in [it.as_after_a_crash().await, it.reopened().await] {
            assert_eq!(levels(&it, "ann").await, expected);
            let connected = it.store.connect(&user("ann"), NOW).await.unwrap();
            assert_eq!(connected.received, heads(5, 0));
            assert_eq!(connected.standing.head, heads(6, 0), "a receipt takes no number");
            assert_eq!(connected.standing.unread.user, 6);
        }
    }

    async fn a_range_is_clamped_to_the_head_of_its_moment(it: TestStore) {
        it.tell("ann").await;
        it.store.acknowledge(&user("ann"), range(0, 1 << 53), NOW).unwrap();
        it.tell("ann").await;
        it.store.flush().await.unwrap();
        it.tell("ann").await;
        // Without a memory of the user the moment is that of the flush; whoever acknowledges for others clamps before.
        let clamped: u64 = if it.engine.remembers() { 1 } else { 2 };
        let received = |seq: u64| (seq <= clamped).then_some(Level::Received);
        assert_eq!(levels(&it, "ann").await, [received(1), received(2), received(3)]);
        assert_eq!(it.as_after_a_crash().await.store.connect(&user("ann"), NOW).await.unwrap().received, heads(clamped, 0));
    }

    async fn a_cold_user_can_acknowledge_too(it: TestStore) {
        it.tell("ann").await;
        it.store.connect(&user("ann"), NOW).await.unwrap();
        it.tell_all().await;
        let it = it.reopened().await;
        it.store.acknowledge(&user("ann"), range(0, 9), NOW).unwrap();
        let all = AckRow::Range { stream: Stream::All, after: Seq(0), up_to: Seq(9), level: Level::Received };
        it.store.acknowledge(&user("ann"), all, NOW).unwrap();
        it.store.acknowledge(&user("nobody"), range(0, 9), NOW).unwrap();
        it.store.flush().await.unwrap();
        for it in [it.as_after_a_crash().await, it] {
            let remembered = it.engine.remembers();
            let connected = it.store.connect(&user("ann"), NOW).await.unwrap();
            assert_eq!(connected.received, heads(1, u64::from(remembered)));
            let of_all = remembered.then_some(Level::Received);
            assert_eq!(levels(&it, "ann").await, [Some(Level::Received), of_all]);
        }
    }

    async fn named_levels_only_rise_and_keep_their_first_time(it: TestStore) {
        let one = it.tell("ann").await.id;
        let two = it.tell("ann").await.id;
        let foreign = it.tell("bob").await.id;
        it.store.acknowledge(&user("ann"), ids(&[one, foreign], Level::Displayed), after(5)).unwrap();
        it.store.flush().await.unwrap();
        it.store.acknowledge(&user("ann"), ids(&[one, two], Level::Received), after(6)).unwrap();
        it.store.acknowledge(&user("ann"), ids(&[one], Level::Displayed), after(7)).unwrap();
        it.store.flush().await.unwrap();
        assert_eq!(levels(&it, "ann").await, [Some(Level::Displayed), Some(Level::Received)]);
        assert_eq!(levels(&it, "bob").await, [None]);
        it.mark("ann", &[one], StateChange::Read).await;
        it.mark("ann", &[one], StateChange::Unread).await;
        assert_eq!(levels(&it, "ann").await[0], Some(Level::Read));
        let rows = it.store.alert_recipients(one, None, 10).await.unwrap();
        assert_eq!(rows[0].level_times, [
            (Level::Received, after(6)),
            (Level::Displayed, after(5)),
            (Level::Read, NOW),
        ]);
        assert_eq!(it.standing("ann").await.head.user, Seq(4));
    }

    async fn more_holes_than_are_kept_go_to_the_items(it: TestStore) {
        for _ in 0..120 {
            it.tell("ann").await;
        }
        let mut expected = vec![None; 120];
        for seq in (2..=120).step_by(2) {
            it.store.acknowledge(&user("ann"), range(seq - 1, seq), NOW).unwrap();
            expected[seq as usize - 1] = Some(Level::Received);
            if seq % 30 == 0 {
                it.store.flush().await.unwrap();
            }
        }
        it.store.flush().await.unwrap();
        assert_eq!(levels(&it, "ann").await, expected);
        assert_eq!(levels(&it.as_after_a_crash().await, "ann").await, expected);
    }

    async fn receipts_reach_the_disk_without_being_asked(it: TestStore) {
        it.tell("ann").await;
        it.store.acknowledge(&user("ann"), range(0, 1), NOW).unwrap();
        let deadline = std::time::Duration::from_secs(20);
        let written = async {
            while it.store.gauges().pending_receipts > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(deadline, written).await.unwrap();
        let it = it.as_after_a_crash().await;
        assert_eq!(levels(&it, "ann").await, [Some(Level::Received)]);
    }
}
