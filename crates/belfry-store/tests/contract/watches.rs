//! What a watch in memory asks: how far notifications got, and what it has to look at again.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::{Audience, Level, Seq, StateChange, Stream};
use belfry_store::*;

async fn unwatched(it: &TestStore, after: i64) -> Vec<(String, u64)> {
    let mut after = Some(after);
    let mut all = Vec::new();
    while let Some(from) = after {
        let page = it.store.unwatched(from, 2).await.unwrap();
        all.extend(page.rows.iter().map(|row| (row.user.to_string(), row.seq.0)));
        after = page.next;
    }
    all
}

contract! {
    async fn levels_are_told_wherever_the_notification_stands(it: TestStore) {
        for _ in 0..6 {
            it.tell("ann").await;
        }
        let ids: Vec<_> = it.all_items("ann").await.iter().map(|item| item.id).collect();
        it.ack("ann", &ids[1..2], Level::Displayed);
        it.mark("ann", &ids[2..3], StateChange::Read).await;
        it.store.recall(ids[3], NOW).await.unwrap();
        it.tell("ann").await;
        let row = AckRow::Range { stream: Stream::User, after: Seq(3), up_to: Seq(5), level: Level::Received };
        it.store.acknowledge(&user("ann"), row, NOW).unwrap();
        it.store.flush().await.unwrap();
        let asked = || (0..=9).map(|seq| (user("ann"), Seq(seq))).chain([(user("nobody"), Seq(1))]).collect();
        let reached = |level, read| Some(Reached { level, read });
        let expected = [
            None,
            reached(None, false),
            reached(Some(Level::Displayed), false),
            reached(Some(Level::Read), true),
            None,
            reached(Some(Level::Received), false),
            reached(None, false),
            None, // the change to read
            None, // the recall
            reached(None, false),
            None,
        ];
        assert_eq!(it.store.levels(asked()).await.unwrap(), expected);
        let it = it.reopened().await;
        assert_eq!(it.store.levels(asked()).await.unwrap(), expected, "nobody is warm");
        it.store.delete_user(&user("ann")).await.unwrap();
        assert_eq!(it.store.levels(asked()).await.unwrap(), [None; 11]);
    }

    async fn the_mark_moves_with_the_deliveries_and_never_back(it: TestStore) {
        let published = it.tell("ann").await;
        let (start, key) = (it.store.watched_to(), published.id.key());
        assert!(start < key);
        let new = vec![delivery("ann", Seq(1), published.id, NOW)];
        assert_eq!(it.store.open_deliveries(new, Some(key), NOW).await, Ok(1));
        assert_eq!(it.store.watched_to(), key);
        it.store.open_deliveries(vec![], Some(key - 1), NOW).await.unwrap();
        assert_eq!(it.store.watched_to(), key);
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.store.watched_to(), key);
    }

    async fn what_nobody_looked_at_is_found_again(it: TestStore) {
        let start = it.store.watched_to();
        it.store.connect(&user("ann"), NOW).await.unwrap();
        it.tell("ann").await;
        let read = it.tell("ann").await.id;
        let recalled = it.tell("ann").await.id;
        it.open("ann").await;
        it.tell_all().await;
        it.publish(Audience::Users(vec![user("ann"), user("bob"), user("cid")]), content()).await;
        let expiring = Content { expires_at: Some(after(1)), ..content() };
        it.publish(Audience::User(user("ann")), expiring).await;
        let taken_back = it.publish(Audience::Users(vec![user("ann"), user("bob")]), content()).await.id;
        it.mark("ann", &[read], StateChange::Read).await;
        it.store.recall(recalled, NOW).await.unwrap();
        it.store.recall(taken_back, NOW).await.unwrap();
        it.store.sweep_expired(after(1), 10).await.unwrap();
        let last = it.tell("bob").await;
        let expected: Vec<(String, u64)> =
            [("ann", 1), ("ann", 5), ("bob", 1), ("cid", 1), ("bob", 4)].map(|(name, seq)| (name.to_owned(), seq)).to_vec();
        for it in [it.as_after_a_crash().await, it] {
            assert_eq!(unwatched(&it, start).await, expected);
            assert_eq!(unwatched(&it, last.id.key()).await, []);
            let page = it.store.unwatched(start, 1).await.unwrap();
            assert_eq!((page.rows[0].content.title.as_str(), page.next), ("A deal", Some(page.rows[0].id.key())));
        }
    }

    async fn a_store_from_before_begins_with_its_newest_alert(it: TestStore) {
        let published = it.tell("ann").await;
        it.store.close().await.unwrap();
        it.beside("DELETE FROM meta WHERE name = 'watched_to'");
        let store = Store::open(it.options.clone(), NOW).await.unwrap();
        assert_eq!(store.watched_to(), published.id.key());
        assert_eq!(store.unwatched(store.watched_to(), 9).await.unwrap().rows, []);
    }
}
