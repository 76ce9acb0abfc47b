//! Devices: one address belongs to one device of one person.

use crate::harness::*;
use belfry_protocol::Audience;
use belfry_protocol::device::{DEVICES_PER_USER_MAX, PushAddress};
use belfry_protocol::user::UserProfile;
use belfry_store::*;

/// A device whose address is this text; texts of up to 32 bytes have hashes of their own.
fn device(id: &str, address: &str) -> NewDevice {
    let mut address_hash = [0; 32];
    address_hash[..address.len()].copy_from_slice(address.as_bytes());
    NewDevice {
        id: id.to_owned(),
        address: PushAddress::Fcm { token: Some(address.to_owned()), installation_id: None },
        address_hash,
        locale: None,
        time_zone: None,
        app_version: None,
    }
}

impl TestStore {
    pub(crate) async fn put(&self, name: &str, id: &str, address: &str, now: UnixMs) -> Registered {
        self.store.put_device(&user(name), device(id, address), now).await.unwrap()
    }

    async fn device_ids(&self, name: &str) -> Vec<String> {
        self.store.devices(&user(name)).await.unwrap().into_iter().map(|row| row.id).collect()
    }
}

contract! {
    async fn a_device_is_kept_with_all_it_said_and_registering_again_renews_it(it: TestStore) {
        let phone = NewDevice {
            locale: Some("de".into()),
            time_zone: Some("Europe/Berlin".into()),
            app_version: Some("4.2.1".into()),
            ..device("phone", "token-1")
        };
        let registered = it.store.put_device(&user("ann"), phone.clone(), NOW).await.unwrap();
        assert_eq!(registered.moved_from, None);
        let row = DeviceRow {
            id: "phone".into(),
            address: phone.address.clone(),
            locale: phone.locale.clone(),
            time_zone: phone.time_zone.clone(),
            app_version: phone.app_version.clone(),
            registered_at: NOW,
            accepted_at: None,
            failure: None,
        };
        assert_eq!(registered.device, row);
        it.put("ann", "browser", "token-2", NOW).await;
        assert_eq!(it.device_ids("ann").await, ["browser", "phone"]);
        assert_eq!(it.store.devices(&user("bob")).await.unwrap(), []);
        assert_eq!(it.store.user(&user("bob")).await.unwrap(), None, "looking makes nobody");

        it.store.device_answered(&user("ann"), "phone", DeviceAnswer::Accepted, after(5)).await.unwrap();
        let refused = DeviceAnswer::Failed("QUOTA_EXCEEDED".into());
        it.store.device_answered(&user("ann"), "phone", refused, after(6)).await.unwrap();
        let it = it.as_after_a_crash().await;
        let found = it.store.devices(&user("ann")).await.unwrap().remove(1);
        let noted = DeviceRow { accepted_at: Some(after(5)), failure: Some("QUOTA_EXCEEDED".into()), ..row };
        assert_eq!(found, noted);
        // The same address again: what it took before still says something; a new one starts afresh.
        let again = it.store.put_device(&user("ann"), phone, after(7)).await.unwrap().device;
        assert_eq!(again, DeviceRow { registered_at: after(7), failure: None, ..noted });
        assert_eq!(it.put("ann", "phone", "token-3", after(8)).await.device.accepted_at, None);
        it.store.device_answered(&user("ann"), "gone", DeviceAnswer::Accepted, after(9)).await.unwrap();
        assert_eq!(it.device_ids("ann").await, ["browser", "phone"]);
    }

    async fn registering_an_address_moves_it_from_whoever_had_it(it: TestStore) {
        it.put("ann", "tablet", "shared", NOW).await;
        it.put("ann", "phone", "anns-own", NOW).await;
        let moved = it.put("bob", "living-room", "shared", after(1)).await;
        assert_eq!(moved.moved_from, Some((user("ann"), "tablet".to_owned())));
        assert_eq!(it.device_ids("ann").await, ["phone"]);
        assert_eq!(it.device_ids("bob").await, ["living-room"]);
        // Both traces say so.
        let of_ann = it.store.device_moves(&user("ann")).await.unwrap();
        let went = DeviceMove { at: after(1), device: "tablet".into(), direction: MoveDirection::Went, other: user("bob") };
        assert_eq!(of_ann, std::slice::from_ref(&went));
        let came = DeviceMove { device: "living-room".into(), direction: MoveDirection::Came, other: user("ann"), ..went };
        assert_eq!(it.store.device_moves(&user("bob")).await.unwrap(), [came]);
        // Within one person an address only changes its device, and nobody is told.
        let renamed = it.put("ann", "new-name", "anns-own", after(2)).await;
        assert_eq!(renamed.moved_from, None);
        assert_eq!(it.device_ids("ann").await, ["new-name"]);
        assert_eq!(it.store.device_moves(&user("ann")).await.unwrap().len(), 1);
        // A device can take over the address of another one of the same person and lose its own.
        it.put("ann", "second", "other", after(3)).await;
        it.put("ann", "second", "anns-own", after(4)).await;
        assert_eq!(it.device_ids("ann").await, ["second"]);
        let it = it.as_after_a_crash().await;
        assert_eq!((it.device_ids("ann").await, it.device_ids("bob").await), (vec!["second".into()], vec!["living-room".into()]));
    }

    async fn a_user_has_so_many_devices_and_no_more(it: TestStore) {
        for n in 0..DEVICES_PER_USER_MAX {
            it.put("ann", &format!("device-{n:02}"), &format!("token-{n:02}"), NOW).await;
        }
        let refused = it.store.put_device(&user("ann"), device("one-more", "new"), NOW).await;
        assert_eq!(refused, Err(DeviceError::TooMany));
        it.put("bob", "bobs", "of-bob", NOW).await;
        let refused = it.store.put_device(&user("ann"), device("one-more", "of-bob"), NOW).await;
        assert_eq!(refused, Err(DeviceError::TooMany));
        assert_eq!(it.device_ids("bob").await, ["bobs"], "what is refused takes nothing from anybody");
        // At the limit an old one can be renewed, and an address can change its device.
        it.put("ann", "device-03", "renewed", NOW).await;
        it.put("ann", "one-more", "token-04", NOW).await;
        let ids = it.device_ids("ann").await;
        assert_eq!(ids.len(), DEVICES_PER_USER_MAX);
        assert!(ids.contains(&"one-more".to_owned()) && !ids.contains(&"device-04".to_owned()));
    }

    async fn an_address_that_is_gone_is_forgotten_unless_it_was_registered_since(it: TestStore) {
        it.put("ann", "phone", "old", NOW).await;
        it.put("ann", "phone", "new", after(10)).await;
        assert!(!it.store.forget_address(&user("ann"), "phone", Some(after(9))).await.unwrap());
        assert_eq!(it.device_ids("ann").await, ["phone"]);
        assert!(it.store.forget_address(&user("ann"), "phone", Some(after(10))).await.unwrap());
        assert_eq!(it.device_ids("ann").await, [] as [&str; 0]);
        it.put("ann", "phone", "new", after(11)).await;
        assert!(it.store.forget_address(&user("ann"), "phone", None).await.unwrap());
        it.put("ann", "phone", "new", after(12)).await;
        assert!(!it.store.delete_device(&user("bob"), "phone").await.unwrap());
        assert!(it.store.delete_device(&user("ann"), "phone").await.unwrap());
        assert!(!it.store.delete_device(&user("ann"), "phone").await.unwrap());
    }

    async fn people_come_with_all_that_a_delivery_asks_of_them(it: TestStore) {
        let profile = UserProfile { email: Some("ann@example.org".into()), locale: Some("de".into()), ..UserProfile::default() };
        it.store.put_user(&user("ann"), profile.clone(), NOW).await.unwrap();
        it.put("ann", "phone", "token-1", NOW).await;
        it.tell("ann").await;
        it.tell_all().await;
        it.store.connect(&user("bob"), NOW).await.unwrap();
        let asked = [user("nobody"), user("bob"), user("ann"), user("bob")];
        let found = it.store.recipients(&asked).await.unwrap();
        assert_eq!(found.iter().map(|one| one.user.as_str()).collect::<Vec<_>>(), ["bob", "ann"]);
        assert_eq!((&found[1].profile, found[1].unread, found[0].unread), (&profile, 2, 0));
        assert_eq!(found[1].devices, it.store.devices(&user("ann")).await.unwrap());
        assert_eq!(found[1].settings(), it.store.settings(&user("ann"), NOW).await.unwrap());
        assert_eq!(it.store.user(&user("nobody")).await.unwrap(), None);
        // From disk it is the same.
        let it = it.reopened().await;
        assert_eq!(it.store.recipients(&asked).await.unwrap(), found);
        assert_eq!(it.store.recipients(&[]).await.unwrap(), []);
    }

    async fn an_erased_user_leaves_no_address_behind(it: TestStore) {
        it.put("ann", "phone", "token-1", NOW).await;
        it.put("bob", "phone", "token-2", NOW).await;
        it.put("ann", "second", "token-2", NOW).await;
        it.store.delete_user(&user("ann")).await.unwrap();
        assert_eq!(it.store.devices(&user("ann")).await.unwrap(), []);
        assert_eq!(it.store.device_moves(&user("bob")).await.unwrap(), [], "it named the other one");
        // The address is free, and whoever registers it took it from nobody.
        assert_eq!(it.put("bob", "phone", "token-1", NOW).await.moved_from, None);
        it.tell("ann").await;
        assert_eq!(it.store.devices(&user("ann")).await.unwrap(), [], "a new one with this id is somebody else");
        it.store.close().await.unwrap();
        assert_eq!((it.count("devices"), it.count("device_moves")), (1, 0));
    }

    async fn an_export_holds_devices_and_preferences(it: TestStore) {
        it.publish(Audience::User(user("ann")), content()).await;
        it.put("ann", "phone", "token-1", NOW).await;
        it.store.unsubscribe(&user("ann"), "deals", NOW).await.unwrap();
        let page = it.store.export_user(&user("ann"), None, 10).await.unwrap().unwrap();
        assert_eq!(page.devices, it.store.devices(&user("ann")).await.unwrap());
        assert_eq!(page.preferences.categories["deals"].email, Some(false));
    }
}
