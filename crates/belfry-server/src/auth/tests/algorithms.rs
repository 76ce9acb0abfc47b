//! Every algorithm, and every way to confuse one with another.

use super::signing::{SECRET, Signer, ann, at, name, options, part, verifier};
use crate::auth::{PublicKeyOptions, SecretOptions, TokenError, Verifier, VerifierOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde_json::json;

fn public(signer: &Signer, kid: Option<&str>) -> PublicKeyOptions {
    PublicKeyOptions { kid: kid.map(str::to_owned), algorithm: None, pem: signer.public_pem.clone() }
}

fn knowing(keys: Vec<PublicKeyOptions>) -> Verifier {
    verifier(VerifierOptions { public_keys: keys, ..VerifierOptions::default() })
}

fn check(verifier: &Verifier, token: &str) -> Result<String, TokenError> {
    verifier.verify_at_once(token, at(0)).map(|identity| identity.user.to_string())
}

fn accepted() -> Result<String, TokenError> {
    Ok("ann".to_owned())
}

#[test]
fn hmac_of_all_three_lengths_is_verified() {
    let verifier = verifier(options());
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let signer = Signer { algorithm, ..Signer::hmac(SECRET) };
        assert_eq!(check(&verifier, &signer.token(None)), accepted(), "{algorithm:?}");
        let other = Signer { algorithm, ..Signer::hmac("another-secret-another-secret-an") };
        assert_eq!(check(&verifier, &other.token(None)), Err(TokenError::SignatureInvalid));
    }
}

#[test]
fn rsa_is_verified() {
    let mut signer = Signer::rsa();
    let verifier = knowing(vec![public(&signer, None)]);
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ] {
        signer.algorithm = algorithm;
        assert_eq!(check(&verifier, &signer.token(None)), accepted(), "{algorithm:?}");
    }
    assert_eq!(check(&verifier, &Signer::rsa().token(None)), Err(TokenError::SignatureInvalid));
}

#[test]
fn elliptic_curves_are_verified() {
    for (signer, other) in [
        (Signer::p256(), Signer::p256()),
        (Signer::p384(), Signer::p384()),
        (Signer::ed25519(), Signer::ed25519()),
    ] {
        let verifier = knowing(vec![public(&signer, Some("k"))]);
        assert_eq!(check(&verifier, &signer.token(Some("k"))), accepted(), "{:?}", signer.algorithm);
        assert_eq!(check(&verifier, &signer.token(None)), accepted());
        assert_eq!(check(&verifier, &other.token(Some("k"))), Err(TokenError::SignatureInvalid));
    }
}

#[test]
fn eddsa_may_call_itself_ed25519() {
    let signer = Signer::ed25519();
    let token = signer.sign(&json!({"alg": "Ed25519"}), &ann());
    assert_eq!(check(&knowing(vec![public(&signer, None)]), &token), accepted());
}

#[test]
fn unsigned_tokens_are_refused() {
    let verifier = verifier(options());
    for none in ["none", "None", "NONE", "nOnE", "", "HS1", "ES256K", "dir"] {
        let message = format!("{}.{}", part(&json!({"alg": none})), part(&ann()));
        assert_eq!(check(&verifier, &format!("{message}.")), Err(TokenError::AlgorithmUnsupported), "{none}");
        let signed = Signer::hmac(SECRET).sign(&json!({"alg": none}), &ann());
        assert_eq!(check(&verifier, &signed), Err(TokenError::AlgorithmUnsupported), "{none}");
    }
    let unsigned = format!("{}.{}.", part(&json!({"alg": "HS256"})), part(&ann()));
    assert_eq!(check(&verifier, &unsigned), Err(TokenError::SignatureInvalid));
}

#[test]
fn a_public_key_is_never_taken_for_a_shared_secret() {
    let rsa = Signer::rsa();
    let der =
        STANDARD.decode(rsa.public_pem.lines().filter(|l| !l.starts_with('-')).collect::<String>()).unwrap();
    let forged_by_text = Signer::hmac(&rsa.public_pem);
    let mut forged_by_bytes = Signer::hmac("");
    forged_by_bytes.key = jsonwebtoken::EncodingKey::from_secret(&der);
    for kid in [None, Some("k")] {
        let verifier = knowing(vec![public(&rsa, Some("k"))]);
        for forged in [&forged_by_text, &forged_by_bytes] {
            assert_eq!(check(&verifier, &forged.token(kid)), Err(TokenError::AlgorithmMismatch));
        }
    }
}

#[test]
fn a_header_cannot_choose_another_family_for_a_key() {
    let (rsa, p256) = (Signer::rsa(), Signer::p256());
    let verifier = verifier(VerifierOptions {
        secrets: vec![SecretOptions { kid: Some("h".to_owned()), secret: SecretString::from(SECRET) }],
        public_keys: vec![public(&rsa, Some("r")), public(&p256, Some("e"))],
        ..VerifierOptions::default()
    });
    assert_eq!(check(&verifier, &rsa.token(Some("r"))), accepted());
    for (signer, kid) in [(&rsa, "e"), (&rsa, "h"), (&p256, "r"), (&p256, "h"), (&Signer::hmac(SECRET), "r")]
    {
        assert_eq!(check(&verifier, &signer.token(Some(kid))), Err(TokenError::AlgorithmMismatch), "{kid}");
    }
    let lying = Signer::hmac(SECRET).sign(&json!({"alg": "RS256", "kid": "h"}), &ann());
    assert_eq!(check(&verifier, &lying), Err(TokenError::AlgorithmMismatch));
    let lying = p256.sign(&json!({"alg": "ES384", "kid": "e"}), &ann());
    assert_eq!(check(&verifier, &lying), Err(TokenError::AlgorithmMismatch));
}

