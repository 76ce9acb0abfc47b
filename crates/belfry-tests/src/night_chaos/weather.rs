//! What providers do in a bad night, and what they heard.

use crate::fakes::{answer, apns, fcm, http2, smtp};
use crate::providers::Providers;
use belfry_server::clock;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a provider does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Busy,
    Broken,
    Gone,
    /// Does not take it, and never says so.
    Silent,
    /// Takes it, and never says so.
    Mute,
    /// Takes it, and breaks off before the answer.
    Cut,
}

/// A call that a provider heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Whether it was taken.
    pub took: bool,
    /// Whether an answer went back.
    pub answered: bool,
}

#[derive(Debug, Default)]
struct Sky {
    /// Nothing happens but what is always so.
    clear: AtomicBool,
    /// Everything is taken and nothing is answered: whoever is killed now never learns of it.
    hush: AtomicBool,
    /// By address, in the order they came.
    calls: Mutex<HashMap<String, Vec<Call>>>,
}

/// The weather over all providers. What becomes of an address's n-th call is always the same under one seed.
#[derive(Debug, Clone)]
pub struct Weather {
    seed: u64,
    /// Not even first answers are lost.
    fair: bool,
    sky: Arc<Sky>,
}

impl Weather {
    /// Bad.
    pub fn new(seed: u64) -> Self {
        Self { seed, fair: false, sky: Arc::default() }
    }

    /// Good: some addresses are gone, as always, and nothing is lost. A mail whose answer was lost is sent again only after
    /// a minute.
    pub fn fair(seed: u64) -> Self {
        let weather = Self { fair: true, ..Self::new(seed) };
        weather.clear(true);
        weather
    }

    /// Clears up, or not.
    pub fn clear(&self, clear: bool) {
        self.sky.clear.store(clear, Ordering::Relaxed);
    }

    /// From now on everything is taken and nothing is answered, or no longer.
    pub fn hush(&self, hush: bool) {
        self.sky.hush.store(hush, Ordering::Relaxed);
    }

    /// Everything that was heard so far, by address.
    pub fn calls(&self) -> HashMap<String, Vec<Call>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Call>>> {
        self.sky.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dice(&self, of: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, of).hash(&mut hasher);
        hasher.finish()
    }

    /// Some addresses are gone, always the same ones.
    fn is_gone(&self, address: &str) -> bool {
        self.dice(address).is_multiple_of(10)
    }

    /// `lost`: how an answer gets lost here.
    fn chance(&self, address: &str, number: usize, lost: Trouble) -> Option<Trouble> {
        if self.is_gone(address) {
            return Some(Trouble::Gone);
        }
        if self.sky.hush.load(Ordering::Relaxed) {
            return Some(Trouble::Mute);
        }
        // Some first answers are lost in any weather, where that makes nobody wait.
        if !self.fair
            && lost == Trouble::Cut
            && number == 0
            && self.dice((address, "first")).is_multiple_of(10)
        {
            return Some(lost);
        }
        if self.sky.clear.load(Ordering::Relaxed) {
            return None;
        }
        match self.dice((address, number)) % 100 {
            0..3 => Some(Trouble::Busy),
            3..30 => Some(Trouble::Broken),
            30..35 => Some(Trouble::Silent),
            35..40 => Some(Trouble::Mute),
            40..48 => Some(lost),
            _ => None,
        }
    }

    /// What becomes of a call to this address, which is written down.
    fn trouble(&self, address: &str, lost: Trouble) -> Option<Trouble> {
        let mut calls = self.lock();
        let calls = calls.entry(address.to_owned()).or_default();
        let trouble = self.chance(address, calls.len(), lost);
        let took = matches!(trouble, None | Some(Trouble::Mute | Trouble::Cut));
        let answered = !matches!(trouble, Some(Trouble::Silent | Trouble::Mute | Trouble::Cut));
        calls.push(Call { at: clock::now().unix_ms().0, took, answered });
        trouble
    }

    /// Hangs over all of them.
    pub fn over(&self, providers: &Providers) {
        let weather = self.clone();
        providers.fcm.script(move |message| {
            Some(match weather.trouble(&message.target, Trouble::Cut)? {
                Trouble::Busy => {
                    fcm::error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", Some("QUOTA_EXCEEDED"))
                }
                Trouble::Broken => fcm::error(500, "INTERNAL", "Internal error", Some("INTERNAL")),
                Trouble::Gone => {
                    fcm::error(404, "NOT_FOUND", "Requested entity was not found.", Some("UNREGISTERED"))
                }
                Trouble::Silent => http2::Act::Hang,
                Trouble::Mute => http2::Act::TakeAndHang,
                Trouble::Cut => http2::Act::TakeAndReset,
            })
        });
        let weather = self.clone();
        providers.apns.script(move |push| {
            Some(match weather.trouble(&push.token, Trouble::Cut)? {
                Trouble::Busy => apns::reason(429, "TooManyRequests"),
                Trouble::Broken => apns::reason(500, "InternalServerError"),
                Trouble::Gone => apns::gone("Unregistered", clock::now().at),
                Trouble::Silent => http2::Act::Hang,
                Trouble::Mute => http2::Act::TakeAndHang,
                Trouble::Cut => http2::Act::TakeAndReset,
            })
        });
        let weather = self.clone();
        providers.web_push.script(move |subscription| {
            Some(match weather.trouble(subscription, Trouble::Mute)? {
                Trouble::Busy => answer::Act::status(429, ""),
                Trouble::Broken => answer::Act::status(500, ""),
                Trouble::Gone => answer::Act::status(410, ""),
                Trouble::Silent => answer::Act::Hang,
                Trouble::Mute | Trouble::Cut => answer::Act::TakeAndHang,
            })
        });
        let weather = self.clone();
        providers.smtp.script(move |heard| weather.over_mail(heard));
    }

    fn over_mail(&self, heard: &smtp::Heard) -> Option<smtp::Act> {
        let address = match heard.step {
            // A mailbox that is gone is refused before there is a mail.
            smtp::Step::Rcpt => {
                heard.line.split(['<', '>']).nth(1).filter(|address| self.is_gone(address))?
            }
            smtp::Step::Dot => heard.line.as_str(),
            _ => return None,
        };
        Some(match self.trouble(address, Trouble::Cut)? {
            Trouble::Busy => smtp::Act::Say("451 4.3.2 Try again later".to_owned()),
            Trouble::Broken => smtp::Act::Close,
            Trouble::Gone => smtp::Act::Say("550 5.1.1 No such mailbox".to_owned()),
            Trouble::Silent => smtp::Act::Hang,
            Trouble::Mute => smtp::Act::TakeAndHang,
            Trouble::Cut => smtp::Act::TakeAndClose,
        })
    }
}
