//! What a token must say.

use super::signing::{NOON, SECRET, Signer, ann, at, options, part, verifier};
use crate::auth::{Identity, Minter, NewToken, TOKEN_BYTES_MAX, TokenError, Verifier, VerifierOptions};
use belfry_protocol::{CloseCode, ErrorCode, UserId};
use belfry_store::UnixMs;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use std::time::Duration;

fn check(options: VerifierOptions, claims: &Value) -> Result<Identity, TokenError> {
    let token = Signer::hmac(SECRET).sign(&json!({"alg": "HS256"}), claims);
    verifier(options).verify_at_once(&token, at(0))
}

/// Ann's claims with one changed (`null` removes it).
fn with(name: &str, value: Value) -> Value {
    let mut claims = ann();
    claims[name] = value;
    claims
}

fn user_of(claims: &Value) -> Result<String, TokenError> {
    check(options(), claims).map(|identity| identity.user.to_string())
}

fn assert_refused(error: &TokenError, code: ErrorCode, close: CloseCode) {
    assert_eq!((error.error_code(), error.close_code()), (code, close), "{error}");
}

#[test]
fn a_good_token_tells_user_times_and_id() {
    let identity = check(options(), &with("jti", json!("t-1"))).unwrap();
    let expected = Identity {
        user: UserId::new("ann").unwrap(),
        issued_at: Some(UnixMs((NOON - 60) * 1_000)),
        expires_at: UnixMs((NOON + 600) * 1_000),
        kid: None,
        token_id: Some("t-1".into()),
    };
    assert_eq!(identity, expected);
}

#[test]
fn the_user_is_the_first_present_claim_as_text_or_integer() {
    assert_eq!(user_of(&json!({"userId": 42, "user_id": "x", "exp": NOON + 1})), Ok("42".to_owned()));
    assert_eq!(user_of(&json!({"user_id": "x", "exp": NOON + 1})), Ok("x".to_owned()));
    assert_eq!(user_of(&json!({"sub": null, "userId": "u", "exp": NOON + 1})), Ok("u".to_owned()));
    assert_eq!(user_of(&with("userId", json!("other"))), Ok("ann".to_owned()));
    assert_eq!(user_of(&with("sub", json!(u64::MAX))), Ok(u64::MAX.to_string()));
    let own = VerifierOptions { user_claims: vec!["uid".to_owned()], ..options() };
    assert_eq!(check(own, &with("uid", json!("u"))).unwrap().user.as_str(), "u");
}

#[test]
fn a_user_claim_that_is_no_id_is_refused_and_does_not_fall_through() {
    for bad in [
        json!(""),
        json!("  "),
        json!("a\nb"),
        json!("x".repeat(257)),
        json!(1.5),
        json!(true),
        json!({}),
        json!([]),
    ] {
        let claims = json!({"sub": bad, "userId": "ann", "exp": NOON + 1});
        let error = user_of(&claims).unwrap_err();
        assert!(matches!(&error, TokenError::ClaimInvalid { name, .. } if name == "sub"), "{bad}");
        assert_refused(&error, ErrorCode::Unauthorized, CloseCode::TokenInvalid);
    }
    let error = user_of(&json!({"exp": NOON + 1})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token names no user: none of the claims `sub`, `userId`, `user_id` is present"
    );
}

#[test]
fn expiry_is_required_and_exact() {
    let error = user_of(&with("exp", Value::Null)).unwrap_err();
    assert_eq!(error, TokenError::ExpiryMissing);
    assert_refused(&error, ErrorCode::Unauthorized, CloseCode::TokenInvalid);
    assert!(user_of(&with("exp", json!(NOON + 1))).is_ok());
    for passed in [json!(NOON), json!(NOON - 1), json!(0)] {
        let error = user_of(&with("exp", passed)).unwrap_err();
        assert_refused(&error, ErrorCode::TokenExpired, CloseCode::TokenExpired);
    }
    assert_eq!(
        check(options(), &with("exp", json!(NOON as f64 + 0.5))).unwrap().expires_at,
        UnixMs(NOON * 1_000 + 500)
    );
}

#[test]
fn times_that_are_no_seconds_since_1970_are_refused() {
    for name in ["exp", "iat", "nbf"] {
        for bad in [
            json!("1800000000"),
            json!(-1),
            json!((NOON + 600) * 1_000),
            json!(1e300),
            json!([1]),
            json!(u64::MAX),
        ] {
            let error = user_of(&with(name, bad.clone())).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the token's claim `{name}` is no time in seconds since 1970"),
                "{bad}"
            );
        }
    }
}

