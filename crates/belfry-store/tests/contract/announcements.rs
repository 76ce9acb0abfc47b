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
