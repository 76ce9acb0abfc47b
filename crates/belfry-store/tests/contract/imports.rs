//! From a file into PostgreSQL: nobody who comes back notices.

use crate::harness::*;
use belfry_protocol::webhook::WebhookEvent;
use belfry_protocol::{Audience, DoNotDisturb, Level, StateChange, Stream};
use belfry_store::*;
use std::sync::{Arc, Mutex};

/// A store with something of everything.
async fn furnished() -> TestStore {
    let it = TestStore::new(Engine::Sqlite).await;
    it.store.put_group(&group("family"), vec![user("ann"), user("bob")], NOW).await.unwrap();
    let endpoint = NewWebhook {
        url: "https://hooks.example.com/".to_owned(),
        events: vec![WebhookEvent::Accepted],
        enabled: true,
        secret: "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0".to_owned(),
    };
    it.store.put_webhook(&belfry_protocol::WebhookId::new("crm").unwrap(), endpoint, NOW).await.unwrap();
    for number in 0..4_100 {
        it.tell(["ann", "bob", "cid"][number % 3]).await;
    }
    let read = it.tell("ann").await.id;
    it.mark("ann", &[read], StateChange::Read).await;
    let shared = it.publish(Audience::Group(group("family")), content()).await;
    it.open_for(&shared, "bob").await;
    it.open("dot").await;
    it.tell_all().await;
    let seen = it.tell_all().await.id;
    it.mark("bob", &[seen], StateChange::Seen).await;
    let key = Idempotency { api_key: "tests".to_owned(), key: "k".to_owned(), body_hash: [7; 32] };
    let alert = NewAlert { idempotency: Some(key), ..it.alert(Audience::User(user("ann")), content()) };
    it.store.publish(alert, NOW).await.unwrap();
    it.store
        .set_do_not_disturb(
            &user("ann"),
            DoNotDisturb { time_zone: Some("Europe/Berlin".to_owned()), ..Default::default() },
            NOW,
        )
        .await
        .unwrap();
    it.put("ann", "phone", "token-1", NOW).await;
    let (after, up_to) = (belfry_protocol::Seq(3), belfry_protocol::Seq(9));
    let range = AckRow::Range { stream: Stream::User, after, up_to, level: Level::Received };
    it.store.acknowledge(&user("bob"), range, NOW).unwrap();
    it.store.revoke_key(&belfry_protocol::KeyId::new("old").unwrap(), NOW).await.unwrap();
    it.store.flush().await.unwrap();
    it
}

/// An empty database, and how to open a store on it.
async fn empty() -> TestStore {
    let it = TestStore::new(Engine::Postgres).await;
    it.store.close().await.unwrap();
    it.beside("DROP SCHEMA public CASCADE");
    it.beside("CREATE SCHEMA public");
    it
}

fn server(it: &TestStore) -> PostgresOptions {
    let EngineOptions::Postgres(server) = &it.options.engine else { panic!("it has a file") };
    server.clone()
}

async fn import(from: &TestStore, to: &TestStore) -> Result<Imported, OpenError> {
    import_file(from.path(), server(to), NOW, |_| ()).await
}

/// What somebody who comes back is shown.
async fn seen(it: &TestStore, name: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let connected = it.store.connect(&user(name), NOW).await.unwrap();
    let items: Vec<_> =
        it.all_items(name).await.into_iter().map(|one| (one.id, one.seq, one.state, one.level)).collect();
    let settings = (connected.settings.do_not_disturb, connected.settings.rev, connected.received.user);
    (connected.standing, settings, items, it.ids(name).await, it.store.devices(&user(name)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_along_and_the_numbers_go_on() {
    if !there_is_a_server() {
        return;
    }
    let (from, to) = (furnished().await, empty().await);
    let mut before = Vec::new();
    for name in ["ann", "bob", "cid", "dot"] {
        before.push(seen(&from, name).await);
    }
    from.store.close().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let imported =
        import_file(from.path(), server(&to), NOW, move |at| heard.lock().unwrap().push(at)).await.unwrap();
    let last = told.lock().unwrap().iter().rev().find(|at| at.table == "notifications").copied().unwrap();
    assert!(last.rows == last.of && last.rows > 4_000, "{last:?}");
    let it = TestStore { store: Store::open(to.options.clone(), NOW).await.unwrap(), ..to };
    assert_eq!(it.store.store_epoch(), imported.epoch);
    for (name, before) in ["ann", "bob", "cid", "dot"].into_iter().zip(before) {
        assert_eq!(seen(&it, name).await, before, "{name}");
    }
    assert_eq!(it.store.revoked_keys().await.unwrap().len(), 1);
    assert_eq!(it.store.gauges().deliveries, 2);
    assert_eq!(it.claim(after(10)).await.len(), 2, "what was armed is armed");
    let key = Idempotency { api_key: "tests".to_owned(), key: "k".to_owned(), body_hash: [7; 32] };
    let again = NewAlert { idempotency: Some(key), ..it.alert(Audience::User(user("ann")), content()) };
    assert!(it.store.publish(again, NOW).await.unwrap().replayed);
    let head = it.standing("ann").await.head.user.0;
    assert_eq!(it.tell("ann").await.notifications[0].seq.0, head + 1);
    it.tell("eve").await;
    it.open("ann").await;
    assert_eq!(it.tell_all().await.all_seq.unwrap().0, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_broken_off_goes_on_and_nothing_starts_on_half() {
    if !there_is_a_server() {
        return;
    }
    let (from, to) = (furnished().await, empty().await);
    let before = seen(&from, "ann").await;
    let in_use = import(&from, &to).await.unwrap_err();
    assert!(matches!(in_use, OpenError::InUse { .. }), "{in_use}");
    from.store.close().await.unwrap();
    let broken = import_file(from.path(), server(&to), NOW, |at| {
        assert!(at.table != "notifications" || at.rows < 2_000, "the machine went away");
    });
    assert!(broken.await.unwrap_err().to_string().contains("the import broke off"));
    let half = Store::open(to.options.clone(), NOW).await.map(drop).unwrap_err().to_string();
    assert!(half.contains("run `belfry migrate --from` again"), "{half}");
    let imported = import(&from, &to).await.unwrap();
    assert!(imported.rows > 2_000);
    let it = TestStore { store: Store::open(to.options.clone(), NOW).await.unwrap(), ..to };
    assert_eq!(seen(&it, "ann").await, before);
    let twice = import(&from, &it).await.unwrap_err().to_string();
    assert!(twice.contains("name an empty database"), "{twice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_is_said() {
    if !there_is_a_server() {
        return;
    }
    let to = empty().await;
    let nowhere = to.directory.path().join("belfry.db");
    let error = import_file(nowhere, server(&to), NOW, |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("there is no such file"), "{error}");
}
