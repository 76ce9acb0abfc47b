//! The same key: the same answer, and one alert.

use crate::harness::*;
use belfry_protocol::{Audience, UserId};
use belfry_store::*;

fn keyed(it: &TestStore, key: &str, hash: u8, audience: Audience) -> NewAlert {
    let idempotency = Some(Idempotency { api_key: "app".into(), key: key.into(), body_hash: [hash; 32] });
    NewAlert { idempotency, ..it.alert(audience, content()) }
}

fn to(name: &str) -> Audience {
    Audience::User(user(name))
}

contract! {
    async fn a_repetition_gets_the_first_answer_and_stores_nothing(it: TestStore) {
        let first = it.store.publish(keyed(&it, "a", 1, to("ann")), NOW).await.unwrap();
        let again = it.store.publish(keyed(&it, "a", 1, to("ann")), NOW).await.unwrap();
        assert!(again.replayed && !first.replayed);
        assert_eq!(again.id, first.id);
        assert_eq!(again.recipients, Some(1));
        assert_eq!(again.notifications[0].seq, first.notifications[0].seq);
        assert_eq!(it.standing("ann").await.unread.user, 1);
        // Another body, another key, another caller.
        let other = it.store.publish(keyed(&it, "a", 2, to("ann")), NOW).await;
        assert_eq!(other, Err(PublishError::IdempotencyMismatch));
        assert!(!it.store.publish(keyed(&it, "b", 1, to("ann")), NOW).await.unwrap().replayed);
        let mut elsewhere = keyed(&it, "a", 1, to("ann"));
        elsewhere.idempotency.as_mut().unwrap().api_key = "other".into();
        assert!(!it.store.publish(elsewhere, NOW).await.unwrap().replayed);
    }

    async fn twins_at_the_same_time_make_one_alert(it: TestStore) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let (store, alert) = (it.store.clone(), keyed(&it, "twin", 1, to("ann")));
            tasks.spawn(async move { store.publish(alert, NOW).await.unwrap() });
        }
        let mut answers = Vec::new();
        while let Some(answer) = tasks.join_next().await {
            answers.push(answer.unwrap());
        }
        assert_eq!(answers.iter().filter(|one| !one.replayed).count(), 1);
        assert!(answers.iter().all(|one| one.id == answers[0].id));
        assert_eq!(it.standing("ann").await.head.user.0, 1);
    }

    async fn a_key_survives_a_crash_before_the_answer_arrived(it: TestStore) {
        let users: Vec<UserId> = (0..150).map(|number| user(&format!("u{number:03}"))).collect();
        let everyone = it.store.publish(keyed(&it, "all", 1, Audience::Everyone(true)), NOW).await.unwrap();
        let first = it.store.publish(keyed(&it, "one", 1, to("ann")), NOW).await.unwrap();
        let many = Audience::Users(users);
        it.store.publish(keyed(&it, "many", 1, many.clone()), NOW).await.unwrap();
        for it in [it.as_after_a_crash().await, it.as_after_a_crash().await.reopened().await] {
            let again = it.store.publish(keyed(&it, "one", 1, to("ann")), NOW).await.unwrap();
            assert!(again.replayed && again.id == first.id);
            let again = it.store.publish(keyed(&it, "many", 1, many.clone()), NOW).await.unwrap();
            assert_eq!((again.recipients, again.notifications.len()), (Some(150), 100));
            assert_eq!(again.notifications[99].user, user("u099"));
            let again = it.store.publish(keyed(&it, "all", 1, Audience::Everyone(true)), NOW).await.unwrap();
            assert_eq!((again.replayed, again.all_seq, again.recipients), (true, everyone.all_seq, None));
            assert_eq!(it.standing("ann").await.head, heads(1, 1));
        }
    }

    async fn keys_are_forgotten_by_age_wherever_they_stand(it: TestStore) {
        let old = it.store.publish(keyed(&it, "old", 1, to("ann")), NOW).await.unwrap();
        let it = it.reopened().await;
        let unmerged = it.store.publish(keyed(&it, "unmerged", 1, to("ann")), NOW).await.unwrap();
        let mut young = keyed(&it, "young", 1, to("ann"));
        young.id = it.store.next_alert_id(after(10_000));
        let young = it.store.publish(young, after(10_000)).await.unwrap();
        assert_eq!(it.store.expire_idempotency_keys(after(5_000)).await.unwrap(), 2);
        assert_eq!(it.store.expire_idempotency_keys(after(5_000)).await.unwrap(), 0);
        for (key, first, kept) in [("old", old, false), ("unmerged", unmerged, false), ("young", young, true)] {
            let again = it.store.publish(keyed(&it, key, 1, to("ann")), NOW).await.unwrap();
            assert_eq!((again.replayed, again.id == first.id), (kept, kept), "{key}");
        }
    }

    async fn a_refused_publish_leaves_its_key_free(it: TestStore) {
        let family = || Audience::Group(group("family"));
        let refused = it.store.publish(keyed(&it, "k", 1, family()), NOW).await;
        assert_eq!(refused, Err(PublishError::GroupUnknown));
        it.store.put_group(&group("family"), vec![user("ann")], NOW).await.unwrap();
        assert!(!it.store.publish(keyed(&it, "k", 1, family()), NOW).await.unwrap().replayed);
    }
}
