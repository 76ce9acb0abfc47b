//! Verification keys. A key knows its algorithms by its own type, so a token cannot choose how it is checked.

use super::SettingError;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;

/// Shortest secret for HS256, HS384 and HS512, in bytes.
pub const SECRET_BYTES_MIN: usize = 32;
/// Most keys that one set may hold.
pub(super) const SET_KEYS_MAX: usize = 64;
/// RSA keys from 2048 to 8192 bits, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

const SECRET_KEY: &str = "auth.jwt_secret";
const PUBLIC_KEYS_KEY: &str = "auth.jwt_public_keys";

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const EDWARDS: &[Algorithm] = &[Algorithm::EdDSA];

/// A shared secret for HS256, HS384 and HS512.
#[derive(Debug, Clone)]
pub struct SecretOptions {
    /// The `kid` of its tokens; without one it is tried for any.
    pub kid: Option<String>,
    /// At least [`SECRET_BYTES_MIN`] bytes.
    pub secret: SecretString,
}

/// A public key for RS256, ES256, EdDSA and their kin.
#[derive(Debug, Clone)]
pub struct PublicKeyOptions {
    /// The `kid` of its tokens; without one it is tried for any.
    pub kid: Option<String>,
    /// The only algorithm it is for; without one all those of its type.
    pub algorithm: Option<String>,
    /// The key as PEM.
    pub pem: String,
}

/// A key that can check signatures.
#[derive(Clone)]
pub(super) struct VerificationKey {
    kid: Option<Arc<str>>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl VerificationKey {
    /// A shared secret.
    pub(super) fn from_secret(options: &SecretOptions) -> Result<Self, SettingError> {
        let secret = options.secret.expose_secret().as_bytes();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(SettingError::new(
                SECRET_KEY,
                format!(
                    "the secret has {} bytes and needs at least {SECRET_BYTES_MIN}: anybody with one token could guess it; make one with `openssl rand -base64 48`",
                    secret.len()
                ),
            ));
        }
        Ok(Self {
            kid: options.kid.as_deref().map(Into::into),
            algorithms: HMAC.to_vec(),
            key: DecodingKey::from_secret(secret),
        })
    }

    /// A configured public key.
    pub(super) fn from_pem(options: &PublicKeyOptions) -> Result<Self, SettingError> {
        let name =
            options.kid.as_deref().map_or_else(|| "a key".to_owned(), |kid| format!("the key `{kid}`"));
        let refuse = |problem: &str| SettingError::new(PUBLIC_KEYS_KEY, format!("{name} {problem}"));
        let (key, all) = read_pem(&options.pem).map_err(refuse)?;
        let algorithms = match &options.algorithm {
            None => all.to_vec(),
            Some(wanted) => match algorithm(wanted).filter(|wanted| all.contains(wanted)) {
                Some(wanted) => vec![wanted],
                None => {
                    let all = all.iter().map(|a| format!("{a:?}")).collect::<Vec<_>>().join(", ");
                    let problem = format!("is no key for `{}`, it is one for {all}", wanted.escape_debug());
                    return Err(refuse(&problem));
                }
            },
        };
        Ok(Self { kid: options.kid.as_deref().map(Into::into), algorithms, key })
    }

    /// A key of a published set; `None` for one that does not sign, or that this version cannot check. Shared secrets
    /// have no place in a published set.
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs {
            return None;
        }
        let curve = jwk.crv.as_deref();
        let (key, all) = match jwk.kty.as_str() {
            "RSA" => {
                let (n, e) = (jwk.n.as_deref()?, jwk.e.as_deref()?);
                check_rsa(&URL_SAFE_NO_PAD.decode(n).ok()?, URL_SAFE_NO_PAD.decode(e).ok()?)?;
                (DecodingKey::from_rsa_components(n, e).ok()?, RSA)
            }
            "EC" => {
                let key = DecodingKey::from_ec_components(jwk.x.as_deref()?, jwk.y.as_deref()?).ok()?;
                let all = check_ec(key.try_get_as_bytes().ok()?)?;
                let named = if all == P256 { "P-256" } else { "P-384" };
                (key, (curve == Some(named)).then_some(all)?)
            }
            "OKP" if curve == Some("Ed25519") => {
                let key = DecodingKey::from_ed_components(jwk.x.as_deref()?).ok()?;
                parses(&ED25519, key.try_get_as_bytes().ok()?)?;
                (key, EDWARDS)
            }
            _ => return None,
        };
        let algorithms = match &jwk.alg {
            None => all.to_vec(),
            Some(wanted) => vec![algorithm(wanted).filter(|wanted| all.contains(wanted))?],
        };
        Some(Self { kid: jwk.kid.as_deref().map(Into::into), algorithms, key })
    }

    /// Its name, if it has one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The same, to be kept.
    pub(super) fn shared_kid(&self) -> Option<Arc<str>> {
        self.kid.clone()
    }

    /// Whether it may check signatures of this algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Checks a signature (base64url). `algorithm` must be one that fits.
    pub(super) fn verifies(&self, message: &[u8], signature: &str, algorithm: Algorithm) -> bool {
        self.fits(algorithm)
            && jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm).unwrap_or(false)
    }
}

