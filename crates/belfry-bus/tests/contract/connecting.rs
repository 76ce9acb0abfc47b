//! How a bus that cannot be connected says so.

use crate::harness::*;
use crate::proxy::host_of;
use crate::servers::{Server, free_port};
use belfry_bus::*;

async fn refusal(options: BusOptions) -> BusError {
    let error = within("an answer", Bus::connect(options, NodeTag(1))).await.expect_err("it cannot connect");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    error
}

contract! {
    on [Postgres Redis Nats]

    async fn nobody_there_is_told_with_the_address(ground: Ground) {
        let here = format!("127.0.0.1:{}", free_port());
        let address = ground.address.replacen(host_of(&ground.address), &here, 1);
        let address = address.replacen("://", "://belfry:s3cret@", usize::from(!address.contains('@')));
        let error = refusal(ground.options_at(&address)).await;
        assert_eq!((error.engine, error.trouble), (ground.engine, Trouble::Unreachable));
        assert!(error.to_string().contains(&here), "{error}");
        assert!(error.to_string().contains("check that the server runs"), "{error}");
    }

    async fn a_server_that_says_nothing_is_not_waited_for_long(ground: Ground) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let mut options = ground.options_at(&ground.address.replacen(host_of(&ground.address), &here, 1));
        options.common_mut().unwrap().connect_timeout = std::time::Duration::from_millis(200);
        assert_eq!(refusal(options).await.trouble, Trouble::Unreachable);
    }

    async fn a_prefix_that_cannot_be_a_subject_is_refused(ground: Ground) {
        for prefix in ["", "a.b", "*", "x\"; DROP TABLE users; --"] {
            let mut options = ground.options();
            prefix.clone_into(&mut options.common_mut().unwrap().prefix);
            assert_eq!(refusal(options).await.trouble, Trouble::Misconfigured, "{prefix:?}");
        }
    }

    async fn what_is_no_address_is_refused_without_being_printed(ground: Ground) {
        for address in ["gopher://u:s3cret@h", "s3cret", "", "postgres://u:s3cret@h:port/x"] {
            assert_eq!(refusal(ground.options_at(address)).await.trouble, Trouble::Misconfigured, "{address:?}");
        }
    }

    async fn certificates_that_are_not_there_are_named(ground: Ground) {
        let mut options = ground.options();
        options.common_mut().unwrap().ca_file = Some("/nowhere/ca.pem".into());
        let error = refusal(options).await;
        assert_eq!(error.trouble, Trouble::Misconfigured);
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
}

contract! {
    on [Redis Nats]

    async fn the_next_address_is_tried_when_one_says_nothing(ground: Ground) {
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = deaf.local_addr().unwrap().to_string();
        let urls = [ground.address.replacen(host_of(&ground.address), &here, 1), ground.address.clone()];
        let mut options = match ground.engine {
            Engine::Redis => BusOptions::Redis(RedisOptions::new(urls)),
            _ => BusOptions::Nats(NatsOptions::new(urls)),
        };
        quick(&mut options, &ground.prefix);
        options.common_mut().unwrap().connect_timeout = std::time::Duration::from_secs(1);
        Node::join(options, 1).await;
    }
}

#[tokio::test]
async fn redis_with_a_wrong_password_says_so() {
    let Some(server) = Server::redis(&["--requirepass", "right"]).await else { return };
    let at = |password: &str| {
        let mut options =
            BusOptions::Redis(RedisOptions::new([format!("redis://:{password}@127.0.0.1:{}", server.port)]));
        quick(&mut options, &fresh_prefix());
        options
    };
    let error = refusal(at("s3cret")).await;
    assert_eq!(error.trouble, Trouble::Refused, "{error}");
    Node::join(at("right"), 1).await;
}

