//! Where many users stand, at once.

use crate::harness::*;
use belfry_protocol::DoNotDisturb;
use belfry_store::*;

async fn heads_of(it: &TestStore, names: &[&str]) -> Vec<UserHead> {
    let mut found = it.store.heads(names.iter().map(|name| user(name)).collect()).await.unwrap();
    found.sort_by(|one, other| one.user.cmp(&other.user));
    found
}

contract! {
    async fn heads_are_those_of_each_one(it: TestStore) {
        it.tell("ann").await;
        it.tell("ann").await;
        it.store.connect(&user("bob"), NOW).await.unwrap();
        it.tell_all().await;
        let setting = DoNotDisturb { time_zone: Some("Europe/Berlin".to_owned()), ..DoNotDisturb::default() };
        let settings = it.store.set_do_not_disturb(&user("bob"), setting, NOW).await.unwrap();
        it.store.revoke_before(&user("ann"), after(5), NOW).await.unwrap();
        for it in [it.as_after_a_crash().await, it] {
            let found = heads_of(&it, &["ann", "bob", "nobody"]).await;
            assert_eq!(found.len(), 2, "{found:?}");
            for one in &found {
                let standing = it.store.standing(&one.user).await.unwrap();
                assert_eq!((one.head, one.epoch, one.unread), (standing.head, standing.epoch, standing.unread.user));
            }
            assert_eq!((found[0].head, found[0].unread), (heads(2, 1), 2));
            assert_eq!((found[0].revoke_before, found[1].revoke_before), (Some(after(5)), None));
            assert_eq!((&found[1].settings, found[0].settings.rev), (&settings, 0));
        }
    }

    async fn many_heads_are_read_at_once(it: TestStore) {
        let names: Vec<String> = (0..1_100).map(|number| format!("user-{number:04}")).collect();
        for name in names.iter().step_by(100) {
            it.tell(name).await;
        }
        let it = it.reopened().await;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = heads_of(&it, &names).await;
        assert_eq!(found.iter().filter(|one| one.head == heads(1, 0)).count(), 11);
        assert_eq!(found.len(), 11);
    }
}
