//! What is sent: rendered, in one person's language, the same for all their addresses.

use belfry_protocol::{Action, AlertId, Severity, UserId};
use jiff::Timestamp;
use std::time::Duration;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The alert; of several, the first.
    pub alert: AlertId,
    /// For whom.
    pub user: UserId,
    /// Its kind.
    pub kind: String,
    /// What preferences are set on.
    pub category: String,
    /// How much it matters: `critical` is urgent everywhere.
    pub severity: Severity,
    /// Heading: one line.
    pub title: String,
    /// Text below it.
    pub body: Option<String>,
    /// The kind's own HTML for e-mail; `None`: the default layout. It is not escaped again.
    pub html: Option<String>,
    /// Where a click leads: absolute, `https:` or one of the configured schemes.
    pub link: Option<String>,
    /// A picture: absolute.
    pub image: Option<String>,
    /// Up to three buttons.
    pub actions: Vec<Action>,
    /// The alert's payload as JSON; left out where it does not fit.
    pub data: Option<String>,
    /// Notices of one thread belong together.
    pub thread: Option<String>,
    /// At most 32 characters of base64url: a notice with the same tag takes the place of an earlier one in the tray
    /// and at the push service, and a repeated attempt stays one notice.
    pub tag: String,
    /// The unread count to show on the app's icon.
    pub unread: u32,
    /// No sound, no vibration.
    pub quiet: bool,
    /// When it stops to matter.
    pub expires_at: Option<Timestamp>,
    /// When the alert was accepted.
    pub created_at: Timestamp,
    /// BCP 47 tag of the texts' language.
    pub locale: Option<String>,
    /// IANA name: times in a mail are written in it.
    pub time_zone: Option<String>,
    /// Absolute URL where a device without a credential reports that it has it.
    pub receipt_url: Option<String>,
    /// Absolute URL of one-click unsubscribe; `None`: there is nothing to unsubscribe from.
    pub unsubscribe_url: Option<String>,
    /// More than one: what a digest or a morning's summary gathers, oldest first.
    pub items: Vec<DigestItem>,
}

/// One alert of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestItem {
    /// The alert.
    pub alert: AlertId,
    /// Heading.
    pub title: String,
    /// Text below it.
    pub body: Option<String>,
    /// Where a click leads: absolute.
    pub link: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Notice {
    /// How long from now a provider should keep trying; `None`: it expired.
    pub fn time_to_live(&self, now: Timestamp, longest: Duration) -> Option<Duration> {
        let Some(expires_at) = self.expires_at else {
            return Some(longest);
        };
        let left = Duration::try_from(expires_at.duration_since(now)).ok()?;
        (!left.is_zero()).then(|| left.min(longest))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The moment at which the tests play.
    pub(crate) const NOW: &str = "2026-11-02T10:00:00Z";

    /// A notice with as little as possible.
    pub(crate) fn notice() -> Notice {
        let now: Timestamp = NOW.parse().unwrap();
        Notice {
            alert: AlertId::from_parts(now.as_millisecond() << 15, 7),
            user: "ann".parse().unwrap(),
            kind: "order-shipped".to_owned(),
            category: "orders".to_owned(),
            severity: Severity::Info,
            title: "Order shipped".to_owned(),
            body: None,
            html: None,
            link: None,
            image: None,
            actions: Vec::new(),
            data: None,
            thread: None,
            tag: "Y29sbGFwc2U".to_owned(),
            unread: 1,
            quiet: false,
            expires_at: None,
            created_at: now,
            locale: None,
            time_zone: None,
            receipt_url: None,
            unsubscribe_url: None,
            items: Vec::new(),
        }
    }

    #[test]
    fn a_provider_keeps_trying_until_the_notice_expires_or_as_long_as_it_can() {
        let now: Timestamp = NOW.parse().unwrap();
        let day = Duration::from_secs(86_400);
        let expiring =
            |seconds| Notice { expires_at: Some(now + jiff::SignedDuration::from_secs(seconds)), ..notice() };
        assert_eq!(notice().time_to_live(now, day), Some(day));
        assert_eq!(expiring(60).time_to_live(now, day), Some(Duration::from_secs(60)));
        assert_eq!(expiring(90_000).time_to_live(now, day), Some(day));
        assert_eq!(expiring(0).time_to_live(now, day), None);
        assert_eq!(expiring(-1).time_to_live(now, day), None);
    }
}
