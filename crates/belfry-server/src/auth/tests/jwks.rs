//! Published keys: fetching, rotation, one fetch at a time, outage.

use super::jwks_server::JwksServer;
use super::signing::{SECRET, Signer, at, options};
use crate::auth::jwks::parse;
use crate::auth::{JwksError, JwksOptions, PlainHttp, TokenError, Verifier, VerifierOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

type IsExpected = fn(&JwksError) -> bool;

fn fetching(url: String) -> Arc<Verifier> {
    with_options(JwksOptions::new(url))
}

fn with_options(jwks: JwksOptions) -> Arc<Verifier> {
    Arc::new(Verifier::new(VerifierOptions { jwks: Some(jwks), ..options() }).unwrap())
}

/// Runs the task that fetches until the answer is dropped; returns when its first fetch has reached the server.
async fn fetcher(verifier: &Arc<Verifier>, server: &JwksServer) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let verifier = Arc::clone(verifier);
    tasks.spawn(async move { verifier.keep_keys_fresh().await });
    server.requested(1).await;
    tasks
}

async fn check(verifier: &Verifier, token: &str, seconds: i64) -> Result<String, TokenError> {
    within(verifier.verify(token, at(seconds))).await.map(|identity| identity.user.to_string())
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within the deadline")
}

fn accepted() -> Result<String, TokenError> {
    Ok("ann".to_owned())
}

#[tokio::test]
async fn published_keys_of_every_type_verify() {
    let signers = [Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519()];
    let keys: Vec<_> = signers.iter().map(|s| s.jwk(&format!("{:?}", s.algorithm))).collect();
    let server = JwksServer::start(&keys).await;
    let verifier = fetching(server.url());
    verifier.refresh_keys().await.unwrap();
    for signer in &signers {
        let kid = format!("{:?}", signer.algorithm);
        let identity = verifier.verify_at_once(&signer.token(Some(&kid)), at(0)).unwrap();
        assert_eq!(identity.kid.as_deref(), Some(kid.as_str()));
    }
    assert_eq!(check(&verifier, &Signer::hmac(SECRET).token(None), 0).await, accepted(), "the secret stays");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_its_name_appears_and_the_old_one_verifies_no_more() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = JwksServer::start(&[old.jwk("old")]).await;
    let verifier = fetching(server.url());
    let _fetcher = fetcher(&verifier, &server).await;
    assert_eq!(check(&verifier, &old.token(Some("old")), 0).await, accepted());
    server.publish(&[new.jwk("new")]);
    assert_eq!(
        check(&verifier, &new.token(Some("new")), 0).await,
        Err(TokenError::KeyUnknown),
        "within the cooldown"
    );
    assert_eq!(server.requests(), 1);
    assert_eq!(check(&verifier, &new.token(Some("new")), 31).await, accepted());
    assert_eq!(server.requests(), 2);
    // The same token as before: the new set began with an empty memory.
    assert_eq!(check(&verifier, &old.token(Some("old")), 1).await, Err(TokenError::KeyUnknown));
    assert_eq!(check(&verifier, &new.token(Some("new")), 1).await, accepted());
    assert_eq!(server.requests(), 2, "known names fetch nothing");
}

