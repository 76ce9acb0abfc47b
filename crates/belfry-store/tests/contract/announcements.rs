//! Alerts for everyone: one row, latecomers, marks, the limit.

use crate::harness::*;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{Audience, Seq, StateChange, Stream};
use belfry_store::*;

async fn connect(it: &TestStore, name: &str) -> Connected {
    it.store.connect(&user(name), NOW).await.unwrap()
}

contract! {
    async fn latecomers_do_not_see_earlier_announcements(it: TestStore) {
        connect(&it, "ann").await;
        let first = it.tell_all().await;
        assert_eq!((first.recipients, first.all_seq), (None, Some(Seq(1))));
        let bob = connect(&it, "bob").await;
        assert_eq!(bob.standing.head, heads(0, 1));
        assert_eq!(bob.standing.unread, Unread::default());
        assert_eq!(it.ids("bob").await, []);
        assert_eq!(it.ids("ann").await, [first.id]);
        assert_eq!(it.standing("ann").await.unread, Unread { user: 0, all: 1 });
        let second = it.tell_all().await;
        assert_eq!(it.all_items("bob").await.iter().map(|item| item.id).collect::<Vec<_>>(), [second.id]);
        let it = it.reopened().await;
        assert_eq!(it.ids("bob").await, [second.id]);
    }

    async fn an_announcement_for_latecomers_is_one_row_that_later_users_see(it: TestStore) {
        let early = it.tell_all().await;
        let open = it.tell_all_to_come(content()).await;
        let short = it.tell_all_to_come(Content { expires_at: Some(after(50)), ..content() }).await;
        it.store.recall(early.id, NOW).await.unwrap();
        let bob = connect(&it, "bob").await;
        assert_eq!((bob.standing.head, bob.standing.unread), (heads(0, 4), Unread { user: 0, all: 2 }));
        assert_eq!(it.ids("bob").await, [short.id, open.id]);
        let items = it.all_items("bob").await;
        let items: Vec<_> = items.iter().map(|item| (item.stream, item.seq, item.version)).collect();
        assert_eq!(items, [(Stream::All, Seq(2), Seq(2)), (Stream::All, Seq(3), Seq(3))]);
        assert_eq!(it.store.count_after(&user("bob"), heads(0, 2), heads(0, 4), 10).await, Ok(1));
        it.store.sweep_expired(after(50), 10).await.unwrap();
        connect(&it, "cid").await;
        for name in ["bob", "cid"] {
            assert_eq!(it.ids(name).await, [open.id]);
            assert_eq!(it.standing(name).await.unread, Unread { user: 0, all: 1 });
        }
        // The promise of one row: nobody's stream moved, and nobody marked anything.
        assert_eq!(it.standing("bob").await.head, heads(0, 5));
        assert_eq!(it.store.alert_recipients(open.id, None, 10).await, Ok(Vec::new()));
    }

    async fn what_a_latecomer_does_with_it_and_what_becomes_of_it_reaches_their_other_devices(it: TestStore) {
        let plain = it.tell_all().await;
        let open = it.tell_all_to_come(content()).await;
        let other = it.tell_all_to_come(content()).await;
        connect(&it, "bob").await;
        let there = it.standing("bob").await.head;
        let changed = it.mark("bob", &[plain.id, open.id], StateChange::Archived).await;
        assert_eq!((changed.seq, changed.unread), (Seq(1), Unread { user: 0, all: 1 }));
        assert!(!it.mark("bob", &[plain.id], StateChange::Read).await.changed, "it does not exist for bob");
        let it = it.as_after_a_crash().await;
        let up_to = Selection::UpTo(heads(0, 3));
        let changed = it.store.change_state(&user("bob"), up_to, StateChange::Read, NOW).await.unwrap();
        assert_eq!((changed.seq, changed.unread), (Seq(2), Unread::default()));
        it.store.recall(plain.id, NOW).await.unwrap();
        it.store.recall(other.id, NOW).await.unwrap();
        let it = it.reopened().await;
        let head = it.standing("bob").await.head;
        assert_eq!(head, heads(2, 5));
        let rows = it.store.changed_since(&user("bob"), there, head, 10).await.unwrap();
        let mut rows: Vec<_> = rows.iter().map(|row| (row.id, row.version.0, row.now)).collect();
        rows.sort_unstable_by_key(|row| row.0);
        let archived = belfry_protocol::ItemState { seen: true, read: true, archived: true, acted: false };
        assert_eq!(rows, [
            (open.id, 1, ItemNow::Here(archived)),
            (other.id, 5, ItemNow::Left(ChangedTo::Recalled)),
        ]);
        assert_eq!(it.all_items("bob").await.len(), 1);
    }

    async fn a_newcomer_begins_with_the_newest_hundred_and_keeps_them(it: TestStore) {
        connect(&it, "ann").await;
        let mut all = Vec::new();
        for number in 0..210 {
            let one = if number % 2 == 0 { it.tell_all_to_come(content()).await } else { it.tell_all().await };
            all.push(one.id);
        }
        let newest: Vec<_> = all.iter().step_by(2).rev().take(100).copied().collect();
        // By whatever a user is first seen, they see the same.
        it.tell("bob").await;
        it.store.put_group(&group("g"), vec![user("cid")], NOW).await.unwrap();
        for name in ["bob", "cid"] {
            let ids = it.ids(name).await;
            assert_eq!(ids.iter().filter(|id| all.contains(id)).copied().collect::<Vec<_>>(), newest, "{name}");
            assert_eq!(it.standing(name).await.unread.all, 100, "{name}");
        }
        // What leaves makes no room for older ones.
        it.store.recall(newest[0], NOW).await.unwrap();
        let it = it.reopened().await;
        assert_eq!(it.ids("cid").await, newest[1..]);
        assert_eq!(it.standing("cid").await.unread.all, 99);
        assert_eq!(it.standing("ann").await.unread.all, 209);
    }

    async fn a_mark_takes_a_number_of_the_users_stream_and_no_one_elses(it: TestStore) {
        connect(&it, "ann").await;
        connect(&it, "bob").await;
        let one = it.tell_all().await;
        it.tell("ann").await;
        let changed = it.mark("ann", &[one.id], StateChange::Read).await;
        assert_eq!((changed.seq, changed.unread), (Seq(2), Unread { user: 1, all: 0 }));
        let rows = it.store.changed_since(&user("ann"), heads(1, 1), heads(2, 1), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].stream, rows[0].version), (1, Stream::All, Seq(2)));
        assert_eq!(it.standing("bob").await.unread, Unread { user: 0, all: 1 });
        assert_eq!(it.standing("bob").await.head, heads(0, 1));
        let it = it.as_after_a_crash().await;
        assert_eq!(it.standing("ann").await.unread, Unread { user: 1, all: 0 });
    }

    async fn reading_up_to_a_cursor_covers_both_streams_and_what_comes_later_stays_unread(it: TestStore) {
        connect(&it, "ann").await;
        for _ in 0..3 {
            it.tell_all().await;
            it.tell("ann").await;
        }
        let up_to = Selection::UpTo(heads(2, 2));
        let changed = it.store.change_state(&user("ann"), up_to.clone(), StateChange::Read, NOW).await.unwrap();
        assert_eq!((changed.seq, changed.unread), (Seq(4), Unread { user: 1, all: 1 }));
        let again = it.store.change_state(&user("ann"), up_to, StateChange::Read, NOW).await.unwrap();
        assert!(!again.changed && again.seq == Seq(4));
        let beyond = Selection::UpTo(heads(u64::MAX >> 11, u64::MAX >> 11));
        it.store.change_state(&user("ann"), beyond, StateChange::Read, NOW).await.unwrap();
        it.tell_all().await;
        it.tell("ann").await;
        assert_eq!(it.standing("ann").await.unread, Unread { user: 1, all: 1 });
    }

    async fn recall_expiry_and_collapse_take_a_number_of_the_stream_of_everyone(it: TestStore) {
        connect(&it, "ann").await;
        let keyed = || Content { collapse_key: Some("k".into()), ..content() };
        let first = it.publish(Audience::Everyone(true), keyed()).await;
        let second = it.publish(Audience::Everyone(true), keyed()).await;
        assert_eq!((second.all_seq, second.all_replaced), (Some(Seq(2)), Some(first.id)));
        let short = Content { expires_at: Some(after(50)), ..content() };
        let short = it.publish(Audience::Everyone(true), short).await;
        let recalled = it.store.recall(second.id, NOW).await.unwrap().unwrap();
        assert_eq!(recalled.all, Some(AllChange { seq: Seq(4), ids: vec![second.id], to: ChangedTo::Recalled }));
        let swept = it.store.sweep_expired(after(50), 10).await.unwrap();
        assert_eq!(swept.all, [AllChange { seq: Seq(5), ids: vec![short.id], to: ChangedTo::Expired }]);
        assert_eq!(it.standing("ann").await, Standing {
            epoch: it.standing("ann").await.epoch,
            head: heads(0, 5),
            unread: Unread::default(),
        });
        let rows = it.store.changed_since(&user("ann"), heads(0, 3), heads(0, 5), 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.id, row.version.0)).collect::<Vec<_>>(), [(second.id, 4), (short.id, 5)]);
        assert!(!it.mark("ann", &[first.id, second.id, short.id], StateChange::Read).await.changed);
    }

    async fn at_the_limit_the_oldest_announcement_leaves_with_its_own_number(it: TestStore) {
        let it = TestStore::with(it.engine, |options| options.announcements_max = 2).await;
        connect(&it, "ann").await;
        let first = it.tell_all().await;
        assert_eq!(it.tell_all().await.all_removed, None);
        let third = it.tell_all().await;
        let removed = AllChange { seq: Seq(3), ids: vec![first.id], to: ChangedTo::Removed };
        assert_eq!((third.all_removed, third.all_seq), (Some(removed), Some(Seq(4))));
        assert_eq!(it.standing("ann").await.unread.all, 2);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.ids("ann").await.len(), 2);
    }

    async fn an_inbox_lists_both_streams_by_alert(it: TestStore) {
        connect(&it, "ann").await;
        let mut published = Vec::new();
        for number in 0..12 {
            let one = if number % 3 == 0 { it.tell_all().await } else { it.tell("ann").await };
            published.insert(0, one.id);
        }
        assert_eq!(it.ids("ann").await, published);
        let mut paged = Vec::new();
        let mut before = None;
        loop {
            let query = InboxQuery { limit: 5, before, ..InboxQuery::default() };
            let rows = it.store.inbox(&user("ann"), query).await.unwrap();
            assert_eq!(rows.standing.head, heads(8, 4));
            paged.extend(rows.items.iter().map(|item| item.id));
            before = rows.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(paged, published);
    }

    async fn recipients_of_an_announcement_are_those_who_marked_it(it: TestStore) {
        for name in ["ann", "bob", "cid"] {
            connect(&it, name).await;
        }
        let one = it.tell_all().await;
        it.mark("cid", &[one.id], StateChange::Read).await;
        it.mark("ann", &[one.id], StateChange::Seen).await;
        let rows = it.store.alert_recipients(one.id, None, 10).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.user.as_str(), row.level)).collect();
        assert_eq!(rows, [
            ("ann", Some(belfry_protocol::Level::Seen)),
            ("cid", Some(belfry_protocol::Level::Read)),
        ]);
        assert_eq!(it.store.alert_recipients(one.id, Some(&user("ann")), 10).await.unwrap().len(), 1);
    }
}
