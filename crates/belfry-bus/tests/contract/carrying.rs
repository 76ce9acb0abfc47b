//! What is carried, to whom and in which order.

use crate::harness::*;
use crate::proxy::Proxy;
use belfry_bus::*;
use std::collections::BTreeMap;

contract! {
    on [Postgres Redis Nats]

    async fn however_long_the_way_connected_means_subscribed(ground: Ground) {
        let (proxy, address) = Proxy::before(&ground.address).await;
        let one = ground.join(1).await;
        proxy.slow_down();
        let mut far = Node::join(ground.options_at(&address), 2).await;
        one.send(Subject::Partition(5), "the first thing after");
        assert_eq!(far.heard().await, "the first thing after");
    }
}

contract! {
    on [Memory Postgres Redis Nats]

    async fn who_has_connected_hears_what_is_sent_next(ground: Ground) {
        let first = ground.join(1).await;
        for tag in 2..7 {
            let mut next = ground.join(tag).await;
            first.send(Subject::Partition(7), &format!("for {tag}"));
            assert_eq!(next.heard().await, format!("for {tag}"));
            assert!(next.bus.is_connected());
        }
    }

    async fn a_message_arrives_as_it_was_sent(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        let everything: Vec<u8> = (0..=255).collect();
        for subject in [Subject::Partition(0), Subject::Partition(PARTITIONS - 1), Subject::All] {
            let message = Message::new(everything.clone(), "body \0 ✓");
            assert!(one.bus.send(subject, message.clone()));
            assert_eq!(other.next().await, Event::Message { subject, from: NodeTag(1), message });
        }
    }

    async fn nobody_hears_themselves(ground: Ground) {
        let (mut one, mut other) = (ground.join(1).await, ground.join(2).await);
        one.send(Subject::All, "mine");
        one.send(Subject::Partition(3), "mine too");
        assert_eq!((other.heard().await, other.heard().await), ("mine".to_owned(), "mine too".to_owned()));
        // What the other says comes after them on the way to the first.
        other.send(Subject::Partition(3), "theirs");
        assert_eq!(one.heard().await, "theirs");
        assert_eq!(one.bus.gauges().received, 1);
    }

    async fn a_subject_keeps_the_order_of_its_sender(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        for number in 0..1_000_u16 {
            one.send(Subject::Partition(number % 5), &number.to_string());
            if number % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut heard: BTreeMap<Subject, Vec<u16>> = BTreeMap::new();
        for _ in 0..1_000 {
            let Event::Message { subject, message, .. } = other.next().await else { panic!("lost") };
            let number = std::str::from_utf8(&message.head).unwrap().parse().unwrap();
            heard.entry(subject).or_default().push(number);
        }
        assert_eq!(heard.len(), 5);
        for (subject, numbers) in heard {
            let Subject::Partition(partition) = subject else { panic!("{subject:?}") };
            assert!(numbers.iter().all(|number| number % 5 == partition));
            assert_eq!(numbers.len(), 200);
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    }

    async fn everybody_hears_everybody(ground: Ground) {
        let mut nodes = [ground.join(1).await, ground.join(2).await, ground.join(3).await];
        for (index, node) in nodes.iter().enumerate() {
            node.send(Subject::Partition(u16::try_from(index).unwrap()), &index.to_string());
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            let mut heard = [node.heard().await, node.heard().await];
            heard.sort();
            let others: Vec<String> = (0..3).filter(|other| *other != index).map(|other| other.to_string()).collect();
            assert_eq!(heard.to_vec(), others);
        }
    }

    async fn two_prefixes_do_not_hear_each_other(ground: Ground) {
        let Some(stranger) = Ground::new(ground.engine) else { return };
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        let (foreign, mut foreigner) = (stranger.join(3).await, stranger.join(4).await);
        one.send(Subject::All, "ours");
        one.send(Subject::Partition(1), "ours");
        assert_eq!((other.heard().await, other.heard().await), ("ours".to_owned(), "ours".to_owned()));
        foreign.send(Subject::All, "theirs");
        assert_eq!(foreigner.heard().await, "theirs", "the first thing heard there");
        one.send(Subject::All, "last");
        assert_eq!(other.heard().await, "last");
    }

    async fn a_user_who_looks_like_a_subject_is_a_user(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        for user in [">", "*", "a.b", "all", "p.1", "\"; NOTIFY x", "x\r\nPUB y 0"] {
            let subject = Subject::of_user(user);
            one.send(subject, user);
            let message = Message::of_head(user.to_owned());
            assert_eq!(other.next().await, Event::Message { subject, from: NodeTag(1), message });
        }
        assert_eq!(other.bus.gauges().garbled, 0);
    }

    async fn what_waits_is_sent_before_the_end(ground: Ground) {
        let (mut one, mut other) = (ground.join(1).await, ground.join(2).await);
        for number in 0..100 {
            one.send(Subject::Partition(1), &number.to_string());
        }
        within("the end", one.bus.close()).await;
        assert_eq!(within("the end", one.incoming.next()).await, None);
        assert!(!one.bus.send(Subject::All, Message::of_head("too late")));
        assert!(!one.bus.is_connected());
        for number in 0..100 {
            assert_eq!(other.heard().await, number.to_string());
        }
    }

    async fn a_bus_nobody_holds_ends(ground: Ground) {
        let Node { bus, mut incoming } = ground.join(1).await;
        let second = bus.clone();
        drop(bus);
        assert!(second.is_connected());
        drop(second);
        assert_eq!(within("the end", incoming.next()).await, None);
    }

    async fn a_share_of_what_comes_in_is_lost_on_demand(ground: Ground) {
        let mut options = ground.options();
        options.tuning_mut().lose = Some(Lose { share: 0.1, seed: 7 });
        let (one, mut other) = (ground.join(1).await, Node::join(options, 2).await);
        for number in 0..1_000 {
            one.send(Subject::Partition(1), &number.to_string());
        }
        let mut heard = 0;
        loop {
            let number: u32 = other.heard().await.parse().unwrap();
            heard += 1;
            // The last ones may be among the lost.
            if number > 950 {
                break;
            }
        }
        assert!((800..950).contains(&heard), "{heard} of 950 came in");
    }
}