#[tokio::test]
async fn a_storm_of_unknown_names_is_one_fetch() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = JwksServer::start(&[old.jwk("old")]).await;
    let verifier = fetching(server.url());
    let _fetcher = fetcher(&verifier, &server).await;
    assert_eq!(check(&verifier, &old.token(Some("old")), 0).await, accepted());
    server.publish(&[old.jwk("old"), new.jwk("new")]);
    server.shut();
    let token = new.token(Some("new"));
    let storm = join_all((0..50).map(|_| check(&verifier, &token, 40)));
    let (answers, ()) = tokio::join!(storm, async {
        server.requested(2).await;
        server.open();
    });
    assert!(answers.into_iter().all(|answer| answer == accepted()));
    assert_eq!(server.requests(), 2);
    for name in ["x", "y", "z"] {
        assert_eq!(check(&verifier, &new.token(Some(name)), 20).await, Err(TokenError::KeyUnknown));
    }
    assert_eq!(server.requests(), 2, "at most one fetch per cooldown");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_break_off_the_fetch() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = JwksServer::start(&[old.jwk("old")]).await;
    let verifier = fetching(server.url());
    let _fetcher = fetcher(&verifier, &server).await;
    assert_eq!(check(&verifier, &old.token(Some("old")), 0).await, accepted());
    server.publish(&[new.jwk("new")]);
    server.shut();
    let token = new.token(Some("new"));
    tokio::select! {
        _ = verifier.verify(&token, at(40)) => panic!("nothing was answered yet"),
        () = server.requested(2) => {}
    }
    let (answer, ()) = tokio::join!(check(&verifier, &token, 41), async { server.open() });
    assert_eq!(answer, accepted());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn the_last_good_set_stays_while_the_address_is_down_or_broken() {
    let signer = Signer::p256();
    let server = JwksServer::start(&[signer.jwk("k")]).await;
    let verifier = fetching(server.url());
    verifier.refresh_keys().await.unwrap();
    let token = signer.token(Some("k"));
    let secret_set = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k"}]}).to_string();
    let too_many = json!({"keys": vec![json!({}); 65]}).to_string();
    let broken: [(u16, String, IsExpected); 8] = [
        (500, "oops".to_owned(), |e| matches!(e, JwksError::Status(500))),
        (404, String::new(), |e| matches!(e, JwksError::Status(404))),
        (302, server.url(), |e| matches!(e, JwksError::Status(302))),
        (200, "<html>".to_owned(), |e| matches!(e, JwksError::Malformed(_))),
        (200, too_many, |e| matches!(e, JwksError::Malformed(_))),
        (200, json!({"keys": []}).to_string(), |e| matches!(e, JwksError::NoUsableKey)),
        (200, secret_set, |e| matches!(e, JwksError::NoUsableKey)),
        (200, " ".repeat(1024 * 1024 + 1), |e| matches!(e, JwksError::TooLarge)),
    ];
    for (status, body, is_expected) in broken {
        server.respond(status, body);
        let error = verifier.refresh_keys().await.unwrap_err();
        assert!(is_expected(&error), "{error}");
        assert_eq!(check(&verifier, &token, 0).await, accepted());
    }
    assert_eq!(server.requests(), 9, "redirects are not followed");
    let url = server.url();
    server.stop().await;
    let error = within(verifier.refresh_keys()).await.unwrap_err();
    assert!(matches!(error, JwksError::Unreachable(_)));
    assert!(!error.to_string().contains(&url), "an address may hold a secret: {error}");
    assert_eq!(check(&verifier, &token, 0).await, accepted());
}

#[tokio::test]
async fn without_any_set_yet_a_client_is_told_to_come_back_with_the_same_token() {
    let signer = Signer::p256();
    let server = JwksServer::start(&[]).await;
    let verifier = fetching(server.url());
    let _fetcher = fetcher(&verifier, &server).await;
    let refused = check(&verifier, &signer.token(Some("k")), 0).await;
    assert_eq!(refused, Err(TokenError::KeysUnavailable));
    assert_eq!(check(&verifier, &Signer::hmac(SECRET).token(None), 0).await, accepted(), "other keys go on");
    server.publish(&[signer.jwk("k")]);
    assert_eq!(check(&verifier, &signer.token(Some("k")), 60).await, accepted());
}

#[tokio::test]
async fn a_fetch_has_a_time_out() {
    let server = JwksServer::start(&[]).await;
    server.shut();
    let verifier =
        with_options(JwksOptions { timeout: Duration::from_millis(50), ..JwksOptions::new(server.url()) });
    assert!(matches!(within(verifier.refresh_keys()).await, Err(JwksError::Unreachable(_))));
}

