//! How people can be reached: everything the dispatcher asks of a person, for many people at once.

use crate::inner::Inner;
use crate::memory::Core;
use crate::sql::Connection;
use crate::{DeviceRow, Settings, StoreError, devices, users};
use belfry_protocol::preferences::Preferences;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{DoNotDisturb, UserId};
use std::sync::Arc;

/// A person to whom something is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user: UserId,
    /// E-mail address, language, time zone, name.
    pub profile: UserProfile,
    /// Why no mail goes to the address of the profile.
    pub email_suppressed: Option<String>,
    /// When they want no noise.
    pub do_not_disturb: DoNotDisturb,
    /// What they want by which way.
    pub preferences: Preferences,
    /// Where a push goes, in order of the ids.
    pub devices: Vec<DeviceRow>,
    /// Unread items, as shown.
    pub unread: u32,
    /// Rises with each change of the settings.
    pub settings_rev: u64,
}

impl Recipient {
    /// What decides about noise.
    pub fn settings(&self) -> Settings {
        Settings {
            do_not_disturb: self.do_not_disturb.clone(),
            time_zone: self.profile.time_zone.clone(),
            locale: self.profile.locale.clone(),
            rev: self.settings_rev,
        }
    }
}

/// Reads these people, in this order, each once; those who are not known are left out.
pub(crate) async fn recipients(inner: &Inner, wanted: &[UserId]) -> Result<Vec<Recipient>, StoreError> {
    let mut people: Vec<(UserId, Option<Core>)> = Vec::with_capacity(wanted.len());
    let mut seen = std::collections::HashSet::with_capacity(wanted.len());
    for user in wanted.iter().filter(|user| seen.insert((*user).clone())) {
        people.push((user.clone(), inner.shared.memory.core(user)));
    }
    let shared = Arc::clone(&inner.shared);
    let read = move |conn: &Connection| {
        crate::announcements::refresh(conn, &shared.memory)?;
        let mut found = Vec::with_capacity(people.len());
        for (user, warm) in people {
            // Who is not warm is only looked at, not kept: most people of a batch are not here.
            let core = match warm {
                Some(core) => core,
                None => match users::load(conn, &user)? {
                    Some((core, _)) => core,
                    None => continue,
                },
            };
            let devices = devices::of_user(conn, core.key)?;
            let unread = shared.memory.standing(&core).unread.total();
            found.push(recipient(user, &core, devices, unread));
        }
        Ok(found)
    };
    inner.readers.read(read).await
}

fn recipient(user: UserId, core: &Core, devices: Vec<DeviceRow>, unread: u32) -> Recipient {
    let known = &core.profile;
    Recipient {
        user,
        profile: known.profile.clone(),
        email_suppressed: known.email_suppressed.as_deref().map(str::to_owned),
        do_not_disturb: known.do_not_disturb.clone(),
        preferences: known.preferences().clone(),
        devices,
        unread,
        settings_rev: known.settings_rev,
    }
}
