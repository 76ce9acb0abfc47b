//! Several nodes on one server: what each of them does holds for all, and none waits for another for long.

use crate::harness::*;
use belfry_protocol::{Audience, Level, StateChange, Stream};
use belfry_store::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Makes a test of each function; it gets two nodes on one database.
macro_rules! two_nodes {
    ($(async fn $name:ident($a:ident: TestStore, $b:ident: TestStore) $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if !there_is_a_server() {
                return;
            }
            let $a = TestStore::new(Engine::Postgres).await;
            let $b = $a.as_after_a_crash().await;
            $body
        }
    )*};
}

fn received(after: u64, up_to: u64) -> AckRow {
    let (after, up_to) = (belfry_protocol::Seq(after), belfry_protocol::Seq(up_to));
    AckRow::Range { stream: Stream::User, after, up_to, level: Level::Received }
}

fn keyed(it: &TestStore, key: &str) -> NewAlert {
    let idempotency = Idempotency { api_key: "tests".to_owned(), key: key.to_owned(), body_hash: [7; 32] };
    NewAlert { idempotency: Some(idempotency), ..it.alert(Audience::User(user("ann")), content()) }
}

two_nodes! {
    async fn numbers_have_no_gap_whoever_gives_them(a: TestStore, b: TestStore) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let it = if number % 2 == 0 { &a } else { &b };
            let (store, alert) = (it.store.clone(), it.alert(Audience::User(user("ann")), content()));
            tasks.spawn(async move { store.publish(alert, NOW).await.unwrap().notifications[0].seq.0 });
        }
        let mut seqs = Vec::new();
        while let Some(seq) = tasks.join_next().await {
            seqs.push(seq.unwrap());
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=200).collect::<Vec<u64>>());
        for it in [&a, &b] {
            assert_eq!(it.standing("ann").await.unread.user, 200);
            assert_eq!(it.all_items("ann").await.len(), 200);
        }
    }

    async fn a_key_is_used_once_whichever_node_is_asked(a: TestStore, b: TestStore) {
        for round in 0..20 {
            let key = format!("key-{round}");
            let (first, second) = (keyed(&a, &key), keyed(&b, &key));
            let (first, second) = tokio::join!(a.store.publish(first, NOW), b.store.publish(second, NOW));
            let (first, second) = (first.unwrap(), second.unwrap());
            assert_eq!(first.id, second.id, "{round}");
            assert!(first.replayed != second.replayed, "{round}");
        }
        assert_eq!(a.standing("ann").await.head.user.0, 20);
    }

    async fn the_same_people_in_opposite_orders_wait_and_do_not_deadlock(a: TestStore, b: TestStore) {
        let names: Vec<String> = (0..40).map(|number| format!("user-{number:02}")).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for round in 0..40 {
            let it = if round % 2 == 0 { &a } else { &b };
            let mut users: Vec<_> = names.iter().map(|name| user(name)).collect();
            if round % 4 < 2 {
                users.reverse();
            }
            let (store, alert) = (it.store.clone(), it.alert(Audience::Users(users), content()));
            tasks.spawn(async move { store.publish(alert, NOW).await.map(drop) });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
        assert_eq!(a.standing("user-07").await.head.user.0, 40);
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(a.beside(deadlocks), Some(0));
    }

    async fn what_everyone_is_told_on_one_node_is_unread_on_the_other(a: TestStore, b: TestStore) {
        b.tell("ann").await;
        assert_eq!(b.standing("ann").await.unread.all, 0);
        let first = a.tell_all().await.id;
        assert_eq!(b.standing("ann").await.unread, Unread { user: 1, all: 1 });
        assert_eq!(b.ids("ann").await.len(), 2);
        let marked = b.mark("ann", &[first], StateChange::Read).await;
        assert!(marked.changed);
        assert_eq!(a.standing("ann").await.unread.all, 0);
        let (x, y) = tokio::join!(a.tell_all(), b.tell_all());
        let seqs: HashSet<u64> = [x, y].iter().map(|one| one.all_seq.unwrap().0).collect();
        assert_eq!(seqs, HashSet::from([2, 3]));
        b.tell("bob").await;
        assert_eq!(a.standing("bob").await.unread.all, 0, "who comes later begins after them");
        assert_eq!(a.standing("ann").await.unread.all, 2);
        a.store.recall(first, NOW).await.unwrap();
        assert_eq!(b.ids("ann").await.len(), 3);
    }

    async fn what_is_due_goes_to_one_node(a: TestStore, b: TestStore) {
        for number in 0..60 {
            a.open(&format!("user-{number}")).await;
        }
        let both = || async {
            let claims = async |it: &TestStore| it.store.claim_deliveries(after(10), 20, Duration::from_secs(60)).await.unwrap();
            tokio::join!(claims(&a), claims(&b))
        };
        let mut seen = HashSet::new();
        // The other node hears of what is due when it looks around.
        eventually(|| async { b.store.gauges().first_delivery_due.is_some() }).await;
        for _ in 0..10 {
            let (first, second) = both().await;
            for one in first.into_iter().chain(second) {
                assert!(seen.insert(one.key), "claimed twice: {}", one.key);
            }
        }
        assert_eq!(seen.len(), 60);
    }

    async fn a_receipt_on_one_node_ends_what_the_other_one_opened(a: TestStore, b: TestStore) {
        let id = a.open("ann").await;
        b.store.acknowledge(&user("ann"), AckRow::Ids { ids: vec![id], level: Level::Displayed }, NOW).unwrap();
        b.store.flush().await.unwrap();
        assert_eq!(a.claim(after(10)).await, []);
        assert_eq!(a.state(id, "ann").await, belfry_protocol::delivery::DeliveryState::Confirmed);
    }

    async fn no_session_stays_in_a_transaction_that_is_over(a: TestStore, b: TestStore) {
        a.tell("ann").await;
        for it in [&a, &b] {
            it.store.connect(&user("ann"), NOW).await.unwrap();
            it.ids("ann").await;
            it.store.check_writable().await.unwrap();
        }
        let idle = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        assert_eq!(a.beside(idle), Some(0));
    }

    async fn a_connection_that_is_cut_is_made_anew(a: TestStore, b: TestStore) {
        a.tell("ann").await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(a.beside(cut).unwrap() > 1);
        // Whoever is in the middle of it is told; whoever comes after it is served.
        let told = a.store.publish(a.alert(Audience::User(user("ann")), content()), NOW).await;
        assert!(matches!(told, Ok(_) | Err(PublishError::Store(StoreError::Unavailable { .. }))), "{told:?}");
        let stored = 1 + u64::from(told.is_ok());
        assert_eq!(a.tell("ann").await.notifications[0].seq.0, stored + 1);
        eventually(|| async { a.store.standing(&user("ann")).await.is_ok() }).await;
        eventually(|| async { b.store.standing(&user("ann")).await.is_ok() }).await;
        assert_eq!(b.standing("ann").await.head.user.0, stored + 1);
        assert!(a.store.gauges().healthy);
    }

    async fn a_server_that_only_reads_takes_nothing_and_loses_nothing(a: TestStore, b: TestStore) {
        a.tell("ann").await;
        a.store.acknowledge(&user("ann"), received(0, 1), NOW).unwrap();
        a.store.flush().await.unwrap();
        a.set_of_database("default_transaction_read_only = on");
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        a.beside(cut);
        eventually(|| async {
            let told = a.store.publish(a.alert(Audience::User(user("ann")), content()), NOW).await;
            matches!(told, Err(PublishError::Store(StoreError::Unavailable { .. })))
        }).await;
        assert!(!a.store.gauges().healthy);
        a.set_of_database("default_transaction_read_only = off");
        eventually(|| async { a.store.check_writable().await.is_ok() }).await;
        assert!(a.tell("ann").await.notifications[0].seq.0 >= 2);
        assert_eq!(b.standing("ann").await, a.standing("ann").await);
    }

    async fn a_server_that_may_lose_a_commit_is_refused(a: TestStore, b: TestStore) {
        drop(b);
        a.set_of_database("synchronous_commit = off");
        let error = Store::open(a.options.clone(), NOW).await.map(drop).unwrap_err().to_string();
        assert!(error.contains("synchronous_commit = on"), "{error}");
        assert!(!error.contains("password") && error.contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_make_one_schema() {
    if !there_is_a_server() {
        return;
    }
    let it = TestStore::new(Engine::Postgres).await;
    it.beside("DROP SCHEMA public CASCADE");
    it.beside("CREATE SCHEMA public");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let options = it.options.clone();
        tasks.spawn(async move { Store::open(options, NOW).await.map(|store| store.store_epoch()) });
    }
    let mut epochs = HashSet::new();
    while let Some(opened) = tasks.join_next().await {
        epochs.insert(opened.unwrap().unwrap());
    }
    assert_eq!(epochs.len(), 1);
}

/// Waits for what another node has to notice.
async fn eventually<F: Future<Output = bool>>(is: impl Fn() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is().await {
            // Between two looks; the deadline is around them.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_where_the_url_points() {
    let server = PostgresOptions {
        url: "postgres://belfry:very-secret@127.0.0.1:1/belfry".to_owned(),
        ca_file: None,
        connect_timeout: Duration::from_secs(1),
    };
    let directory = Arc::new(tempfile::TempDir::new().unwrap());
    let options = Options { engine: EngineOptions::Postgres(server), ..file_options(&directory) };
    let error = Store::open(options, NOW).await.map(drop).unwrap_err().to_string();
    assert!(
        error.contains("127.0.0.1:1/belfry") && error.contains("see that PostgreSQL runs there"),
        "{error}"
    );
    assert!(!error.contains("very-secret"), "{error}");
}

/// Lets the server speak TLS with a certificate of its own; the second one is a stranger's.
fn certify(it: &TestStore) -> [std::path::PathBuf; 2] {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    // The server writes its own files, so that they are its alone.
    let write = |pem: &str, name: &str| {
        let pem = pem.trim();
        it.beside(&format!(
            "COPY (SELECT unnest(string_to_array('{pem}', E'\\n'))) TO PROGRAM 'rm -f {name}; umask 077; cat > {name}'"
        ));
    };
    let folder = it.text_beside("SELECT current_setting('data_directory')");
    write(&made.cert.pem(), &format!("{folder}/server.crt"));
    write(&made.signing_key.serialize_pem(), &format!("{folder}/server.key"));
    it.beside("ALTER SYSTEM SET ssl = on");
    it.beside("SELECT CAST(pg_reload_conf() AS INTEGER) + CAST(0 AS BIGINT)");
    [made.cert.pem(), stranger.cert.pem()].map(|pem| {
        let file = it.directory.path().join(format!("{:x}.pem", fastrand::u64(..)));
        std::fs::write(&file, pem).unwrap();
        file
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_server_can_be_encrypted_and_whoever_answers_is_checked() {
    if !there_is_a_server() {
        return;
    }
    let it = TestStore::new(Engine::Postgres).await;
    let [authority, stranger] = certify(&it);
    let EngineOptions::Postgres(server) = it.options.engine.clone() else { unreachable!() };
    let over_tls = |ca_file| {
        let server =
            PostgresOptions { url: format!("{}?sslmode=require", server.url), ca_file, ..server.clone() };
        Store::open(Options { engine: EngineOptions::Postgres(server), ..it.options.clone() }, NOW)
    };
    // It reads its settings a moment after it was told to.
    eventually(|| async { over_tls(Some(authority.clone())).await.is_ok() }).await;
    let store = over_tls(Some(authority)).await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE ssl AND datname = current_database()";
    assert!(it.beside(encrypted).unwrap() >= 1);
    store.check_writable().await.unwrap();
    for ca_file in [Some(stranger), None] {
        let error = over_tls(ca_file).await.map(drop).unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
}
