//! Keys made for the test, and tokens with any header and payload.

use crate::auth::{Verifier, VerifierOptions};
use crate::clock::{self, Now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The second at which the tests play.
pub(super) const NOON: i64 = 1_800_000_000;
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A moment, counted from [`NOON`]; both clocks move together.
pub(super) fn at(seconds: i64) -> Now {
    let shift = std::time::Duration::from_secs(seconds.unsigned_abs());
    let instant = clock::now().instant;
    let instant = if seconds < 0 { instant - shift } else { instant + shift };
    Now { at: Timestamp::from_second(NOON + seconds).unwrap(), instant }
}

/// A private key and what is published of it.
pub(super) struct Signer {
    pub(super) key: EncodingKey,
    pub(super) algorithm: Algorithm,
    pub(super) public_pem: String,
    pub(super) public_raw: Vec<u8>,
}

impl Signer {
    pub(super) fn hmac(secret: &str) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.as_bytes()),
            algorithm: Algorithm::HS256,
            public_pem: String::new(),
            public_raw: Vec::new(),
        }
    }

    pub(super) fn rsa() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self {
            key,
            algorithm: Algorithm::RS256,
            public_pem: pair.public_key_pem(),
            public_raw: pair.public_key_raw().to_vec(),
        }
    }

    pub(super) fn p256() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self {
            key,
            algorithm: Algorithm::ES256,
            public_pem: pair.public_key_pem(),
            public_raw: pair.public_key_raw().to_vec(),
        }
    }

    pub(super) fn p384() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self {
            key,
            algorithm: Algorithm::ES384,
            public_pem: pair.public_key_pem(),
            public_raw: pair.public_key_raw().to_vec(),
        }
    }

    pub(super) fn ed25519() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self {
            key,
            algorithm: Algorithm::EdDSA,
            public_pem: pair.public_key_pem(),
            public_raw: pair.public_key_raw().to_vec(),
        }
    }

    /// The key as it is published.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |curve: &str| {
            let (x, y) = self.public_raw[1..].split_at(self.public_raw.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
        };
        let mut jwk = match self.algorithm {
            Algorithm::ES256 => point("P-256"),
            Algorithm::ES384 => point("P-384"),
            Algorithm::EdDSA => json!({"kty": "OKP", "crv": "Ed25519", "x": text(&self.public_raw)}),
            _ => serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap(),
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token of Ann's that lives for ten minutes.
    pub(super) fn token(&self, kid: Option<&str>) -> String {
        let mut header = json!({"alg": name(self.algorithm), "typ": "JWT"});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        self.sign(&header, &ann())
    }

    /// A token with this header and payload, signed with this key's own algorithm whatever the header says.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// Claims that every verifier of the tests accepts.
pub(super) fn ann() -> Value {
    json!({"sub": "ann", "iat": NOON - 60, "exp": NOON + 600})
}

pub(super) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub(super) fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

/// Verifies HS256 tokens of [`SECRET`].
pub(super) fn options() -> VerifierOptions {
    VerifierOptions::with_secret(SecretString::from(SECRET))
}

pub(super) fn verifier(options: VerifierOptions) -> Verifier {
    Verifier::new(options).unwrap()
}