#[tokio::test]
async fn keys_are_fetched_again_by_age() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = JwksServer::start(&[old.jwk("k")]).await;
    let verifier =
        with_options(JwksOptions { refresh: Duration::from_millis(20), ..JwksOptions::new(server.url()) });
    let _fetcher = fetcher(&verifier, &server).await;
    server.requested(2).await;
    server.publish(&[new.jwk("k")]);
    let seen = server.requests();
    server.requested(seen + 2).await;
    assert_eq!(check(&verifier, &new.token(Some("k")), 0).await, accepted());
    assert_eq!(check(&verifier, &old.token(Some("k")), 0).await, Err(TokenError::SignatureInvalid));
}

#[tokio::test]
async fn shared_secrets_never_cause_a_fetch_and_nameless_tokens_do() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = JwksServer::start(&[old.jwk("old")]).await;
    let verifier = fetching(server.url());
    let _fetcher = fetcher(&verifier, &server).await;
    assert_eq!(check(&verifier, &old.token(None), 0).await, accepted());
    let forged = Signer::hmac("another-secret-another-secret-an").token(Some("x"));
    assert_eq!(check(&verifier, &forged, 40).await, Err(TokenError::SignatureInvalid));
    assert_eq!(server.requests(), 1);
    server.publish(&[new.jwk("new")]);
    assert_eq!(check(&verifier, &new.token(None), 40).await, accepted());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn without_an_address_nothing_is_fetched() {
    let verifier = Verifier::new(options()).unwrap();
    verifier.refresh_keys().await.unwrap();
    within(verifier.keep_keys_fresh()).await;
    let refused = verifier.verify(&Signer::p256().token(Some("k")), at(0)).await;
    assert_eq!(refused, Err(TokenError::AlgorithmMismatch));
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    let check = |url: &str, plain_http| {
        let jwks = JwksOptions { plain_http, ..JwksOptions::new(url) };
        Verifier::new(VerifierOptions { jwks: Some(jwks), ..VerifierOptions::default() })
            .map(|v| v.has_keys())
    };
    for good in ["http://127.0.0.1:1/k", "http://localhost/k", "http://[::1]:8/k"] {
        assert_eq!(check(good, PlainHttp::LoopbackOnly), Ok(true), "{good}");
    }
    for bad in ["http://id.example/k", "ftp://id.example/k", "file:///etc/passwd", "not an address", ""] {
        assert_eq!(check(bad, PlainHttp::LoopbackOnly).unwrap_err().key, "auth.jwks_url", "{bad}");
    }
    assert_eq!(check("http://id.example/k", PlainHttp::Allowed), Ok(true));
    assert!(check("ftp://id.example/k", PlainHttp::Allowed).is_err());
}

#[test]
fn a_set_gives_only_keys_that_may_check_signatures() {
    let changed = |name: &str, value: Value| {
        let mut jwk = Signer::p256().jwk("changed");
        jwk[name] = value;
        jwk
    };
    let mut small = Signer::rsa().jwk("small");
    small["n"] = json!("wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB");
    let useless = [
        json!("no object"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA"}),
        changed("use", json!("enc")),
        changed("key_ops", json!(["sign"])),
        changed("alg", json!("RS256")),
        changed("alg", json!("ECDH-ES")),
        changed("crv", json!("P-384")),
        changed("x", json!("AAAA")),
        changed("y", json!("%")),
        small,
    ];
    for key in &useless {
        let set = json!({ "keys": [key] }).to_string();
        assert!(matches!(parse(set.as_bytes()), Err(JwksError::NoUsableKey)), "{key}");
    }
    let mut set = useless.to_vec();
    set.push(changed("key_ops", json!(["verify"])));
    set.push(changed("use", Value::Null));
    assert_eq!(parse(json!({ "keys": set }).to_string().as_bytes()).unwrap().len(), 2);
}
