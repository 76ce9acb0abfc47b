//! What a second process finds when the first one was killed: everything that was answered.

use crate::harness::*;
use belfry_protocol::{Audience, StateChange};
use belfry_store::*;
use std::collections::BTreeMap;

/// Everything there is to see of these users.
async fn seen(it: &TestStore, names: &[&str]) -> BTreeMap<String, (Heads, Unread, Vec<ItemRow>)> {
    let mut seen = BTreeMap::new();
    for name in names {
        let standing = it.standing(name).await;
        seen.insert((*name).to_owned(), (standing.head, standing.unread, it.all_items(name).await));
    }
    seen
}

contract! {
    async fn every_kind_of_operation_survives_a_crash(it: TestStore) {
        let names = ["ann", "bob", "cid"];
        for name in names {
            it.store.connect(&user(name), NOW).await.unwrap();
        }
        let keyed = || Content { collapse_key: Some("k".into()), expires_at: Some(after(40)), ..content() };
        let both = || Audience::Users(vec![user("ann"), user("bob")]);
        let mut last = None;
        for round in 0..14 {
            match round {
                0 | 5 => last = Some(it.tell("ann").await.id),
                1 => last = Some(it.publish(both(), content()).await.id),
                2 => drop(it.tell_all().await),
                3 | 4 => last = Some(it.publish(both(), keyed()).await.id),
                6 => {
                    it.mark("ann", &[last.unwrap()], StateChange::Read).await;
                }
                7 => {
                    let up_to = Selection::UpTo(heads(2, 1));
                    it.store.change_state(&user("bob"), up_to, StateChange::Archived, NOW).await.unwrap();
                }
                8 => {
                    it.store.put_group(&group("g"), names.map(user).to_vec(), NOW).await.unwrap();
                    last = Some(it.publish(Audience::Group(group("g")), content()).await.id);
                }
                9 => drop(it.store.recall(last.unwrap(), NOW).await.unwrap()),
                10 => drop(it.store.sweep_expired(after(40), 100).await.unwrap()),
                11 => {
                    let many = (0..300).map(|n| user(&format!("many-{n}"))).chain([user("cid")]);
                    it.publish(Audience::Users(many.collect()), content()).await;
                    it.expand_all().await;
                }
                12 => {
                    it.store.renew_user_epoch(&user("bob"), NOW).await.unwrap();
                }
                _ => drop(it.tell("cid").await),
            }
            let crashed = it.as_after_a_crash().await;
            assert_eq!(seen(&crashed, &names).await, seen(&it, &names).await, "after round {round}");
            for name in names {
                assert_eq!(crashed.standing(name).await.epoch, it.standing(name).await.epoch);
                assert_eq!(crashed.list(name).await, it.list(name).await);
            }
        }
    }

    async fn a_crash_between_ids_taken_and_committed_loses_nothing(it: TestStore) {
        // The id is older than alerts that are merged by the time it is published.
        let early = it.alert(Audience::User(user("ann")), content());
        let mut later = content();
        later.created_at = after(60_000);
        it.publish(Audience::User(user("bob")), later.clone()).await;
        let it = it.reopened().await;
        it.publish(Audience::User(user("bob")), later).await;
        it.store.publish(early.clone(), NOW).await.unwrap();
        let it = it.as_after_a_crash().await;
        assert_eq!(it.ids("ann").await, [early.id]);
        assert_eq!(it.standing("bob").await.head.user.0, 2);
    }

    async fn many_alerts_survive_while_the_log_is_merged_under_load(it: TestStore) {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = it.store.clone();
            tasks.spawn(async move {
                for round in 0..1_200 {
                    let idempotency = Some(Idempotency {
                        api_key: "app".into(),
                        key: format!("{task}-{round}"),
                        body_hash: [7; 32],
                    });
                    let audience = Audience::User(user(&format!("user-{}", round % 37)));
                    let id = store.next_alert_id(NOW);
                    let alert = NewAlert { id, audience, content: content().into(), latecomers: false, ladder_of_all: None, idempotency };
                    assert!(!store.publish(alert, NOW).await.unwrap().replayed);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert!(it.store.gauges().unsettled < 9_600, "some of it was merged by now");
        let crashed = it.as_after_a_crash().await;
        let mut total = 0;
        for number in 0..37 {
            let name = format!("user-{number}");
            let standing = crashed.standing(&name).await;
            assert_eq!(standing.head.user.0, u64::from(standing.unread.user));
            let seqs: Vec<u64> = crashed.all_items(&name).await.iter().map(|item| item.seq.0).collect();
            assert_eq!(seqs, (1..=standing.head.user.0).collect::<Vec<_>>());
            assert_eq!(it.all_items(&name).await.len(), seqs.len());
            total += seqs.len();
        }
        assert_eq!(total, 9_600);
        // Keys survive too, merged or not.
        for key in ["0-0", "3-450", "7-1199"] {
            let idempotency =
                Some(Idempotency { api_key: "app".into(), key: key.into(), body_hash: [7; 32] });
            let alert = NewAlert { idempotency, ..crashed.alert(Audience::User(user("ann")), content()) };
            assert!(crashed.store.publish(alert, NOW).await.unwrap().replayed, "{key}");
        }
    }
}
