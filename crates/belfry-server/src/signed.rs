//! Short texts that prove by themselves what they allow: receipts of pushes, unsubscribe links. Whoever holds one needs
//! no other credential, so each is bound to one purpose and one person.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_protocol::{AlertId, DeviceId, UserId};
use belfry_store::{Store, StoreError, UnixMs};
use uuid::Uuid;

/// The name of the key in the store.
const KEY_NAME: &str = "signed";
/// Bytes of the signature that a text carries: 128 bits cannot be guessed, and links stay short.
const TAG_BYTES: usize = 16;
/// Longest text that is looked at.
const TEXT_BYTES_MAX: usize = 2_048;
/// A receipt of an alert that does not expire is good for as long as a push service keeps a push.
const RECEIPT_MS_MAX: i64 = 28 * 24 * 60 * 60 * 1_000;

/// What a text is for. The letter is signed with it, so that no text does for another purpose.
const RECEIPT: u8 = b'r';
const UNSUBSCRIBE: u8 = b'u';

/// Signs texts and opens them again; all nodes of a store do it alike.
pub struct Signer {
    key: hmac::Key,
}

/// What a receipt's text proves: the push of this alert reached this device of this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptClaim {
    /// The alert.
    pub alert: AlertId,
    /// Whose.
    pub user: UserId,
    /// To which device.
    pub device: DeviceId,
}

/// What an unsubscribe link proves: a mail of this category went to this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubscribeClaim {
    /// Whose mail.
    pub user: UserId,
    /// What it was about.
    pub category: String,
}

/// Why a text proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Made elsewhere, for something else, or changed.
    #[error("it was not made by this server, or was changed on its way")]
    Forged,
    /// Its time is over.
    #[error("its alert has expired")]
    Expired,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// With the key that all nodes share; it is made when a store is first used.
    pub async fn of(store: &Store, now: UnixMs) -> Result<Self, StoreError> {
        let mut offered = [0; 32];
        aws_lc_rs::rand::fill(&mut offered).expect("the operating system's random source does not fail");
        Ok(Self::new(store.signing_key(KEY_NAME, offered, now).await?))
    }

    /// With this key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// The text with which a device reports what became of a push. It expires with its alert, at the latest after the
    /// 28 days that push services keep a push.
    pub fn receipt_token(
        &self,
        alert: AlertId,
        user: &UserId,
        device: &DeviceId,
        expires_at: Option<UnixMs>,
        now: UnixMs,
    ) -> String {
        let latest = now.0.saturating_add(RECEIPT_MS_MAX);
        let expires_at = expires_at.map_or(latest, |at| at.0.min(latest));
        let mut payload = vec![RECEIPT];
        payload.extend_from_slice(alert.as_uuid().as_bytes());
        payload.extend_from_slice(&expires_at.to_be_bytes());
        put_text(&mut payload, user.as_str());
        payload.extend_from_slice(device.as_str().as_bytes());
        self.sign(payload)
    }

    /// Opens a receipt's text.
    pub fn receipt(&self, text: &str, now: UnixMs) -> Result<ReceiptClaim, SignedError> {
        let payload = self.open(text, RECEIPT).ok_or(SignedError::Forged)?;
        let (claim, expires_at) = read_receipt(&payload).ok_or(SignedError::Forged)?;
        if expires_at < now.0 { Err(SignedError::Expired) } else { Ok(claim) }
    }

    /// The text of an unsubscribe link. It does not expire: people clear out old mails.
    pub fn unsubscribe_token(&self, user: &UserId, category: &str) -> String {
        let mut payload = vec![UNSUBSCRIBE];
        put_text(&mut payload, user.as_str());
        payload.extend_from_slice(category.as_bytes());
        self.sign(payload)
    }

    /// Opens the text of an unsubscribe link.
    pub fn unsubscribe(&self, text: &str) -> Result<UnsubscribeClaim, SignedError> {
        let payload = self.open(text, UNSUBSCRIBE).ok_or(SignedError::Forged)?;
        read_unsubscribe(&payload).ok_or(SignedError::Forged)
    }

    fn sign(&self, mut payload: Vec<u8>) -> String {
        let tag = hmac::sign(&self.key, &payload);
        payload.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(payload)
    }

    /// The payload behind the purpose's letter, if the signature is ours.
    fn open(&self, text: &str, purpose: u8) -> Option<Vec<u8>> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut payload = URL_SAFE_NO_PAD.decode(text).ok()?;
        let tag = payload.split_off(payload.len().checked_sub(TAG_BYTES)?);
        let expected = hmac::sign(&self.key, &payload);
        verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], &tag).ok()?;
        (payload.first() == Some(&purpose)).then(|| payload.split_off(1))
    }
}

