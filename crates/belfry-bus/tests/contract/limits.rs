//! What is too much.

use crate::harness::*;
use belfry_bus::*;

contract! {
    on [Memory Postgres Redis Nats]

    async fn a_body_that_does_not_fit_stays_behind_and_its_head_arrives(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        let sizes = [100, 10_000, BODY_MAX_BYTES, BODY_MAX_BYTES + 1];
        let mut arrived = Vec::new();
        for size in sizes {
            assert!(one.bus.send(Subject::Partition(1), Message::new("head", vec![b'x'; size])));
            let Event::Message { message, .. } = other.next().await else { panic!("lost") };
            assert_eq!(message.head, "head");
            arrived.push(message.body.is_some_and(|body| body.len() == size));
        }
        let small_only = matches!(ground.engine, Engine::Postgres);
        assert_eq!(arrived, [true, !small_only, !small_only, false]);
        assert_eq!(one.bus.gauges().bodies_left_out, if small_only { 3 } else { 1 });
    }

    async fn a_head_at_the_limit_is_carried_and_one_above_is_not(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        assert!(!one.bus.send(Subject::All, Message::of_head(vec![0; HEAD_MAX_BYTES + 1])));
        assert!(!one.bus.send(Subject::Partition(PARTITIONS), Message::of_head("nowhere")));
        let longest = Message::of_head(vec![1; HEAD_MAX_BYTES]);
        assert!(one.bus.send(Subject::All, longest.clone()));
        assert_eq!(
            other.next().await,
            Event::Message { subject: Subject::All, from: NodeTag(1), message: longest }
        );
        assert_eq!(one.bus.gauges().dropped, 2);
    }

    async fn a_flood_beyond_the_queue_is_dropped_and_counted(ground: Ground) {
        let mut options = ground.options();
        options.tuning_mut().outgoing = QueueLimits { messages: 50, bytes: 20_000 };
        let (one, mut other) = (Node::join(options, 1).await, ground.join(2).await);
        // Without a pause, so that nothing goes out meanwhile: this runtime has one thread.
        let left = (0..1_000).filter(|number| one.bus.send(Subject::All, Message::of_head(number.to_string())));
        assert_eq!(left.count(), 50);
        let gauges = one.bus.gauges();
        assert_eq!((gauges.outgoing_messages, gauges.dropped), (50, 950));
        let long = || Message::new("long", vec![0; 30_000]);
        assert!(!one.bus.send(Subject::All, long()), "longer than the whole queue");
        for number in 0..50 {
            assert_eq!(other.heard().await, number.to_string());
        }
        one.send(Subject::All, "there is room again");
        assert_eq!(other.heard().await, "there is room again");
        assert_eq!(one.bus.gauges().sent, 51);
    }

    async fn a_slow_receiver_is_told_to_read_the_store(ground: Ground) {
        let mut options = ground.options();
        options.tuning_mut().incoming = QueueLimits { messages: 10, bytes: 1_000_000 };
        let (one, mut slow) = (ground.join(1).await, Node::join(options, 2).await);
        for number in 0..500 {
            one.send(Subject::Partition(1), &number.to_string());
        }
        until("everything received", || slow.bus.gauges().received == 500).await;
        let gauges = slow.bus.gauges();
        assert_eq!((gauges.incoming_messages, gauges.overflowed), (10, 490));
        for number in 0..10 {
            assert_eq!(slow.heard().await, number.to_string());
        }
        assert_eq!((slow.next().await, slow.next().await), (Event::Lost, Event::Back));
        one.send(Subject::Partition(1), "afterwards");
        assert_eq!(slow.heard().await, "afterwards", "it is told once");
        assert!(slow.bus.is_connected());
        assert_eq!(slow.bus.gauges().losses, 0, "the link was well");
    }

    async fn a_busy_hour_arrives_whole(ground: Ground) {
        let (one, mut other) = (ground.join(1).await, ground.join(2).await);
        let mut body = vec![b'{'; 1_500];
        for number in 0..5_000_u32 {
            body[..4].copy_from_slice(&number.to_be_bytes());
            let message = Message::new(number.to_string(), body.clone());
            while !one.bus.send(Subject::Partition(u16::try_from(number % 1_024).unwrap()), message.clone()) {
                tokio::task::yield_now().await;
            }
        }
        let mut heard = vec![false; 5_000];
        for _ in 0..5_000 {
            let Event::Message { message, .. } = other.next().await else { panic!("lost") };
            let number: u32 = std::str::from_utf8(&message.head).unwrap().parse().unwrap();
            assert!(message.body.is_none_or(|body| body[..4] == number.to_be_bytes()));
            assert!(!std::mem::replace(&mut heard[number as usize], true), "{number} came twice");
        }
        assert_eq!(other.bus.gauges().overflowed, 0);
    }
}