/// A key of a published set (RFC 7517), as far as it is read.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The algorithm of this name in a token's header or a key.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    // RFC 9864 gives EdDSA over this curve a name of its own.
    if name == "Ed25519" { Some(Algorithm::EdDSA) } else { name.parse().ok() }
}

fn read_pem(pem: &str) -> Result<(DecodingKey, &'static [Algorithm]), &'static str> {
    if pem.contains("PRIVATE KEY") {
        return Err("is a private key: give the public one, `openssl pkey -in key.pem -pubout` makes it");
    }
    if pem.contains("BEGIN CERTIFICATE") {
        return Err(
            "is a certificate: give its public key, `openssl x509 -in cert.pem -noout -pubkey` prints it",
        );
    }
    let bytes = pem.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
        let known = key.try_get_as_bytes().ok().and_then(|der| rsa::PublicKey::from_der(der).ok());
        let modulus = known.ok_or("is no readable RSA key")?.modulus_len();
        if !MODULUS_BYTES.contains(&modulus) {
            return Err("is an RSA key of fewer than 2048 or more than 8192 bits");
        }
        return Ok((key, RSA));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
        let all = key.try_get_as_bytes().ok().and_then(check_ec);
        return Ok((key, all.ok_or("is a key on another curve than P-256 and P-384")?));
    }
    if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
        let valid = key.try_get_as_bytes().ok().and_then(|raw| parses(&ED25519, raw));
        return valid.map(|()| (key, EDWARDS)).ok_or("is no readable Ed25519 key");
    }
    Err("is no public key in PEM form (`-----BEGIN PUBLIC KEY-----`) of type RSA, EC or Ed25519")
}

fn check_rsa(n: &[u8], e: Vec<u8>) -> Option<()> {
    let zeros = n.iter().take_while(|b| **b == 0).count();
    let n = n[zeros..].to_vec();
    if !MODULUS_BYTES.contains(&n.len()) {
        return None;
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok().map(|_| ())
}

fn check_ec(point: &[u8]) -> Option<&'static [Algorithm]> {
    match point.len() {
        65 => parses(&ECDSA_P256_SHA256_FIXED, point).map(|()| P256),
        97 => parses(&ECDSA_P384_SHA384_FIXED, point).map(|()| P384),
        _ => None,
    }
}

fn parses(algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> Option<()> {
    ParsedPublicKey::new(algorithm, key).ok().map(|_| ())
}

/// Which keys may check a token.
pub(super) enum Candidates<'k> {
    /// These, in this order.
    Try(Vec<&'k VerificationKey>),
    /// There is a key of that name, and it is not for that algorithm; or no key at all is.
    WrongAlgorithm,
    /// No key has that name.
    UnknownName,
}

/// Picks the keys for a token's `kid` and `alg`. A named key is used for its own name only; a nameless one for any
/// name that no other key has.
pub(super) fn candidates<'k>(
    keys: impl Iterator<Item = &'k VerificationKey> + Clone,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Candidates<'k> {
    let named = |key: &&VerificationKey| kid.is_some() && key.kid() == kid;
    let mut chosen: Vec<_> = keys.clone().filter(named).collect();
    if !chosen.is_empty() {
        chosen.retain(|key| key.fits(algorithm));
        return if chosen.is_empty() { Candidates::WrongAlgorithm } else { Candidates::Try(chosen) };
    }
    let fitting: Vec<_> = keys.filter(|key| key.fits(algorithm)).collect();
    let any_fits = !fitting.is_empty();
    let chosen: Vec<_> = fitting.into_iter().filter(|key| kid.is_none() || key.kid().is_none()).collect();
    match (chosen.is_empty(), any_fits) {
        (false, _) => Candidates::Try(chosen),
        (true, true) => Candidates::UnknownName,
        (true, false) => Candidates::WrongAlgorithm,
    }
}
