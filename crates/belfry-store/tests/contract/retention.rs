//! Retention and the limit of an inbox: unread items leave with a change, read ones silently, nothing resets.

use crate::harness::*;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{Audience, Seq, StateChange};
use belfry_store::*;
use std::time::Duration;

const DAY: i64 = 24 * 3_600_000;

fn policy() -> RetentionPolicy {
    RetentionPolicy {
        default: Duration::from_secs(90 * 24 * 3_600),
        categories: vec![("short".to_owned(), Duration::from_secs(24 * 3_600))],
    }
}

async fn apply(it: &TestStore, now: UnixMs) -> Vec<UserChange> {
    let mut changes = Vec::new();
    loop {
        let swept = it.store.apply_retention(&policy(), now, 10).await.unwrap();
        changes.extend(swept.changes);
        if !swept.more {
            return changes;
        }
    }
}

fn short() -> Content {
    Content { category: "short".to_owned(), ..content() }
}

contract! {
    async fn old_unread_items_leave_with_a_change_and_read_ones_silently(it: TestStore) {
        let to_ann = || Audience::User(user("ann"));
        let unread = it.publish(to_ann(), short()).await.id;
        let read = it.publish(to_ann(), short()).await.id;
        let long = it.publish(to_ann(), content()).await.id;
        it.mark("ann", &[read], StateChange::Read).await;
        let before = it.standing("ann").await;
        assert_eq!(apply(&it, after(DAY - 1)).await, []);
        let changes = apply(&it, after(DAY + 1)).await;
        let removed =
            UserChange { user: user("ann"), seq: Seq(5), unread: 1, ids: vec![unread], to: ChangedTo::Removed };
        assert_eq!(changes, [removed]);
        assert_eq!(apply(&it, after(DAY + 2)).await, []);
        assert_eq!(it.ids("ann").await, [long]);
        // Numbers go on, the epoch stays, and who comes back is told.
        let standing = it.standing("ann").await;
        assert_eq!((standing.epoch, standing.head.user), (before.epoch, Seq(5)));
        let rows = it.store.changed_since(&user("ann"), before.head, standing.head, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.id, row.now)).collect::<Vec<_>>(), [(
            unread,
            ItemNow::Left(ChangedTo::Removed)
        )]);
        assert_eq!(it.store.alert(read).await.unwrap(), None);
        assert!(it.store.alert(unread).await.unwrap().is_some());
        // In the end nothing of it is left.
        apply(&it, after(32 * DAY)).await;
        assert_eq!(it.store.alert(unread).await.unwrap(), None);
        assert!(it.store.alert(long).await.unwrap().is_some());
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.ids("ann").await, [long]);
        assert_eq!(crashed.standing("ann").await, standing);
        assert_eq!(crashed.tell("ann").await.notifications[0].seq, Seq(6));
    }

    async fn alerts_of_many_and_of_everyone_go_too(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        let names: Vec<_> = (0..40).map(|number| user(&format!("u{number}"))).collect();
        let many = it.publish(Audience::Users(names), short()).await.id;
        let large: Vec<_> = (0..300).map(|number| user(&format!("u{number}"))).collect();
        let fanned = it.publish(Audience::Users(large), short()).await.id;
        it.expand_all().await;
        let everyone = it.publish(Audience::Everyone(true), short()).await.id;
        it.mark("ann", &[everyone], StateChange::Seen).await;
        let changes = apply(&it, after(2 * DAY)).await;
        assert_eq!(changes.iter().map(|one| one.ids.len()).sum::<usize>(), 340);
        assert_eq!(it.standing("u7").await.unread, Unread::default());
        assert_eq!(it.ids("ann").await, []);
        assert_eq!(it.standing("ann").await.head.all, Seq(2));
        apply(&it, after(33 * DAY)).await;
        for id in [many, fanned, everyone] {
            assert_eq!(it.store.alert(id).await.unwrap(), None);
            assert_eq!(it.store.alert_recipients(id, None, 10).await.unwrap(), []);
        }
        let it = it.reopened().await;
        assert_eq!(it.all_items("u7").await, []);
        assert_eq!(it.tell_all().await.all_seq, Some(Seq(3)));
    }

    async fn an_inbox_over_its_limit_loses_the_oldest_read_and_then_the_oldest(it: TestStore) {
        let it = TestStore::with(it.engine, |options| options.inbox_items_max = 5).await;
        apply(&it, NOW).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(it.tell("ann").await.id);
        }
        it.mark("ann", &[ids[2]], StateChange::Read).await;
        assert_eq!(apply(&it, NOW).await, []);
        for _ in 0..2 {
            ids.push(it.tell("ann").await.id);
        }
        it.mark("ann", &[ids[6]], StateChange::Seen).await;
        let changes = apply(&it, NOW).await;
        assert_eq!((changes.len(), &changes[0].ids[..], changes[0].unread), (1, &ids[..1], 5));
        let left: Vec<_> = [1, 3, 4, 5, 6].map(|number| ids[number]).into_iter().rev().collect();
        assert_eq!(it.ids("ann").await, left);
        assert_eq!(it.store.alert(ids[2]).await.unwrap(), None);
        // After a restart it is found again.
        for _ in 0..3 {
            it.tell("ann").await;
        }
        let it = it.reopened().await;
        apply(&it, NOW).await;
        assert_eq!(it.ids("ann").await.len(), 5);
    }
}
