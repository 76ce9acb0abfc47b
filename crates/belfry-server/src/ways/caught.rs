//! What `belfry dev` does instead of sending: pushes and mails are caught, and shown on its page.

use belfry_channels::email::message;
use belfry_channels::{Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::Provider;
use futures_util::future::{BoxFuture, FutureExt, ready};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are kept.
const KEPT: usize = 100;
/// What stands at the foot of the mails.
const BRAND: &str = "belfry dev";

/// One push or mail as its person would have got it.
#[derive(Debug, Clone, Serialize)]
pub struct CaughtNotice {
    /// Counts up.
    pub number: u64,
    /// Who would have carried it.
    pub provider: Provider,
    /// For whom.
    pub user: String,
    /// Where to, shortened.
    pub address: String,
    /// When.
    pub at: Timestamp,
    /// Heading; of a mail its subject.
    pub title: String,
    /// Text below it.
    pub body: Option<String>,
    /// Where a click leads.
    pub link: Option<String>,
    /// The number on the app's icon.
    pub unread: u32,
    /// Without a sound.
    pub quiet: bool,
    /// What a digest gathers.
    pub items: Vec<String>,
    /// A push under the same tag took its place in the tray.
    pub replaced: bool,
    /// The mail's HTML.
    #[serde(skip)]
    pub mail: Option<String>,
    #[serde(skip)]
    tag: String,
}

/// What was caught, the newest last.
#[derive(Debug)]
pub struct Caught {
    notices: Mutex<VecDeque<CaughtNotice>>,
    key: String,
}

impl Default for Caught {
    fn default() -> Self {
        Self { notices: Mutex::default(), key: uuid::Uuid::new_v4().simple().to_string() }
    }
}

impl Caught {
    /// Ways that lead here.
    pub fn ways(self: &Arc<Self>) -> Vec<Arc<dyn Channel>> {
        let catcher = |provider| Arc::new(Catcher { provider, caught: Arc::clone(self) }) as Arc<dyn Channel>;
        [Provider::Fcm, Provider::Apns, Provider::WebPush, Provider::Smtp].map(catcher).into()
    }

    fn notices(&self) -> MutexGuard<'_, VecDeque<CaughtNotice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unguessable: a mail is opened in a tab of its own, which cannot send the page's token.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// All that is kept, the newest first.
    pub fn newest_first(&self) -> Vec<CaughtNotice> {
        self.notices().iter().rev().cloned().collect()
    }

    /// The mail with this number.
    pub fn mail(&self, number: u64) -> Option<String> {
        self.notices().iter().find(|one| one.number == number)?.mail.clone()
    }

    fn keep(&self, mut notice: CaughtNotice) {
        let mut notices = self.notices();
        notice.number = notices.back().map_or(1, |last| last.number + 1);
        if notice.provider != Provider::Smtp {
            let same = |one: &&mut CaughtNotice| one.tag == notice.tag && one.address == notice.address;
            notices.iter_mut().filter(same).for_each(|one| one.replaced = true);
        }
        notices.push_back(notice);
        if notices.len() > KEPT {
            notices.pop_front();
        }
    }
}

#[derive(Debug)]
struct Catcher {
    provider: Provider,
    caught: Arc<Caught>,
}

impl Channel for Catcher {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        let mail = match self.provider {
            Provider::Smtp => message::preview(notice, BRAND).ok().map(|mail| mail.html),
            _ => None,
        };
        self.caught.keep(CaughtNotice {
            number: 0,
            provider: self.provider,
            user: notice.user.as_str().to_owned(),
            address: address.shortened(),
            at: now,
            title: notice.title.clone(),
            body: notice.body.clone(),
            link: notice.link.clone(),
            unread: notice.unread,
            quiet: notice.quiet,
            items: notice.items.iter().map(|item| item.title.clone()).collect(),
            replaced: false,
            mail,
            tag: notice.tag.clone(),
        });
        let said = "caught by belfry dev".to_owned();
        ready(Ok(Receipt { said, ..Receipt::default() })).boxed()
    }

    fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        ready(Ok("belfry dev catches what would be sent".to_owned())).boxed()
    }
}