#[tokio::test]
async fn nats_with_a_wrong_password_says_so() {
    let Some(server) = Server::nats(&["--user", "belfry", "--pass", "r@ght"]).await else { return };
    let at = |password: &str| {
        let mut options = BusOptions::Nats(NatsOptions::new([format!(
            "nats://belfry:{password}@127.0.0.1:{}",
            server.port
        )]));
        quick(&mut options, &fresh_prefix());
        options
    };
    let error = refusal(at("s3cret")).await;
    assert_eq!(error.trouble, Trouble::Refused, "{error}");
    Node::join(at("r%40ght"), 1).await;
}

#[tokio::test]
async fn postgres_with_an_unknown_user_or_database_says_so() {
    let Some(ground) = Ground::new(Engine::Postgres) else { return };
    let host = host_of(&ground.address);
    let stranger = ground.options_at(&format!("postgres://nobody-here:s3cret@{host}/postgres"));
    let error = refusal(stranger).await;
    assert_eq!(error.trouble, Trouble::Refused, "{error}");
    let (user, _) = ground.address.rsplit_once(host).unwrap();
    let nowhere = ground.options_at(&format!("{user}{host}/no-such-database"));
    let error = refusal(nowhere).await;
    assert_eq!(error.trouble, Trouble::Misconfigured, "{error}");
}

#[tokio::test]
async fn a_redis_user_who_may_not_subscribe_is_told() {
    let Some(server) =
        Server::redis(&["--user", "deaf", "on", ">right", "~*", "resetchannels", "+@all"]).await
    else {
        return;
    };
    let url = format!("redis://deaf:right@127.0.0.1:{}", server.port);
    let mut options = BusOptions::Redis(RedisOptions::new([url]));
    quick(&mut options, &fresh_prefix());
    let error = refusal(options).await;
    assert_eq!(error.trouble, Trouble::Refused, "{error}");
}

#[tokio::test]
async fn a_redis_user_needs_no_more_rights_than_documented() {
    let prefix = fresh_prefix();
    let channels = format!("&{prefix}.*");
    let rights = ["--user", "belfry", "on", ">right", "resetchannels", &channels];
    let commands = ["-@all", "+hello", "+psubscribe", "+publish"];
    let Some(server) = Server::redis(&[&rights[..], &commands[..]].concat()).await else { return };
    let url = format!("redis://belfry:right@127.0.0.1:{}", server.port);
    let mut options = BusOptions::Redis(RedisOptions::new([url]));
    quick(&mut options, &prefix);
    let (one, mut other) = (Node::join(options.clone(), 1).await, Node::join(options.clone(), 2).await);
    one.send(Subject::Partition(1), "by right");
    assert_eq!(other.heard().await, "by right");
    options.common_mut().unwrap().prefix = fresh_prefix();
    assert_eq!(refusal(options).await.trouble, Trouble::Refused, "another prefix is not ours");
}

#[tokio::test]
async fn a_nats_user_needs_no_more_rights_than_documented() {
    let prefix = fresh_prefix();
    let file = tempfile::NamedTempFile::new().unwrap();
    let configuration = format!(
        "authorization {{ users = [ {{ user: belfry, password: right, permissions: {{ \
         publish: \"{prefix}.>\", subscribe: \"{prefix}.>\" }} }} ] }}"
    );
    std::fs::write(&file, configuration).unwrap();
    let Some(server) = Server::nats(&["-c", file.path().to_str().unwrap()]).await else { return };
    let url = format!("nats://belfry:right@127.0.0.1:{}", server.port);
    let mut options = BusOptions::Nats(NatsOptions::new([url]));
    quick(&mut options, &prefix);
    let (one, mut other) = (Node::join(options.clone(), 1).await, Node::join(options.clone(), 2).await);
    one.send(Subject::Partition(1), "by right");
    assert_eq!(other.heard().await, "by right");
    let common = options.common_mut().unwrap();
    common.prefix = fresh_prefix();
    common.connect_timeout = std::time::Duration::from_secs(1);
    let error = refusal(options).await;
    assert_eq!(error.trouble, Trouble::Silent);
    assert!(error.to_string().contains("may both publish and subscribe"), "{error}");
}
