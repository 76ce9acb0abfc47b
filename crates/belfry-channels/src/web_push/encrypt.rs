//! Encryption of a push message for one browser: RFC 8291 over RFC 8188, a single record.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Bytes of a record: what every push service takes.
const RECORD_BYTES: usize = 4_096;
/// Salt, record size, key length, key.
const HEADER_BYTES: usize = 16 + 4 + 1 + PUBLIC_KEY_BYTES;
const TAG_BYTES: usize = 16;
/// An uncompressed point on P-256.
pub(super) const PUBLIC_KEY_BYTES: usize = 65;
const AUTH_BYTES: usize = 16;
/// Longest message that fits into one record behind its header, with its delimiter and tag.
pub(super) const PLAINTEXT_BYTES_MAX: usize = RECORD_BYTES - HEADER_BYTES - 1 - TAG_BYTES;
/// After the last record's text.
const LAST_RECORD: u8 = 2;

/// Browsers leave the padding out, some libraries put it in.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads base64url, and base64 as well.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text.replace('+', "-").replace('/', "_")).ok()
}

/// A subscription's keys cannot be used, now and ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Not 65 bytes that are a point on the curve.
    #[error("`p256dh` is no public key: it needs 65 bytes of an uncompressed P-256 point, as base64url")]
    PublicKey,
    /// Not 16 bytes.
    #[error("`auth` is no secret: it needs 16 bytes, as base64url")]
    Auth,
}

/// What a browser's subscription gives to encrypt with.
pub(super) struct BrowserKeys {
    public: Vec<u8>,
    auth: Vec<u8>,
}

impl BrowserKeys {
    /// Reads and checks them.
    pub(super) fn parse(p256dh: &str, auth: &str) -> Result<Self, BadKeys> {
        let public = decode(p256dh)
            .filter(|key| key.len() == PUBLIC_KEY_BYTES && key.first() == Some(&4))
            .filter(|key| {
                agreement::ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, key)).is_ok()
            })
            .ok_or(BadKeys::PublicKey)?;
        let auth = decode(auth).filter(|auth| auth.len() == AUTH_BYTES).ok_or(BadKeys::Auth)?;
        Ok(Self { public, auth })
    }

    /// The body of a push: at most [`PLAINTEXT_BYTES_MAX`] bytes of text, with a key and a salt of its own.
    pub(super) fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, BadKeys> {
        let mut salt = [0u8; 16];
        aws_lc_rs::rand::fill(&mut salt).expect("the operating system's random source does not fail");
        let own = PrivateKey::generate(&ECDH_P256).expect("a key can always be made");
        self.encrypt_with(text, &own, &salt)
    }

    fn encrypt_with(&self, text: &[u8], own: &PrivateKey, salt: &[u8; 16]) -> Result<Vec<u8>, BadKeys> {
        assert!(text.len() <= PLAINTEXT_BYTES_MAX, "the caller keeps messages far shorter");
        let own_public = own.compute_public_key().expect("a private key has a public one");
        let own_public = own_public.as_ref();
        let peer = UnparsedPublicKey::new(&ECDH_P256, &self.public);
        let secret = agreement::agree(own, peer, BadKeys::PublicKey, |secret| Ok(secret.to_vec()))?;
        let input = derive(&self.auth, &secret, &[b"WebPush: info\0", &self.public, own_public]);
        let key = derive(salt, input.as_ref(), &[b"Content-Encoding: aes128gcm\0"]);
        let nonce = derive(salt, input.as_ref(), &[b"Content-Encoding: nonce\0"]);

        let key = UnboundKey::new(&AES_128_GCM, &key.as_ref()[..16]).expect("16 bytes are a key");
        let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..12]).expect("12 bytes are a nonce");
        let mut record = Vec::with_capacity(text.len() + 1 + TAG_BYTES);
        record.extend_from_slice(text);
        record.push(LAST_RECORD);
        LessSafeKey::new(key)
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
            .expect("a record is far below the cipher's limit");

        let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
        body.extend_from_slice(salt);
        body.extend_from_slice(&u32::try_from(RECORD_BYTES).expect("4096 fits").to_be_bytes());
        body.push(u8::try_from(own_public.len()).expect("a point has 65 bytes"));
        body.extend_from_slice(own_public);
        body.extend_from_slice(&record);
        Ok(body)
    }
}

/// HKDF with SHA-256 for at most 32 bytes, which takes one round.
fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> hmac::Tag {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let mut expand = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
    for part in info {
        expand.update(part);
    }
    expand.update(&[1]);
    expand.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_rfc_8291_comes_out_byte_for_byte() {
        let keys = BrowserKeys::parse(P256DH, AUTH).unwrap();
        let own = decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let own = PrivateKey::from_private_key(&ECDH_P256, &own).unwrap();
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").unwrap().try_into().unwrap();
        let body = keys.encrypt_with(b"When I grow up, I want to be a watermelon", &own, &salt).unwrap();
        assert_eq!(
            LENIENT.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w\
             EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn the_longest_message_fills_one_record_and_no_two_bodies_are_alike() {
        let keys = BrowserKeys::parse(P256DH, AUTH).unwrap();
        assert_eq!(PLAINTEXT_BYTES_MAX, 3_993);
        let text = [b'x'; PLAINTEXT_BYTES_MAX];
        let body = keys.encrypt(&text).unwrap();
        assert_eq!(body.len(), RECORD_BYTES);
        assert_ne!(body, keys.encrypt(&text).unwrap());
    }

    #[test]
    fn keys_that_can_never_be_used_are_told_apart() {
        let parse = |p256dh: &str, auth: &str| BrowserKeys::parse(p256dh, auth).map(|_| ());
        assert_eq!(parse("", AUTH), Err(BadKeys::PublicKey));
        assert_eq!(parse(&P256DH[..80], AUTH), Err(BadKeys::PublicKey));
        // Of the right length, but not on the curve.
        assert_eq!(parse(&P256DH.replace("Aiw4", "Aiw8"), AUTH), Err(BadKeys::PublicKey));
        assert_eq!(parse(P256DH, "c2hvcnQ"), Err(BadKeys::Auth));
        assert_eq!(parse(P256DH, "?"), Err(BadKeys::Auth));
        // Padding, and the other alphabet.
        assert_eq!(
            parse(&format!("{}=", P256DH.replace('_', "/").replace('-', "+")), &format!("{AUTH}==")),
            Ok(())
        );
    }
}