#[test]
fn nbf_and_iat_may_be_ahead_by_the_leeway() {
    for name in ["nbf", "iat"] {
        assert!(user_of(&with(name, json!(NOON + 30))).is_ok(), "{name}");
        let error = user_of(&with(name, json!(NOON + 31))).unwrap_err();
        assert!(matches!(error, TokenError::NotYetValid(claim) if claim == name));
        assert_refused(&error, ErrorCode::Unauthorized, CloseCode::TokenInvalid);
        let strict = VerifierOptions { leeway: Duration::ZERO, ..options() };
        assert!(check(strict, &with(name, json!(NOON + 1))).is_err());
    }
}

#[test]
fn issuer_is_checked_when_configured() {
    assert!(user_of(&with("iss", json!("anybody"))).is_ok());
    let configured = || VerifierOptions { issuers: vec!["https://id.example".to_owned()], ..options() };
    assert!(check(configured(), &with("iss", json!("https://id.example"))).is_ok());
    for bad in [Value::Null, json!("https://id.example/"), json!(["https://id.example"]), json!(1)] {
        assert_eq!(check(configured(), &with("iss", bad)), Err(TokenError::IssuerWrong));
    }
}

#[test]
fn audience_is_checked_when_configured() {
    assert!(user_of(&with("aud", json!("anything"))).is_ok());
    let configured = || VerifierOptions { audiences: vec!["belfry".to_owned()], ..options() };
    for good in [json!("belfry"), json!(["other", "belfry"])] {
        assert!(check(configured(), &with("aud", good)).is_ok());
    }
    for bad in [Value::Null, json!("other"), json!([]), json!([1]), json!({"belfry": 1})] {
        assert_eq!(check(configured(), &with("aud", bad)), Err(TokenError::AudienceWrong));
    }
}

#[test]
fn required_claims_keep_a_refresh_token_out() {
    let required = [("type".to_owned(), json!("access"))].into();
    let configured = || VerifierOptions { required_claims: Clone::clone(&required), ..options() };
    assert!(check(configured(), &with("type", json!("access"))).is_ok());
    assert!(check(configured(), &with("type", json!(["access", "x"]))).is_ok());
    for bad in [json!("refresh"), Value::Null, json!(["refresh"])] {
        let error = check(configured(), &with("type", bad)).unwrap_err();
        assert_eq!(error, TokenError::RequiredClaimWrong("type".to_owned()));
        assert_refused(&error, ErrorCode::Unauthorized, CloseCode::TokenInvalid);
    }
}

#[test]
fn what_is_no_jwt_is_refused() {
    let verifier = verifier(options());
    let check = |token: &str| verifier.verify_at_once(token, at(0)).unwrap_err();
    assert_eq!(check(""), TokenError::Missing);
    let good = Signer::hmac(SECRET).token(None);
    assert_eq!(check(&format!("{good}{}", "x".repeat(TOKEN_BYTES_MAX))), TokenError::TooLong);
    let five_parts = format!("{good}.a.b");
    let header_less = format!("!{good}");
    for bad in ["x", "a.b", "..", ".", "a.b.c", &five_parts, &header_less, "bk_notajwt"] {
        assert!(matches!(check(bad), TokenError::Malformed(_)), "{bad}");
    }
    for payload in [json!([]), json!("x"), json!(1)] {
        let token = Signer::hmac(SECRET).sign(&json!({"alg": "HS256"}), &payload);
        assert_eq!(check(&token), TokenError::Malformed("its payload is no JSON object"));
    }
}

#[test]
fn no_refusal_repeats_the_token_and_every_one_is_a_plain_sentence() {
    let all = [
        TokenError::Missing,
        TokenError::TooLong,
        TokenError::Malformed("it has not three parts"),
        TokenError::AlgorithmUnsupported,
        TokenError::AlgorithmMismatch,
        TokenError::CriticalHeader,
        TokenError::KeyUnknown,
        TokenError::KeysUnavailable,
        TokenError::SignatureInvalid,
        TokenError::ExpiryMissing,
        TokenError::Expired(UnixMs(NOON * 1_000)),
        TokenError::NotYetValid("nbf"),
        TokenError::ClaimInvalid { name: "sub".to_owned(), problem: "is empty" },
        TokenError::IssuerWrong,
        TokenError::AudienceWrong,
        TokenError::RequiredClaimWrong("type".to_owned()),
        TokenError::UserMissing("sub".to_owned()),
        TokenError::Revoked,
    ];
    for error in all {
        assert!(error.to_string().contains(' '));
        let is_reconnect = error == TokenError::KeysUnavailable;
        assert_eq!(error.retry_after().is_some(), is_reconnect);
        assert_eq!(error.close_code().advice() == belfry_protocol::Advice::Reconnect, is_reconnect);
    }
    assert_eq!(TokenError::Expired(UnixMs(0)).to_string(), "the token expired at 1970-01-01T00:00:00Z");
    assert_eq!(TokenError::Revoked.close_code(), CloseCode::TokenRevoked);
    let token = Signer::hmac("another-secret-another-secret-an").token(Some("kid-of-mine"));
    let error = verifier(options()).verify_at_once(&token, at(0)).unwrap_err();
    assert_eq!(error, TokenError::SignatureInvalid);
    assert!(token.split('.').all(|part| !error.to_string().contains(part)));
    assert!(!error.to_string().contains("kid-of-mine"));
}

