//! A disk that fails: nothing is stored, memory never saw it, and the store heals by itself.

use crate::harness::*;
use belfry_protocol::{Audience, StateChange};
use belfry_store::*;

/// Another process holds the file's write lock as long as this lives.
struct Blocked(rusqlite::Connection);

impl Blocked {
    fn new(it: &TestStore) -> Self {
        let conn = rusqlite::Connection::open(it.path()).unwrap();
        conn.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(conn)
    }

    fn release(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable { .. }))
}

contract_of_files! {
    async fn a_locked_file_refuses_everything_and_heals(it: TestStore) {
        it.tell("ann").await;
        let kept = it.standing("ann").await;
        let blocked = Blocked::new(&it);
        for audience in [Audience::User(user("ann")), Audience::Users(vec![user("ann"), user("new")])] {
            let answer = it.store.publish(it.alert(audience, content()), NOW).await;
            assert!(matches!(answer, Err(PublishError::Store(StoreError::Unavailable { .. }))), "{answer:?}");
        }
        let everyone = it.alert(Audience::Everyone(true), content());
        assert!(it.store.publish(everyone, NOW).await.is_err());
        let up_to = Selection::UpTo(kept.head);
        assert!(unavailable(it.store.change_state(&user("ann"), up_to, StateChange::Read, NOW).await));
        assert!(unavailable(it.store.check_writable().await));
        assert!(!it.store.gauges().healthy);
        // Reading goes on, and shows what is stored.
        assert_eq!(it.standing("ann").await, kept);
        assert_eq!(it.ids("ann").await.len(), 1);
        blocked.release();
        assert_eq!(it.store.check_writable().await, Ok(()));
        assert!(it.store.gauges().healthy);
        assert_eq!(it.tell("ann").await.notifications[0].seq.0, 2);
        assert_eq!(it.tell_all().await.all_seq.unwrap().0, 1);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.standing("ann").await.unread, Unread { user: 2, all: 1 });
    }

    async fn a_full_file_refuses_everything_and_heals(it: TestStore) {
        it.tell("ann").await;
        it.store.limit_pages(Some(1)).await.unwrap();
        let mut big = content();
        big.data = format!("\"{}\"", "x".repeat(15_000)).into();
        let mut refused = 0;
        for round in 0..20 {
            let audience = match round % 3 {
                0 => Audience::User(user("ann")),
                1 => Audience::Users(vec![user("ann"), user(&format!("new-{round}"))]),
                _ => Audience::Everyone(true),
            };
            let answer = it.store.publish(it.alert(audience, big.clone()), NOW).await;
            refused += usize::from(answer.is_err());
            if let Err(error) = answer {
                assert!(matches!(error, PublishError::Store(StoreError::Unavailable { .. })), "{error:?}");
            }
        }
        assert!(refused > 10);
        let stored = it.all_items("ann").await;
        let standing = it.standing("ann").await;
        assert_eq!(stored.len() as u32, standing.unread.total());
        it.store.limit_pages(None).await.unwrap();
        let head = standing.head.user.0;
        assert_eq!(it.tell("ann").await.notifications[0].seq.0, head + 1);
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.all_items("ann").await, it.all_items("ann").await);
    }

    async fn receipts_wait_for_a_disk_that_is_back(it: TestStore) {
        let one = it.tell("ann").await;
        let blocked = Blocked::new(&it);
        let range = AckRow::Range {
            stream: belfry_protocol::Stream::User,
            after: belfry_protocol::Seq(0),
            up_to: belfry_protocol::Seq(1),
            level: belfry_protocol::Level::Received,
        };
        it.store.acknowledge(&user("ann"), range, NOW).unwrap();
        let shown = AckRow::Ids { ids: vec![one.id], level: belfry_protocol::Level::Displayed };
        it.store.acknowledge(&user("ann"), shown, NOW).unwrap();
        assert!(unavailable(it.store.flush().await));
        assert_eq!(it.store.gauges().pending_receipts, 2);
        blocked.release();
        it.store.flush().await.unwrap();
        assert_eq!(it.store.gauges().pending_receipts, 0);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.connect(&user("ann"), NOW).await.unwrap().received, heads(1, 0));
        assert_eq!(it.all_items("ann").await[0].level, Some(belfry_protocol::Level::Displayed));
    }

    async fn receipts_that_did_not_fit_are_tried_again(it: TestStore) {
        let mut shown = Vec::new();
        for _ in 0..400 {
            shown.push(it.tell("ann").await.id);
        }
        it.store.limit_pages(Some(1)).await.unwrap();
        let received = AckRow::Range {
            stream: belfry_protocol::Stream::User,
            after: belfry_protocol::Seq(0),
            up_to: belfry_protocol::Seq(7),
            level: belfry_protocol::Level::Received,
        };
        it.store.acknowledge(&user("ann"), received, NOW).unwrap();
        // Each row grows by a time, so new pages are needed whether the log was merged by now or not.
        let shown = AckRow::Ids { ids: shown, level: belfry_protocol::Level::Displayed };
        it.store.acknowledge(&user("ann"), shown, NOW).unwrap();
        assert!(unavailable(it.store.flush().await));
        assert_eq!(it.store.gauges().pending_receipts, 401);
        it.store.limit_pages(None).await.unwrap();
        it.store.flush().await.unwrap();
        let it = it.as_after_a_crash().await;
        let displayed = Some(belfry_protocol::Level::Displayed);
        assert!(it.all_items("ann").await.iter().all(|item| item.level == displayed));
        assert_eq!(it.store.connect(&user("ann"), NOW).await.unwrap().received, heads(7, 0));
    }

    async fn a_full_queue_is_said_at_once(it: TestStore) {
        let it = TestStore::with(it.engine, |options| options.writer_queue_max = 2).await;
        it.tell("ann").await;
        let blocked = Blocked::new(&it);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (store, alert) = (it.store.clone(), it.alert(Audience::User(user("ann")), content()));
            tasks.spawn(async move { store.publish(alert, NOW).await });
        }
        let mut overloaded = 0;
        while let Some(answer) = tasks.join_next().await {
            let overload = PublishError::Store(StoreError::Overloaded);
            overloaded += usize::from(answer.unwrap() == Err(overload));
        }
        assert!(overloaded > 0);
        blocked.release();
        it.store.check_writable().await.unwrap();
        assert_eq!(it.standing("ann").await.head.user.0, 1);
        assert_eq!(it.store.gauges().writer_queue, 0);
    }
}
