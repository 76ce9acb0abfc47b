//! Publishing: numbers without gaps, one commit for many, one bad call that harms nobody else.

use crate::harness::*;
use belfry_protocol::{Audience, Seq, StateChange};
use belfry_store::*;
use std::collections::HashMap;

contract! {
    async fn numbers_have_no_gaps_under_concurrent_publishes(it: TestStore) {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..16 {
            let store = it.store.clone();
            tasks.spawn(async move {
                let mut seen = Vec::new();
                for round in 0..40 {
                    let name = format!("user-{}", (task + round) % 5);
                    let audience = if round % 4 == 0 {
                        Audience::Users((0..5).map(|n| user(&format!("user-{n}"))).collect())
                    } else {
                        Audience::User(user(&name))
                    };
                    let id = store.next_alert_id(NOW);
                    let alert =
                        NewAlert { id, audience, content: content().into(), latecomers: false, ladder_of_all: None, idempotency: None };
                    seen.extend(store.publish(alert, NOW).await.unwrap().notifications);
                }
                seen
            });
        }
        let mut by_user: HashMap<_, Vec<u64>> = HashMap::new();
        while let Some(seen) = tasks.join_next().await {
            for one in seen.unwrap() {
                assert_eq!(u64::from(one.unread), one.seq.0);
                by_user.entry(one.user).or_default().push(one.seq.0);
            }
        }
        for (user, mut seqs) in by_user {
            seqs.sort_unstable();
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
            let standing = it.store.standing(&user).await.unwrap();
            assert_eq!(standing.head.user.0, seqs.len() as u64);
            assert_eq!(it.all_items(user.as_str()).await.len(), seqs.len());
        }
    }

    async fn one_bad_publish_does_not_fail_its_neighbours(it: TestStore) {
        let first = it.tell("ann").await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..60 {
            let store = it.store.clone();
            tasks.spawn(async move {
                // Every third one uses an id that is taken, which is a fault of the caller's program.
                let id = if number % 3 == 0 { first.id } else { store.next_alert_id(NOW) };
                let audience = match number % 4 {
                    0 => Audience::Users(vec![user("ann"), user("bob")]),
                    _ => Audience::User(user("ann")),
                };
                let alert = NewAlert { id, audience, content: content().into(), latecomers: false, ladder_of_all: None, idempotency: None };
                (number, store.publish(alert, NOW).await)
            });
        }
        let mut good = 1;
        while let Some(done) = tasks.join_next().await {
            let (number, answer) = done.unwrap();
            assert_eq!(answer.is_err(), number % 3 == 0, "{answer:?}");
            good += u64::from(answer.is_ok());
        }
        assert_eq!(it.standing("ann").await.head.user, Seq(good));
        let seqs: Vec<u64> = it.all_items("ann").await.iter().map(|item| item.seq.0).collect();
        assert_eq!(seqs, (1..=good).collect::<Vec<_>>());
        let after = it.as_after_a_crash().await;
        assert_eq!(after.standing("ann").await.unread.user, good as u32);
    }

    async fn a_user_named_twice_counts_once_and_answers_come_in_order(it: TestStore) {
        let users = ["cid", "ann", "bob", "ann"].map(user).to_vec();
        let published = it.publish(Audience::Users(users), content()).await;
        assert_eq!(published.recipients, Some(3));
        let names: Vec<_> = published.notifications.iter().map(|one| one.user.as_str()).collect();
        assert_eq!(names, ["ann", "bob", "cid"]);
        assert!(!published.fanout && !published.replayed);
    }

    async fn content_comes_back_as_it_was_posted(it: TestStore) {
        let mut full = content();
        full.data = "{\"b\":1,  \"a\":\"ü\\u00e4\"}".into();
        full.image = Some("/i.png".into());
        full.thread = Some("t".into());
        full.expires_at = Some(after(9_000));
        full.quiet = true;
        full.breaks_through = true;
        full.severity = belfry_protocol::Severity::Critical;
        full.ladder = Some("[]".into());
        full.collapse_key = Some("k".into());
        let id = it.publish(Audience::User(user("ann")), full.clone()).await.id;
        assert_eq!(*it.all_items("ann").await[0].content, full);
        it.mark("ann", &[id], StateChange::Seen).await;
        assert_eq!(*it.all_items("ann").await[0].content, full);
        assert_eq!(*it.store.alert(id).await.unwrap().unwrap().content, full);
    }

    async fn a_group_gets_what_its_members_get(it: TestStore) {
        let unknown = it.alert(Audience::Group(group("family")), content());
        assert_eq!(it.store.publish(unknown, NOW).await, Err(PublishError::GroupUnknown));
        it.store.put_group(&group("family"), vec![user("bob"), user("ann")], NOW).await.unwrap();
        let published = it.publish(Audience::Group(group("family")), content()).await;
        assert_eq!(published.recipients, Some(2));
        assert_eq!(it.ids("ann").await, [published.id]);
        assert_eq!(it.ids("bob").await, [published.id]);
        it.store.put_group(&group("empty"), Vec::new(), NOW).await.unwrap();
        let published = it.publish(Audience::Group(group("empty")), content()).await;
        assert_eq!((published.recipients, published.notifications.len()), (Some(0), 0));
    }

    async fn the_newest_unread_item_with_the_key_is_replaced(it: TestStore) {
        let keyed = |key: &str| Content { collapse_key: Some(key.to_owned()), ..content() };
        let to_ann = || Audience::User(user("ann"));
        let first = it.publish(to_ann(), keyed("price")).await;
        let other = it.publish(to_ann(), keyed("stock")).await;
        let second = it.publish(to_ann(), keyed("price")).await;
        let notified = &second.notifications[0];
        assert_eq!(notified.replaced, Some(first.id));
        assert_eq!((notified.seq, notified.unread), (Seq(3), 2));
        assert_eq!(it.ids("ann").await, [second.id, other.id]);
        // A client that has the old one hears of it.
        let changed = it.store.changed_since(&user("ann"), heads(2, 0), heads(3, 0), 10).await.unwrap();
        let left = ItemNow::Left(belfry_protocol::inbox::ChangedTo::Replaced);
        assert_eq!(
            changed,
            [ChangedRow { id: first.id, stream: belfry_protocol::Stream::User, version: Seq(3), now: left }]
        );
        // What was read stays.
        it.mark("ann", &[second.id], StateChange::Read).await;
        let third = it.publish(to_ann(), keyed("price")).await;
        assert_eq!(third.notifications[0].replaced, None);
        // A change of what left changes nothing.
        assert!(!it.mark("ann", &[first.id], StateChange::Read).await.changed);
        // What is over is not replaced.
        let over = Content { expires_at: Some(after(10)), ..keyed("short") };
        it.publish(to_ann(), over).await;
        let late = it.alert(to_ann(), keyed("short"));
        let late = it.store.publish(late, after(20)).await.unwrap();
        assert_eq!(late.notifications[0].replaced, None);
        // Recall of the new one does not bring the old one back.
        it.store.recall(third.id, NOW).await.unwrap();
        assert!(!it.ids("ann").await.contains(&first.id));
    }

    async fn collapse_works_for_each_recipient_of_many(it: TestStore) {
        let keyed = || Content { collapse_key: Some("k".to_owned()), ..content() };
        let first = it.publish(Audience::User(user("ann")), keyed()).await;
        let both = it.publish(Audience::Users(vec![user("ann"), user("bob")]), keyed()).await;
        assert_eq!(both.notifications[0].replaced, Some(first.id));
        assert_eq!(both.notifications[1].replaced, None);
        let again = it.publish(Audience::Users(vec![user("ann"), user("bob")]), keyed()).await;
        assert!(again.notifications.iter().all(|one| one.replaced == Some(both.id) && one.unread == 1));
    }

    async fn a_recall_leaves_every_inbox_once(it: TestStore) {
        let published = it.publish(Audience::Users(vec![user("ann"), user("bob")]), content()).await;
        it.mark("bob", &[published.id], StateChange::Read).await;
        let recalled = it.store.recall(published.id, NOW).await.unwrap().unwrap();
        let unread: Vec<_> = recalled.changes.iter().map(|one| (one.user.as_str(), one.seq.0, one.unread)).collect();
        assert_eq!(unread, [("ann", 2, 0), ("bob", 3, 0)]);
        assert_eq!(it.store.recall(published.id, NOW).await.unwrap(), Some(Recalled::default()));
        assert_eq!(it.store.recall(it.store.next_alert_id(NOW), NOW).await.unwrap(), None);
        assert!(it.ids("ann").await.is_empty());
        let detail = it.store.alert(published.id).await.unwrap().unwrap();
        assert_eq!(detail.recalled_at, Some(NOW));
        assert_eq!((detail.recipients, detail.expanded), (Some(2), Some(2)));
    }

    async fn ids_rise_and_an_id_with_a_wrong_tail_is_unknown(it: TestStore) {
        let published = it.tell("ann").await;
        let other = belfry_protocol::AlertId::from_parts(published.id.key(), published.id.tail() ^ 1);
        assert_eq!(it.store.alert(other).await.unwrap(), None);
        assert_eq!(it.store.recall(other, NOW).await.unwrap(), None);
        assert!(!it.mark("ann", &[other], StateChange::Read).await.changed);
        let it = it.reopened().await;
        // The clock went back; keys do not.
        assert!(it.store.next_alert_id(UnixMs(0)).key() > published.id.key());
    }
}
