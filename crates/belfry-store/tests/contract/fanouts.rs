//! Audiences of more than one transaction.

use crate::harness::*;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{Audience, UserId};
use belfry_store::*;

fn many(count: usize) -> Vec<UserId> {
    (0..count).map(|number| user(&format!("user-{number:05}"))).collect()
}

contract! {
    async fn a_large_audience_is_a_promise_that_is_kept_in_chunks(it: TestStore) {
        let at_once = it.publish(Audience::Users(many(256)), content()).await;
        assert!(!at_once.fanout && at_once.notifications.len() == 256);
        let promised = it.publish(Audience::Users(many(450)), content()).await;
        assert_eq!((promised.fanout, promised.recipients), (true, Some(450)));
        assert!(promised.notifications.is_empty());
        assert_eq!(it.store.gauges().fanouts, 1);
        let detail = it.store.alert(promised.id).await.unwrap().unwrap();
        assert_eq!((detail.recipients, detail.expanded), (Some(450), Some(0)));
        assert_eq!(detail.audience, Audience::Users(many(100)));
        let chunks = it.expand_all().await;
        assert_eq!(chunks.iter().map(|one| one.notified.len()).collect::<Vec<_>>(), [200, 200, 50]);
        assert_eq!(chunks.iter().map(|one| one.done).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(chunks[0].notified[0].unread, 2);
        assert_eq!(it.ids("user-00001").await, [promised.id, at_once.id]);
        assert_eq!(it.ids("user-00449").await, [promised.id]);
        assert_eq!(it.store.gauges().fanouts, 0);
        assert_eq!(it.store.alert(promised.id).await.unwrap().unwrap().expanded, Some(450));
        let page = it.store.alert_recipients(promised.id, Some(&user("user-00397")), 5).await.unwrap();
        let names: Vec<_> = page.iter().map(|row| row.user.as_str()).collect();
        assert_eq!(names, ["user-00398", "user-00399", "user-00400", "user-00401", "user-00402"]);
    }

    async fn an_unfinished_expansion_goes_on_after_a_crash_and_reaches_each_user_once(it: TestStore) {
        let promised = it.publish(Audience::Users(many(500)), content()).await;
        it.store.expand_fanout(NOW).await.unwrap().unwrap();
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.gauges().fanouts, 1);
        let it = it.reopened().await;
        let rest: usize = it.expand_all().await.iter().map(|one| one.notified.len()).sum();
        assert_eq!(rest, 300);
        for name in many(500) {
            assert_eq!(it.ids(name.as_str()).await, [promised.id]);
            assert_eq!(it.standing(name.as_str()).await.head, heads(1, 0));
        }
    }

    async fn a_group_is_expanded_as_it_is_when_the_chunk_is_written(it: TestStore) {
        it.store.put_group(&group("all"), many(300), NOW).await.unwrap();
        let promised = it.publish(Audience::Group(group("all")), content()).await;
        assert_eq!((promised.fanout, promised.recipients), (true, Some(300)));
        it.store.expand_fanout(NOW).await.unwrap();
        it.store.remove_members(&group("all"), vec![user("user-00250")], NOW).await.unwrap();
        it.store.add_members(&group("all"), vec![user("zoe")], NOW).await.unwrap();
        it.expand_all().await;
        assert_eq!(it.ids("user-00250").await, []);
        assert_eq!(it.ids("zoe").await, [promised.id]);
        assert_eq!(it.ids("user-00299").await, [promised.id]);
    }

    async fn a_recall_stops_the_expansion_and_takes_back_what_is_out(it: TestStore) {
        let promised = it.publish(Audience::Users(many(500)), content()).await;
        it.store.expand_fanout(NOW).await.unwrap();
        let recalled = it.store.recall(promised.id, NOW).await.unwrap().unwrap();
        assert!(recalled.fanout && recalled.changes.is_empty());
        let chunks = it.expand_all().await;
        assert!(chunks.iter().all(|one| one.notified.is_empty()));
        let changes: Vec<_> = chunks.iter().flat_map(|one| &one.changes).collect();
        assert_eq!(changes.len(), 200);
        assert!(changes.iter().all(|one| one.to == ChangedTo::Recalled && one.unread == 0 && one.seq.0 == 2));
        assert_eq!(it.ids("user-00000").await, []);
        assert_eq!(it.standing("user-00400").await.head.user.0, 0);
        assert_eq!(it.store.gauges().fanouts, 0);
    }

    async fn late_chunks_do_not_disturb_the_order_of_the_inbox(it: TestStore) {
        let name = "user-00007";
        let mut newest_first = Vec::new();
        for _ in 0..3 {
            newest_first.insert(0, it.publish(Audience::Users(many(300)), content()).await.id);
        }
        for _ in 0..4 {
            newest_first.insert(0, it.tell(name).await.id);
        }
        for expected in 5..8 {
            let chunk = it.store.expand_fanout(NOW).await.unwrap().unwrap();
            it.store.expand_fanout(NOW).await.unwrap().unwrap();
            let mine = chunk.notified.iter().find(|one| one.user == user(name)).unwrap();
            assert_eq!((mine.seq.0, mine.unread), (expected, expected as u32));
        }
        newest_first.insert(0, it.tell(name).await.id);
        for limit in 1..5 {
            let (mut paged, mut before) = (Vec::new(), None);
            loop {
                let query = InboxQuery { limit, before, ..InboxQuery::default() };
                let rows = it.store.inbox(&user(name), query).await.unwrap();
                paged.extend(rows.items.iter().map(|item| item.id));
                before = rows.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(paged, newest_first);
        }
    }

    async fn a_replayed_fan_out_lists_nobody(it: TestStore) {
        let idempotency =
            Some(Idempotency { api_key: "app".into(), key: "k".into(), body_hash: [1; 32] });
        let alert = |it: &TestStore| NewAlert {
            idempotency: idempotency.clone(),
            ..it.alert(Audience::Users(many(300)), content())
        };
        let first = it.store.publish(alert(&it), NOW).await.unwrap();
        it.expand_all().await;
        let again = it.store.publish(alert(&it), NOW).await.unwrap();
        assert!(again.replayed && !again.fanout && again.notifications.is_empty());
        assert_eq!((again.id, again.recipients), (first.id, Some(300)));
    }
}
