//! Preferences, suppressed mail addresses, signing keys.

use crate::harness::*;
use belfry_protocol::preferences::{ChannelChoices, Preferences};
use belfry_protocol::user::UserProfile;
use std::collections::BTreeMap;

fn no_push_for(category: &str) -> Preferences {
    let choices = ChannelChoices { push: Some(false), email: None };
    Preferences { categories: BTreeMap::from([(category.to_owned(), choices)]), ..Preferences::default() }
}

fn with_address(email: &str) -> UserProfile {
    UserProfile { email: Some(email.to_owned()), ..UserProfile::default() }
}

impl TestStore {
    async fn suppressed(&self, name: &str) -> Option<String> {
        self.store.recipients(&[user(name)]).await.unwrap().remove(0).email_suppressed
    }
}

contract! {
    async fn preferences_are_replaced_and_have_a_revision(it: TestStore) {
        let ann = user("ann");
        assert_eq!(it.store.preferences(&ann, NOW).await.unwrap(), Preferences::default());
        let wanted = no_push_for("deals");
        let settings = it.store.set_preferences(&ann, wanted.clone(), NOW).await.unwrap();
        assert_eq!(settings.rev, 1);
        assert_eq!(it.store.settings(&ann, NOW).await.unwrap(), settings);
        assert_eq!(it.store.recipients(std::slice::from_ref(&ann)).await.unwrap()[0].preferences, wanted);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.preferences(&ann, NOW).await.unwrap(), wanted);
        assert_eq!(it.store.recipients(std::slice::from_ref(&ann)).await.unwrap()[0].preferences, wanted);
        assert_eq!(it.store.set_preferences(&ann, Preferences::default(), NOW).await.unwrap().rev, 2);
        assert_eq!(it.store.preferences(&ann, NOW).await.unwrap(), Preferences::default());
        // The other settings are as they were.
        it.store.put_user(&ann, with_address("ann@example.org"), NOW).await.unwrap();
        it.store.set_preferences(&ann, wanted.clone(), NOW).await.unwrap();
        assert_eq!(it.store.user(&ann).await.unwrap().unwrap().profile.email.as_deref(), Some("ann@example.org"));
        it.store.set_do_not_disturb(&ann, Default::default(), NOW).await.unwrap();
        assert_eq!(it.store.preferences(&ann, NOW).await.unwrap(), wanted);
    }

    async fn unsubscribing_turns_off_one_category_once_and_leaves_the_rest(it: TestStore) {
        let ann = user("ann");
        assert_eq!(it.store.unsubscribe(&ann, "deals", NOW).await.unwrap(), None);
        assert_eq!(it.store.user(&ann).await.unwrap(), None, "an erased user is not made anew");
        it.store.set_preferences(&ann, no_push_for("deals"), NOW).await.unwrap();
        assert_eq!(it.store.unsubscribe(&ann, "deals", NOW).await.unwrap().unwrap().rev, 2);
        assert_eq!(it.store.unsubscribe(&ann, "deals", NOW).await.unwrap(), None);
        assert_eq!(it.store.settings(&ann, NOW).await.unwrap().rev, 2);
        let off = ChannelChoices { push: Some(false), email: Some(false) };
        let wanted = Preferences { categories: BTreeMap::from([("deals".to_owned(), off)]), ..Preferences::default() };
        assert_eq!(it.store.preferences(&ann, NOW).await.unwrap(), wanted);
        it.store.unsubscribe(&ann, "jobs", NOW).await.unwrap();
        let it = it.as_after_a_crash().await;
        let kept = it.store.preferences(&ann, NOW).await.unwrap();
        assert_eq!(kept.categories["jobs"], ChannelChoices { push: None, email: Some(false) });
        assert_eq!((kept.categories["deals"], kept.default), (off, ChannelChoices::default()));
    }

    async fn a_suppressed_address_stays_so_until_the_application_gives_one(it: TestStore) {
        let ann = user("ann");
        assert!(!it.store.suppress_email(&ann, "ann@example.org", "550 5.1.1").await.unwrap());
        it.store.put_user(&ann, with_address("ann@example.org"), NOW).await.unwrap();
        assert!(!it.store.suppress_email(&ann, "old@example.org", "550 5.1.1").await.unwrap());
        assert_eq!(it.suppressed("ann").await, None, "an answer about an older address says nothing of this one");
        assert!(it.store.suppress_email(&ann, "ann@example.org", "550 5.1.1").await.unwrap());
        assert_eq!(it.suppressed("ann").await.as_deref(), Some("550 5.1.1"));
        it.store.set_preferences(&ann, no_push_for("deals"), NOW).await.unwrap();
        let it = it.as_after_a_crash().await;
        assert_eq!(it.suppressed("ann").await.as_deref(), Some("550 5.1.1"));
        it.store.put_user(&ann, with_address("ann@example.org"), NOW).await.unwrap();
        assert_eq!(it.suppressed("ann").await, None);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.suppressed("ann").await, None);
    }

    async fn a_signing_key_is_made_once_and_stays(it: TestStore) {
        let first = it.store.signing_key("tokens", [1; 32], NOW).await.unwrap();
        assert_eq!(first, [1; 32]);
        assert_eq!(it.store.signing_key("tokens", [2; 32], NOW).await.unwrap(), first);
        assert_eq!(it.store.signing_key("other", [3; 32], NOW).await.unwrap(), [3; 32]);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.signing_key("tokens", [4; 32], NOW).await.unwrap(), first);
    }
}