#[test]
fn a_remembered_token_still_expires() {
    let verifier = verifier(options());
    let token = Signer::hmac(SECRET).token(None);
    assert_eq!(verifier.verify_at_once(&token, at(0)), verifier.verify_at_once(&token, at(599)));
    assert!(matches!(verifier.verify_at_once(&token, at(600)), Err(TokenError::Expired(_))));
    let mut changed = token.clone();
    changed.replace_range(token.len() - 2.., "AA");
    assert_eq!(verifier.verify_at_once(&changed, at(0)), Err(TokenError::SignatureInvalid));
}

#[test]
fn minted_tokens_satisfy_the_rules_they_were_minted_for() {
    let options = VerifierOptions {
        user_claims: vec!["uid".to_owned(), "sub".to_owned()],
        issuers: vec!["https://id.example".to_owned()],
        audiences: vec!["belfry".to_owned()],
        required_claims: [("type".to_owned(), json!("access"))].into(),
        ..options()
    };
    let minter = Minter::new(&options).unwrap();
    let mut extra = Map::new();
    extra.insert("uid".to_owned(), json!("somebody-else"));
    extra.insert("jti".to_owned(), json!("j"));
    let token = minter.mint(NewToken {
        user: UserId::new("bob").unwrap(),
        issued_at: UnixMs(NOON * 1_000 + 999),
        expires_at: UnixMs((NOON + 60) * 1_000),
        extra,
    });
    let identity = Verifier::new(options).unwrap().verify_at_once(token.expose_secret(), at(0)).unwrap();
    assert_eq!((identity.user.as_str(), identity.token_id.as_deref()), ("bob", Some("j")));
    assert_eq!(identity.issued_at, Some(UnixMs(NOON * 1_000)));
    assert!(!format!("{token:?}").contains("eyJ"));
}

#[test]
fn settings_are_checked_at_start() {
    let short = VerifierOptions::with_secret("0123456789abcdef0123456789abcde".into());
    let error = Verifier::new(short.clone()).unwrap_err();
    assert_eq!(error.key, "auth.jwt_secret");
    assert!(error.to_string().contains("31 bytes") && error.to_string().contains("openssl rand"));
    assert_eq!(Minter::new(&short).unwrap_err().key, "auth.jwt_secret");
    assert_eq!(Minter::new(&VerifierOptions::default()).unwrap_err().key, "auth.jwt_secret");
    let nobody = VerifierOptions { user_claims: vec![], ..options() };
    assert_eq!(Verifier::new(nobody).unwrap_err().key, "auth.user_claims");
    assert!(verifier(options()).has_keys());
    assert!(!verifier(VerifierOptions::default()).has_keys());
}

proptest! {
    #[test]
    fn no_token_panics(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let verifier = verifier(options());
        prop_assert!(verifier.verify_at_once(&text, at(0)).is_err());
        let signed = Signer::hmac(SECRET);
        let parts = text.split('.').map(|t| part(&json!(t))).collect::<Vec<_>>().join(".");
        prop_assert!(verifier.verify_at_once(&parts, at(0)).is_err());
        let garbage = format!("{}.{}.x", part(&json!({"alg": "HS256", "kid": text})), part(&json!(bytes)));
        prop_assert!(verifier.verify_at_once(&garbage, at(0)).is_err());
        let odd = signed.sign(&json!({"alg": "HS256"}), &json!({"sub": text, "exp": bytes, "nbf": text}));
        prop_assert!(verifier.verify_at_once(&odd, at(0)).is_err());
    }

    #[test]
    fn a_changed_token_is_never_accepted(place in 0usize..1_000, bit in 0u8..7) {
        let verifier = verifier(options());
        let token = Signer::hmac(SECRET).token(None);
        let mut bytes = token.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verifier.verify_at_once(&changed, at(0)).is_err());
    }
}
