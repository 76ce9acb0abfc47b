//! A real process that stands still for longer than its lease, and then goes on as if nothing had been.

use belfry_server::config::{Config, DatabaseUrl};
use belfry_tests::engines::Kind;
use belfry_tests::nodes::Nodes;
use belfry_tests::shim::skipped;
use belfry_tests::{Providers, eventually, house, night_chaos, numbered};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Each tag that went to a phone, as often as it did.
fn pushed(providers: &Providers) -> Vec<String> {
    let tag = |message: &Value| message["android"]["notification"]["tag"].as_str().unwrap_or("").to_owned();
    providers.fcm.taken().iter().map(|one| tag(&one.message)).collect()
}

async fn until_pushed(providers: &Providers, count: usize) {
    eventually("a push", || async { (pushed(providers).len() >= count).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_paused_beyond_its_lease_comes_back_and_does_no_harm() {
    let Some(mut nodes) = Nodes::prepare(Kind::Redis).await else {
        return skipped("PostgreSQL or Redis is not installed");
    };
    let providers = Providers::start().await;
    let mut config = Config::default();
    config.database.url = DatabaseUrl::Postgres(SecretString::from(nodes.store.url()));
    night_chaos::move_in(&providers, &config, &["ann".to_owned()]).await;
    let mut settings = providers.settings();
    settings.extend(
        [("BELFRY__CLUSTER__LEASE", "3s"), ("BELFRY__LIVE__LINGER", "200ms")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    nodes.start(2, &settings).await;
    let (other, paused) = (&nodes.nodes[0].process, &nodes.nodes[1].process);

    let mut page = paused.socket("ann").await;
    let ladder = json!([{"channel": "live", "wait": "2s", "until": "displayed"}, {"channel": "push"}]);
    paused.publish(&house::alert("ann", "Watched by the paused one", &ladder)).await.expect(202);
    assert_eq!(page.next_alert().await["title"], "Watched by the paused one");
    paused.pause();
    until_pushed(&providers, 1).await;
    assert!(other.output().contains("took over what the node `node-1` watched"), "{}", other.output());

    paused.go_on();
    eventually("a node that enters anew", || async {
        paused.output().contains("was taken for dead and has entered anew").then_some(())
    })
    .await;
    other.alert("ann", 2).await;
    assert_eq!(page.next_of_type("numbered").await["title"], "Number 2", "its people are told as before");
    paused.publish(&numbered("ann", 3)).await.expect(202);
    assert_eq!(page.next_of_type("numbered").await["title"], "Number 3", "and it takes alerts");
    // When this one has gone out, a second push for the first would have, too.
    other.publish(&house::alert("ann", "Watched by the other one", &ladder)).await.expect(202);
    until_pushed(&providers, 2).await;
    let tags = pushed(&providers);
    assert_eq!(tags.len(), tags.iter().collect::<BTreeSet<_>>().len(), "nothing went out twice: {tags:?}");
}
