//! Lists, pages, state changes.

use crate::harness::*;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{AlertId, Audience, ItemState, Seq, StateChange};
use belfry_store::*;

async fn filtered(it: &TestStore, query: InboxQuery) -> Vec<AlertId> {
    let query = InboxQuery { limit: 100, ..query };
    let rows = it.store.inbox(&user("ann"), query).await.unwrap();
    rows.items.into_iter().map(|item| item.id).collect()
}

contract! {
    async fn filters_choose_by_state_kind_and_category(it: TestStore) {
        let to_ann = || Audience::User(user("ann"));
        let read = it.tell("ann").await.id;
        let archived = it.tell("ann").await.id;
        let other = Content { kind: "invite".into(), category: "family".into(), ..content() };
        let invite = it.publish(to_ann(), other).await.id;
        it.mark("ann", &[read], StateChange::Read).await;
        it.mark("ann", &[archived], StateChange::Archived).await;
        let all = InboxQuery::default;
        assert_eq!(filtered(&it, all()).await, [invite, read]);
        assert_eq!(filtered(&it, InboxQuery { unread: Some(true), ..all() }).await, [invite]);
        assert_eq!(filtered(&it, InboxQuery { unread: Some(false), ..all() }).await, [read]);
        assert_eq!(filtered(&it, InboxQuery { archived: true, ..all() }).await, [archived]);
        assert_eq!(filtered(&it, InboxQuery { kind: Some("invite".into()), ..all() }).await, [invite]);
        assert_eq!(filtered(&it, InboxQuery { category: Some("deals".into()), ..all() }).await, [read]);
        it.mark("ann", &[archived], StateChange::Unarchived).await;
        assert_eq!(filtered(&it, all()).await, [invite, archived, read]);
    }

    async fn a_state_change_takes_one_number_for_many_items(it: TestStore) {
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(it.tell("ann").await.id);
        }
        let changed = it.mark("ann", &ids[..3], StateChange::Read).await;
        assert_eq!((changed.seq, changed.unread.user, changed.changed), (Seq(6), 2, true));
        let again = it.mark("ann", &ids[..3], StateChange::Read).await;
        assert_eq!((again.seq, again.changed), (Seq(6), false));
        let states: Vec<ItemState> = it.all_items("ann").await.iter().map(|item| item.state).collect();
        let read = ItemState { seen: true, read: true, ..ItemState::default() };
        assert_eq!(states, [read, read, read, ItemState::default(), ItemState::default()]);
        let versions: Vec<u64> = it.all_items("ann").await.iter().map(|item| item.version.0).collect();
        assert_eq!(versions, [6, 6, 6, 4, 5]);
    }

    async fn foreign_and_unknown_ids_change_nothing_and_succeed(it: TestStore) {
        let mine = it.tell("ann").await.id;
        let foreign = it.tell("bob").await.id;
        let unknown = it.store.next_alert_id(NOW);
        let changed = it.mark("ann", &[foreign, unknown], StateChange::Read).await;
        assert_eq!((changed.seq, changed.changed), (Seq(1), false));
        assert_eq!(it.standing("bob").await.unread.user, 1);
        let changed = it.mark("ann", &[foreign, mine], StateChange::Archived).await;
        assert_eq!((changed.seq, changed.unread.user), (Seq(2), 0));
        // What is archived does not become unread.
        assert!(!it.mark("ann", &[mine], StateChange::Unread).await.changed);
    }

    async fn up_to_leaves_what_came_later(it: TestStore) {
        for _ in 0..4 {
            it.tell("ann").await;
        }
        let up_to = |seq| Selection::UpTo(heads(seq, 0));
        let change = |selection, change| {
            let store = it.store.clone();
            async move { store.change_state(&user("ann"), selection, change, NOW).await.unwrap() }
        };
        assert_eq!(change(up_to(2), StateChange::Seen).await.unread.user, 4);
        assert_eq!(change(up_to(3), StateChange::Read).await.unread.user, 1);
        assert_eq!(change(up_to(1), StateChange::Unread).await.unread.user, 2);
        assert_eq!(change(up_to(2), StateChange::Archived).await.unread.user, 1);
        assert_eq!(change(up_to(9), StateChange::Acted).await.unread.user, 0);
        assert_eq!(change(up_to(9), StateChange::Unarchived).await.seq, Seq(10));
    }

    async fn a_page_ends_at_its_bytes_and_at_its_items_and_goes_on_where_it_ended(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        for _ in 0..4 {
            it.tell("ann").await;
        }
        it.tell_all().await;
        let to = it.standing("ann").await.head;
        let small = PageLimit { items: 100, bytes: 1 };
        let page = it.store.items_after(&user("ann"), heads(0, 0), to, small).await.unwrap();
        assert_eq!((page.items.len(), page.reached, page.more), (1, heads(1, 0), true));
        let three = PageLimit { items: 3, bytes: 1 << 20 };
        let page = it.store.items_after(&user("ann"), heads(1, 0), to, three).await.unwrap();
        assert_eq!((page.items.len(), page.reached, page.more), (3, heads(4, 0), true));
        let page = it.store.items_after(&user("ann"), page.reached, to, small).await.unwrap();
        assert_eq!((page.items.len(), page.reached, page.more), (1, to, false));
        // No further than asked, holes at the end included.
        let page = it.store.items_after(&user("ann"), heads(0, 0), heads(2, 0), everything()).await.unwrap();
        assert_eq!((page.items.len(), page.reached, page.more), (2, heads(2, 0), false));
        let count = it.store.count_after(&user("ann"), heads(1, 0), to, 100).await.unwrap();
        assert_eq!((count, it.store.count_after(&user("ann"), heads(1, 0), to, 2).await.unwrap()), (4, 2));
        assert_eq!(it.store.count_after(&user("nobody"), heads(0, 0), to, 2).await.unwrap(), 0);
    }

    async fn expiry_counts_until_the_sweep_and_then_leaves_with_one_number(it: TestStore) {
        let short = || Content { expires_at: Some(after(100)), ..content() };
        let both = Audience::Users(vec![user("ann"), user("bob")]);
        let one = it.publish(both, short()).await.id;
        let two = it.publish(Audience::User(user("ann")), short()).await.id;
        it.tell("ann").await;
        assert_eq!(it.store.sweep_expired(after(99), 10).await.unwrap(), Swept::default());
        assert_eq!(it.standing("ann").await.unread.user, 3);
        let swept = it.store.sweep_expired(after(100), 10).await.unwrap();
        let ann = UserChange {
            user: user("ann"),
            seq: Seq(4),
            unread: 1,
            ids: vec![one, two],
            to: ChangedTo::Expired,
        };
        let bob = UserChange { user: user("bob"), seq: Seq(2), unread: 0, ids: vec![one], ..ann.clone() };
        assert_eq!(swept, Swept { changes: vec![ann, bob], all: Vec::new(), more: false });
        assert_eq!(it.store.sweep_expired(after(100), 10).await.unwrap(), Swept::default());
        // More than one sweep takes.
        for _ in 0..5 {
            it.publish(Audience::User(user("cid")), short()).await;
        }
        let swept = it.store.sweep_expired(after(100), 3).await.unwrap();
        assert_eq!((swept.changes[0].ids.len(), swept.more), (3, true));
        assert_eq!(it.store.sweep_expired(after(100), 3).await.unwrap().changes[0].ids.len(), 2);
    }

    async fn too_many_changes_can_be_seen_by_asking_for_one_more(it: TestStore) {
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(it.tell("ann").await.id);
        }
        it.mark("ann", &ids, StateChange::Seen).await;
        let rows = it.store.changed_since(&user("ann"), heads(6, 0), heads(7, 0), 4).await.unwrap();
        assert_eq!(rows.len(), 4);
        let rows = it.store.changed_since(&user("ann"), heads(7, 0), heads(7, 0), 4).await.unwrap();
        assert_eq!(rows, []);
    }

    async fn reads_see_whole_states_while_the_log_is_merged(it: TestStore) {
        // A reader beside a writer that publishes, marks and merges: heads, counts and lists fit together.
        let store = it.store.clone();
        let mut writing = tokio::task::JoinSet::new();
        writing.spawn(async move {
            for round in 0..400 {
                let id = store.next_alert_id(NOW);
                let audience = Audience::User(user("ann"));
                let alert = NewAlert { id, audience, content: content().into(), latecomers: false, ladder_of_all: None, idempotency: None };
                store.publish(alert, NOW).await.unwrap();
                if round % 7 == 0 {
                    let change = if round % 2 == 0 { StateChange::Read } else { StateChange::Unread };
                    store.change_state(&user("ann"), Selection::Ids(vec![id]), change, NOW).await.unwrap();
                }
            }
        });
        let mut looked = 0;
        while writing.try_join_next().is_none() || looked == 0 {
            let query = InboxQuery { limit: 10_000, ..InboxQuery::default() };
            let rows = it.store.inbox(&user("ann"), query).await.unwrap();
            let head = rows.standing.head;
            let items =
                it.store.items_after(&user("ann"), heads(0, 0), head, everything()).await.unwrap().items;
            assert!(items.windows(2).all(|two| two[0].seq < two[1].seq));
            assert_eq!(items.len(), rows.items.len());
            assert!(rows.items.iter().all(|item| item.seq <= head.user));
            looked += 1;
        }
        assert_eq!(it.all_items("ann").await.len(), 400);
    }
}
