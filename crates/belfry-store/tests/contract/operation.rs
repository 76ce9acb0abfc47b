//! Opening, closing, backup, epochs, the log's size.

use crate::harness::*;
use belfry_protocol::{Audience, Seq};
use belfry_store::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn refused(options: &Options) -> OpenError {
    match Store::open(options.clone(), NOW).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

contract! {

    async fn a_newer_schema_is_refused(it: TestStore) {
        it.store.close().await.unwrap();
        it.beside(
            "INSERT INTO refinery_schema_history SELECT 999, 'future', applied_on, checksum \
             FROM refinery_schema_history LIMIT 1",
        );
        let error = refused(&it.options).await;
        assert!(matches!(error, OpenError::NewerSchema { found: 999, .. }), "{error}");
    }

    async fn after_closing_everything_answers_closed(it: TestStore) {
        let alert = it.alert(Audience::User(user("ann")), content());
        let clone = it.store.clone();
        it.store.close().await.unwrap();
        assert_eq!(clone.publish(alert, NOW).await, Err(PublishError::Store(StoreError::Closed)));
        assert_eq!(clone.user(&user("ann")).await, Err(StoreError::Closed));
        let range =
            AckRow::Range { stream: belfry_protocol::Stream::User, after: Seq(0), up_to: Seq(1), level: belfry_protocol::Level::Received };
        assert_eq!(clone.acknowledge(&user("ann"), range, NOW), Err(StoreError::Closed));
        assert_eq!(clone.close().await, Err(StoreError::Closed));
    }

    async fn a_new_epoch_is_kept(it: TestStore) {
        let before = it.store.store_epoch();
        let epoch = it.store.new_epoch().await.unwrap();
        assert_ne!(epoch, before);
        assert_eq!(it.store.store_epoch(), epoch);
        let it = it.reopened().await;
        assert_eq!(it.store.store_epoch(), epoch);
    }
}

contract_of_files! {
    async fn a_second_process_is_refused_until_the_first_one_is_done(it: TestStore) {
        assert!(matches!(refused(&it.options).await, OpenError::InUse { .. }));
        it.store.close().await.unwrap();
        drop(Store::open(it.options.clone(), NOW).await.unwrap());
        // Without a close the last clone gives it up.
        drop(Store::open(it.options.clone(), NOW).await.unwrap());
    }

    async fn what_is_no_store_is_refused_with_a_remedy(it: TestStore) {
        it.store.close().await.unwrap();
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("x.db");
        let mut options = it.options.clone();
        options.engine = EngineOptions::Sqlite(path.clone());
        std::fs::write(&path, "not a database, but a text of some length ".repeat(200)).unwrap();
        let error = refused(&options).await.to_string();
        assert!(error.contains("choose another `data_dir`"), "{error}");
        std::fs::remove_file(&path).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let error = refused(&options).await.to_string();
        assert!(error.contains("another program's database"), "{error}");
        // A file where the directory should be.
        options.engine = EngineOptions::Sqlite(path.join("below").join("x.db"));
        assert!(matches!(refused(&options).await, OpenError::Unusable { .. }));
    }

    async fn a_backup_is_a_store_with_another_epoch(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        for _ in 0..50 {
            it.tell("ann").await;
        }
        it.tell_all().await;
        let target = it.directory.path().join("copy.db");
        let pages = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&pages);
        let progress = move |done: u64, all: u64| {
            assert!(done <= all);
            seen.store(done, Ordering::Relaxed);
        };
        it.store.backup(&target, progress).await.unwrap();
        assert!(pages.load(Ordering::Relaxed) > 0);
        let again = it.store.backup(&target, |_, _| {}).await;
        assert!(matches!(again, Err(StoreError::Unavailable { .. })), "{again:?}");
        // The original goes on as it was.
        it.tell("ann").await;
        let mut options = it.options.clone();
        options.engine = EngineOptions::Sqlite(target);
        let copy = Store::open(options, NOW).await.unwrap();
        assert_ne!(copy.store_epoch(), it.store.store_epoch());
        let standing = copy.standing(&user("ann")).await.unwrap();
        assert_eq!(standing.head, heads(50, 1));
        assert_eq!(standing.epoch.user, it.standing("ann").await.epoch.user);
        let leftovers = std::fs::read_dir(it.directory.path()).unwrap();
        assert!(leftovers.flatten().all(|one| !one.file_name().to_string_lossy().contains("partial")));
    }

    async fn the_log_does_not_grow_without_end(it: TestStore) {
        let mut big = content();
        big.data = format!("\"{}\"", "x".repeat(15_000)).into();
        let mut largest = 0;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (store, big) = (it.store.clone(), Arc::new(big.clone()));
            tasks.spawn(async move {
                let mut largest = 0;
                for _ in 0..700 {
                    let alert = NewAlert {
                        id: store.next_alert_id(NOW),
                        audience: Audience::User(user("ann")),
                        content: Arc::clone(&big),
                        latecomers: false, ladder_of_all: None,
                        idempotency: None,
                    };
                    store.publish(alert, NOW).await.unwrap();
                    largest = largest.max(store.gauges().wal_bytes);
                }
                largest
            });
        }
        while let Some(one) = tasks.join_next().await {
            largest = largest.max(one.unwrap());
        }
        assert!(largest < 160 << 20, "{largest}");
        assert_eq!(it.standing("ann").await.head.user.0, 11_200);
    }
}