/// A text with its length before it.
fn put_text(payload: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("an id has at most 256 bytes");
    payload.extend_from_slice(&length.to_be_bytes());
    payload.extend_from_slice(text.as_bytes());
}

fn take_text(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn read_receipt(payload: &[u8]) -> Option<(ReceiptClaim, i64)> {
    let (alert, rest) = payload.split_first_chunk::<16>()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let (user, device) = take_text(rest)?;
    let claim = ReceiptClaim {
        alert: Uuid::from_bytes(*alert).to_string().parse().ok()?,
        user: UserId::new(user).ok()?,
        device: DeviceId::new(std::str::from_utf8(device).ok()?).ok()?,
    };
    Some((claim, i64::from_be_bytes(*expires_at)))
}

fn read_unsubscribe(payload: &[u8]) -> Option<UnsubscribeClaim> {
    let (user, category) = take_text(payload)?;
    let category = std::str::from_utf8(category).ok().filter(|category| !category.is_empty())?;
    Some(UnsubscribeClaim { user: UserId::new(user).ok()?, category: category.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn claim() -> ReceiptClaim {
        ReceiptClaim {
            alert: AlertId::from_parts(AlertId::first_key_at(NOW.0), 7),
            user: UserId::new("ann/é").unwrap(),
            device: DeviceId::new("phone").unwrap(),
        }
    }

    fn receipt(signer: &Signer, expires_at: Option<UnixMs>) -> String {
        let ReceiptClaim { alert, user, device } = claim();
        signer.receipt_token(alert, &user, &device, expires_at, NOW)
    }

    #[test]
    fn what_was_signed_comes_out_again_until_it_expires() {
        let signer = Signer::new([7; 32]);
        let text = receipt(&signer, Some(UnixMs(NOW.0 + 10)));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert_eq!(signer.receipt(&text, UnixMs(NOW.0 + 10)), Ok(claim()));
        assert_eq!(signer.receipt(&text, UnixMs(NOW.0 + 11)), Err(SignedError::Expired));
        let text = receipt(&signer, None);
        assert_eq!(signer.receipt(&text, UnixMs(NOW.0 + RECEIPT_MS_MAX)), Ok(claim()));
        assert_eq!(signer.receipt(&text, UnixMs(NOW.0 + RECEIPT_MS_MAX + 1)), Err(SignedError::Expired));
        let user = UserId::new("ann").unwrap();
        let link = signer.unsubscribe_token(&user, "deals");
        assert_eq!(signer.unsubscribe(&link), Ok(UnsubscribeClaim { user, category: "deals".into() }));
    }

    #[test]
    fn a_text_of_another_key_or_purpose_and_any_changed_one_is_forged() {
        let signer = Signer::new([7; 32]);
        let text = receipt(&signer, None);
        let forged = |text: &str| {
            assert_eq!(signer.receipt(text, NOW), Err(SignedError::Forged), "{text}");
            assert_eq!(signer.unsubscribe(text), Err(SignedError::Forged), "{text}");
        };
        forged(&receipt(&Signer::new([8; 32]), None));
        assert_eq!(signer.unsubscribe(&text), Err(SignedError::Forged));
        let link = signer.unsubscribe_token(&UserId::new("ann").unwrap(), "deals");
        assert_eq!(signer.receipt(&link, NOW), Err(SignedError::Forged));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            forged(&URL_SAFE_NO_PAD.encode(changed));
        }
        for end in 0..bytes.len() {
            forged(&URL_SAFE_NO_PAD.encode(&bytes[..end]));
        }
        for noise in ["", "a", "not base64!", &"A".repeat(TEXT_BYTES_MAX + 1)] {
            forged(noise);
        }
    }

    #[test]
    fn the_key_is_not_for_logs() {
        assert_eq!(format!("{:?}", Signer::new([7; 32])), "Signer { .. }");
    }
}
