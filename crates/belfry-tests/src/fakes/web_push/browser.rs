//! The browser's side of a subscription.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// A subscription as a browser makes it; its private key stays here.
#[derive(Clone)]
pub struct Subscription {
    /// Its name at the push service.
    pub id: String,
    /// Where pushes for it go.
    pub endpoint: String,
    /// Its public key, base64url.
    pub p256dh: String,
    /// Its secret, base64url.
    pub auth: String,
    /// The public key of the server it was made for, base64url.
    pub server_key: String,
    private: Arc<PrivateKey>,
    secret: [u8; 16],
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.id)
    }
}

/// So many bytes are wanted.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], secret: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let expanded = extracted.expand(&info, Bytes(length)).expect("a short length");
    expanded.fill(&mut bytes).expect("the length fits");
    bytes
}

impl Subscription {
    pub(super) fn make(id: String, endpoint: String, server_key: String) -> Self {
        let private = PrivateKey::generate(&ECDH_P256).expect("a key is made");
        let public = private.compute_public_key().expect("it has a public one");
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).expect("there is randomness");
        Self {
            id,
            endpoint,
            p256dh: URL_SAFE_NO_PAD.encode(public.as_ref()),
            auth: URL_SAFE_NO_PAD.encode(secret),
            server_key,
            private: Arc::new(private),
            secret,
        }
    }

    /// The text of a body: one record, as RFC 8291 wants it.
    pub(super) fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (salt, rest) = body.split_at_checked(16).ok_or("no salt")?;
        let (size, rest) = rest.split_at_checked(4).ok_or("no record size")?;
        let size = u32::from_be_bytes(size.try_into().expect("four bytes"));
        let (length, rest) = rest.split_first().ok_or("no key id")?;
        let (sender, record) =
            rest.split_at_checked(usize::from(*length)).ok_or("a key id that is cut off")?;
        if sender.len() != 65 {
            return Err("no public key of the sender");
        }
        if record.len() > size as usize || size > 4_096 {
            return Err("more than one record");
        }
        let public = URL_SAFE_NO_PAD.decode(&self.p256dh).expect("it was encoded here");
        let info = [b"WebPush: info\0".as_slice(), &public, sender].concat();
        let input = agree(
            &self.private,
            UnparsedPublicKey::new(&ECDH_P256, sender),
            "a key off the curve",
            |shared| Ok(expand(&self.secret, shared, &info, 32)),
        )?;
        let key = expand(salt, &input, b"Content-Encoding: aes128gcm\0", 16);
        let nonce: [u8; NONCE_LEN] =
            expand(salt, &input, b"Content-Encoding: nonce\0", NONCE_LEN).try_into().expect("twelve bytes");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("sixteen bytes"));
        let mut record = record.to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
            .map_err(|_| "it cannot be decrypted")?;
        let end = plain.iter().rposition(|byte| *byte != 0).ok_or("nothing but padding")?;
        match plain[end] {
            2 => Ok(plain[..end].to_vec()),
            _ => Err("the last record is not marked as the last"),
        }
    }
}
