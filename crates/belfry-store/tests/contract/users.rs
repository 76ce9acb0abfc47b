//! Users, groups, settings, erasure.

use crate::harness::*;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{Audience, DoNotDisturb, KeyId, Seq, StateChange};
use belfry_store::*;

contract! {
    async fn a_profile_is_replaced_and_settings_have_a_revision(it: TestStore) {
        let profile = UserProfile {
            email: Some("ann@example.org".into()),
            locale: Some("de".into()),
            time_zone: Some("Europe/Berlin".into()),
            name: None,
        };
        assert_eq!(it.store.user(&user("ann")).await.unwrap(), None);
        let row = it.store.put_user(&user("ann"), profile.clone(), NOW).await.unwrap();
        assert_eq!((&row.profile, row.created_at), (&profile, NOW));
        assert_eq!(it.store.user(&user("ann")).await.unwrap(), Some(row));
        let settings = it.store.settings(&user("ann"), NOW).await.unwrap();
        assert_eq!((settings.locale.as_deref(), settings.rev), (Some("de"), 1));
        let quiet = DoNotDisturb { time_zone: Some("Asia/Tokyo".into()), ..DoNotDisturb::default() };
        let settings = it.store.set_do_not_disturb(&user("ann"), quiet.clone(), NOW).await.unwrap();
        assert_eq!((&settings.do_not_disturb, settings.rev), (&quiet, 2));
        let it = it.reopened().await;
        assert_eq!(it.store.settings(&user("ann"), NOW).await.unwrap(), settings);
        let connected = it.store.connect(&user("ann"), NOW).await.unwrap();
        assert_eq!(connected.settings, settings);
        it.store.put_user(&user("ann"), UserProfile::default(), NOW).await.unwrap();
        assert_eq!(it.store.settings(&user("ann"), NOW).await.unwrap().rev, 3);
    }

    async fn revocation_never_moves_back(it: TestStore) {
        it.store.revoke_before(&user("ann"), after(100), NOW).await.unwrap();
        it.store.revoke_before(&user("ann"), after(50), NOW).await.unwrap();
        let connected = it.store.connect(&user("ann"), NOW).await.unwrap();
        assert_eq!(connected.revoke_before, Some(after(100)));
        let it = it.reopened().await;
        assert_eq!(it.store.user(&user("ann")).await.unwrap().unwrap().revoke_before, Some(after(100)));
    }

    async fn a_key_stays_revoked_until_it_is_taken_back(it: TestStore) {
        let key = |text: &str| KeyId::new(text).unwrap();
        assert_eq!(it.store.revoked_keys().await.unwrap(), []);
        assert_eq!(it.store.revoke_key(&key("b"), NOW).await.unwrap(), NOW);
        assert_eq!(it.store.revoke_key(&key("a:;/\u{10ffff}"), after(5)).await.unwrap(), after(5));
        assert_eq!(it.store.revoke_key(&key("b"), after(9)).await.unwrap(), NOW, "the first time counts");
        let both = [(key("a:;/\u{10ffff}"), after(5)), (key("b"), NOW)];
        let it = it.reopened().await;
        assert_eq!(it.store.revoked_keys().await.unwrap(), both);
        assert!(it.store.restore_key(&key("b")).await.unwrap());
        assert!(!it.store.restore_key(&key("b")).await.unwrap());
        assert_eq!(it.store.revoked_keys().await.unwrap(), both[..1]);
    }

    async fn an_erased_user_is_gone_and_a_new_one_is_somebody_else(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        let own = it.tell("ann").await.id;
        let shared = it.publish(Audience::Users(vec![user("ann"), user("bob")]), content()).await.id;
        let everyone = it.tell_all().await.id;
        it.mark("ann", &[everyone, own], StateChange::Read).await;
        it.store.put_group(&group("g"), vec![user("ann"), user("bob")], NOW).await.unwrap();
        let last = it.tell("ann").await.id;
        let before = it.standing("ann").await;
        assert!(it.store.delete_user(&user("ann")).await.unwrap());
        assert!(!it.store.delete_user(&user("ann")).await.unwrap());
        assert_eq!(it.store.user(&user("ann")).await.unwrap(), None);
        for id in [own, last] {
            assert_eq!(it.store.alert(id).await.unwrap(), None);
        }
        let rows = it.store.alert_recipients(shared, None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.user.as_str()).collect::<Vec<_>>(), ["bob"]);
        assert_eq!(it.store.alert_recipients(everyone, None, 10).await.unwrap(), []);
        assert_eq!(it.store.group(&group("g"), None, 10).await.unwrap().unwrap().member_count, 1);
        assert_eq!(it.tell("ann").await.notifications[0].seq, Seq(1));
        let again = it.standing("ann").await;
        assert_ne!(again.epoch.user, before.epoch.user);
        assert_eq!(again.unread, Unread { user: 1, all: 0 });
        let it = it.as_after_a_crash().await;
        assert_eq!(it.standing("ann").await, again);
        assert_eq!(it.ids("bob").await, [everyone, shared]);
        // The file holds nothing of the first one.
        it.store.close().await.unwrap();
        assert_eq!((it.count("users WHERE id = 'ann'"), it.count("notifications")), (1, 2));
    }

    async fn a_cursor_above_the_head_gives_the_user_a_new_epoch_and_keeps_the_numbers(it: TestStore) {
        it.tell("ann").await;
        it.tell("bob").await;
        let (ann, bob) = (it.standing("ann").await, it.standing("bob").await);
        let renewed = it.store.renew_user_epoch(&user("ann"), NOW).await.unwrap();
        assert_ne!(renewed.epoch.user, ann.epoch.user);
        assert_eq!((renewed.epoch.store, renewed.head, renewed.unread), (ann.epoch.store, ann.head, ann.unread));
        assert_eq!(it.standing("ann").await, renewed);
        assert_eq!(it.standing("bob").await, bob);
    }

    async fn groups_are_kept_in_pages(it: TestStore) {
        let family = group("family");
        assert_eq!(it.store.add_members(&family, vec![user("ann")], NOW).await.unwrap(), None);
        assert_eq!(it.store.remove_members(&family, vec![user("ann")], NOW).await.unwrap(), None);
        assert_eq!(it.store.group(&family, None, 10).await.unwrap(), None);
        assert_eq!(it.store.put_group(&family, vec![user("dot"), user("ann")], NOW).await.unwrap(), 2);
        let more = vec![user("bob"), user("cid"), user("ann")];
        assert_eq!(it.store.add_members(&family, more, NOW).await.unwrap(), Some(4));
        let page = it.store.group(&family, None, 3).await.unwrap().unwrap();
        assert_eq!((page.member_count, page.more), (4, true));
        assert_eq!(page.members, ["ann", "bob", "cid"].map(user));
        let page = it.store.group(&family, Some(&user("cid")), 3).await.unwrap().unwrap();
        assert_eq!((page.members, page.more), (vec![user("dot")], false));
        let gone = vec![user("ann"), user("nobody")];
        assert_eq!(it.store.remove_members(&family, gone, NOW).await.unwrap(), Some(3));
        assert_eq!(it.store.put_group(&family, vec![user("eve")], NOW).await.unwrap(), 1);
        assert!(it.store.delete_group(&family).await.unwrap());
        assert!(!it.store.delete_group(&family).await.unwrap());
        let alert = it.alert(Audience::Group(family), content());
        assert_eq!(it.store.publish(alert, NOW).await, Err(PublishError::GroupUnknown));
    }

    async fn an_export_holds_everything_in_pages(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        let read = it.tell("ann").await.id;
        let archived = it.tell("ann").await.id;
        let recalled = it.tell("ann").await.id;
        let everyone = it.tell_all().await.id;
        it.mark("ann", &[read], StateChange::Read).await;
        it.mark("ann", &[archived], StateChange::Archived).await;
        it.store.recall(recalled, NOW).await.unwrap();
        it.store.put_group(&group("g"), vec![user("ann")], NOW).await.unwrap();
        let page = it.store.export_user(&user("ann"), None, 3).await.unwrap().unwrap();
        assert_eq!(page.groups, ["g"]);
        assert_eq!(page.items.iter().map(|item| item.id).collect::<Vec<_>>(), [everyone, recalled, archived]);
        let page = it.store.export_user(&user("ann"), page.next, 3).await.unwrap().unwrap();
        assert_eq!((page.items[0].id, page.next), (read, None));
        assert_eq!(it.store.export_user(&user("nobody"), None, 3).await.unwrap(), None);
    }
}