#[test]
fn a_revoked_key_verifies_nothing_even_what_it_verified_before() {
    let (one, two) = (Signer::p256(), Signer::p384());
    let verifier = knowing(vec![public(&one, Some("one")), public(&two, None)]);
    let tokens = [one.token(Some("one")), one.token(None), two.token(Some("nobody's")), two.token(None)];
    let check_all = || tokens.each_ref().map(|token| check(&verifier, token));
    assert_eq!(check_all(), [accepted(), accepted(), accepted(), accepted()]);
    verifier.set_key_revoked("one", true);
    let revoked = || Err(TokenError::Revoked);
    assert_eq!(check_all(), [revoked(), revoked(), accepted(), accepted()], "also where it is not named");
    verifier.set_key_revoked("nobody's", true);
    assert_eq!(check_all(), [revoked(), revoked(), revoked(), accepted()], "a name that only tokens know");
    let forged = two.token(Some("one"));
    assert_eq!(check(&verifier, &forged), Err(TokenError::AlgorithmMismatch), "the signature comes first");
    verifier.set_key_revoked("one", false);
    assert_eq!(check_all(), [accepted(), accepted(), revoked(), accepted()]);
}

#[test]
fn the_kid_of_another_key_is_refused() {
    let (one, two) = (Signer::p256(), Signer::p256());
    let verifier = knowing(vec![public(&one, Some("one")), public(&two, Some("two"))]);
    assert_eq!(check(&verifier, &one.token(Some("one"))), accepted());
    assert_eq!(check(&verifier, &one.token(Some("two"))), Err(TokenError::SignatureInvalid));
    assert_eq!(check(&verifier, &one.token(Some("three"))), Err(TokenError::KeyUnknown));
    assert_eq!(check(&verifier, &two.token(None)), accepted(), "without a name every fitting key is tried");
}

#[test]
fn a_nameless_key_serves_tokens_of_any_name_that_no_other_key_has() {
    let (named, nameless) = (Signer::p256(), Signer::p256());
    let verifier = knowing(vec![public(&named, Some("k")), public(&nameless, None)]);
    assert_eq!(check(&verifier, &nameless.token(Some("anything"))), accepted());
    assert_eq!(check(&verifier, &nameless.token(Some("k"))), Err(TokenError::SignatureInvalid));
    assert_eq!(check(&verifier, &named.token(Some("anything"))), Err(TokenError::SignatureInvalid));
}

#[test]
fn crit_is_refused() {
    for crit in [json!(["exp"]), json!([]), json!("b64")] {
        let token = Signer::hmac(SECRET).sign(&json!({"alg": "HS256", "crit": crit}), &ann());
        assert_eq!(check(&verifier(options()), &token), Err(TokenError::CriticalHeader));
    }
}

#[test]
fn keys_in_the_header_are_ignored() {
    let (known, own) = (Signer::p256(), Signer::p256());
    let header = json!({"alg": "ES256", "jwk": own.jwk("x"), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"});
    let verifier = knowing(vec![public(&known, None)]);
    assert_eq!(check(&verifier, &own.sign(&header, &ann())), Err(TokenError::SignatureInvalid));
}

#[test]
fn a_key_may_be_kept_to_one_algorithm() {
    let mut signer = Signer::rsa();
    let only =
        |algorithm: &str| PublicKeyOptions { algorithm: Some(algorithm.to_owned()), ..public(&signer, None) };
    let verifier = knowing(vec![only("RS512")]);
    let refused =
        Verifier::new(VerifierOptions { public_keys: vec![only("ES256")], ..VerifierOptions::default() });
    assert!(refused.unwrap_err().to_string().contains("is no key for `ES256`, it is one for RS256, "));
    assert_eq!(check(&verifier, &signer.token(None)), Err(TokenError::AlgorithmMismatch));
    signer.algorithm = Algorithm::RS512;
    assert_eq!(check(&verifier, &signer.token(None)), accepted());
}

#[test]
fn keys_that_cannot_serve_are_refused_at_start_and_told_why() {
    let small = {
        let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
        der.extend([0xc1; 128]);
        der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", STANDARD.encode(der))
    };
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let cases = [
        ("", "no public key in PEM form"),
        ("not PEM", "no public key in PEM form"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key in PEM form"),
        (&private, "is a private key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is a certificate"),
        (&small, "fewer than 2048"),
    ];
    for (pem, wanted) in cases {
        let key = PublicKeyOptions { kid: Some("k".to_owned()), algorithm: None, pem: pem.to_owned() };
        let error = Verifier::new(VerifierOptions { public_keys: vec![key], ..VerifierOptions::default() })
            .unwrap_err();
        assert_eq!(error.key, "auth.jwt_public_keys");
        assert!(error.problem.starts_with("the key `k` ") && error.problem.contains(wanted), "{error}");
    }
    let key = || public(&Signer::p256(), Some("k"));
    let twice = VerifierOptions { public_keys: vec![key(), key()], ..VerifierOptions::default() };
    assert!(Verifier::new(twice).unwrap_err().problem.contains("same `kid`"));
}

#[test]
fn names_of_algorithms_are_those_of_the_standard() {
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA", "PS512"] {
        assert_eq!(name(algorithm.parse().unwrap()), algorithm);
    }
}
