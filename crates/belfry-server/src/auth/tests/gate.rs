//! Credential, origin and token in their one order.

use super::signing::{NOON, SECRET, Signer, ann, at, options, verifier};
use crate::auth::{
    Asking, CookieNames, Gate, Identity, Loopback, Origins, Place, Refusal, Source, TokenError,
};
use belfry_protocol::{CloseCode, ErrorCode};
use belfry_store::UnixMs;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use std::sync::Arc;

fn gate() -> Gate {
    let origins = Origins::new(&["https://app.example"], Loopback::Listed).unwrap();
    Gate::new(Arc::new(verifier(options())), origins, CookieNames::default()).unwrap()
}

async fn ask(
    place: Place,
    method: Method,
    lines: &[(&'static str, String)],
    query: Option<&str>,
) -> Result<(Identity, Source), Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    gate().user(Asking { method: &method, headers: &headers, query, place }, at(0)).await
}

fn good() -> String {
    Signer::hmac(SECRET).token(None)
}

fn origin(origin: &str) -> (&'static str, String) {
    ("origin", origin.to_owned())
}

#[tokio::test]
async fn every_place_of_a_good_token_opens() {
    let token = good();
    let header = [("authorization", format!("Bearer {token}"))];
    let entry = [("sec-websocket-protocol", format!("belfry.v1, bearer.{token}"))];
    let query = format!("token={token}");
    let cookie = [("cookie", format!("accessToken={token}")), origin("https://app.example")];
    let ask = |lines: Vec<_>, query: Option<String>| async move {
        ask(Place::Socket, Method::GET, &lines, query.as_deref())
            .await
            .map(|(who, source)| (who.user.to_string(), source))
    };
    let ann = |source| Ok(("ann".to_owned(), source));
    assert_eq!(ask(header.to_vec(), None).await, ann(Source::Header));
    assert_eq!(ask(entry.to_vec(), None).await, ann(Source::Subprotocol));
    assert_eq!(ask(vec![], Some(query)).await, ann(Source::Query));
    assert_eq!(ask(cookie.to_vec(), None).await, ann(Source::Cookie));
}

#[tokio::test]
async fn nothing_and_bad_tokens_are_refused_with_their_codes() {
    let missing = ask(Place::Api, Method::GET, &[], None).await.unwrap_err();
    assert_eq!(missing, TokenError::Missing.into());
    assert_eq!(
        (missing.error_code(), missing.close_code()),
        (ErrorCode::Unauthorized, CloseCode::TokenInvalid)
    );
    let mut claims = ann();
    claims["exp"] = json!(NOON - 1);
    let expired = Signer::hmac(SECRET).sign(&json!({"alg": "HS256"}), &claims);
    let expired = ask(Place::Api, Method::GET, &[("authorization", format!("Bearer {expired}"))], None).await;
    let expired = expired.unwrap_err();
    assert_eq!(
        (expired.error_code(), expired.close_code()),
        (ErrorCode::TokenExpired, CloseCode::TokenExpired)
    );
    let alone =
        ask(Place::Socket, Method::GET, &[("sec-websocket-protocol", format!("bearer.{}", good()))], None)
            .await;
    assert_eq!(alone.unwrap_err().error_code().status(), 400);
}

#[tokio::test]
async fn a_bad_token_is_not_made_good_by_a_later_one() {
    let lines = [
        ("authorization", "Bearer x".to_owned()),
        ("cookie", format!("token={}", good())),
        origin("https://app.example"),
    ];
    assert!(ask(Place::Socket, Method::GET, &lines, None).await.is_err());
}

#[tokio::test]
async fn a_cookie_needs_its_page_on_the_list() {
    let cookie = || ("cookie", format!("token={}", good()));
    for (place, method) in
        [(Place::Socket, Method::GET), (Place::Api, Method::POST), (Place::Api, Method::DELETE)]
    {
        let refused =
            ask(place, method.clone(), &[cookie(), origin("https://evil.example")], None).await.unwrap_err();
        assert_eq!(
            (refused.error_code(), refused.close_code()),
            (ErrorCode::OriginNotAllowed, CloseCode::OriginNotAllowed)
        );
        assert!(refused.to_string().contains("`https://evil.example` is not in `auth.allowed_origins`"));
        let own_page = ("sec-fetch-site", "same-origin".to_owned());
        assert!(
            ask(place, method, &[cookie(), own_page], None).await.is_err(),
            "a change needs Origin itself"
        );
    }
    for place in [Place::Api, Place::Events] {
        let own_page = ("sec-fetch-site", "same-origin".to_owned());
        assert!(ask(place, Method::GET, &[cookie(), own_page], None).await.is_ok());
        assert!(ask(place, Method::GET, &[cookie()], None).await.is_err());
    }
}

#[tokio::test]
async fn a_query_token_opens_no_api() {
    let query = format!("token={}", good());
    assert_eq!(
        ask(Place::Api, Method::GET, &[], Some(&query)).await.unwrap_err(),
        TokenError::Missing.into()
    );
    assert!(ask(Place::Events, Method::GET, &[], Some(&query)).await.is_ok());
}

#[tokio::test]
async fn revoked_identities_are_refused() {
    let gate = gate();
    let (who, _) =
        ask(Place::Api, Method::GET, &[("authorization", format!("Bearer {}", good()))], None).await.unwrap();
    assert_eq!(gate.check_revoked(&who, None), Ok(()));
    assert_eq!(gate.check_revoked(&who, Some(UnixMs((NOON - 61) * 1_000))), Ok(()));
    let refused = gate.check_revoked(&who, Some(UnixMs((NOON - 60) * 1_000))).unwrap_err();
    assert_eq!(
        (refused.error_code(), refused.close_code()),
        (ErrorCode::TokenRevoked, CloseCode::TokenRevoked)
    );
}

#[test]
fn a_star_with_cookies_opens_no_gate() {
    let origins = Origins::new(&["*"], Loopback::Listed).unwrap();
    let error =
        Gate::new(Arc::new(verifier(options())), origins.clone(), CookieNames::default()).unwrap_err();
    assert_eq!(error.key, "auth.allowed_origins");
    let no_cookies = CookieNames::new(Vec::<String>::new()).unwrap();
    assert!(Gate::new(Arc::new(verifier(options())), origins, no_cookies).is_ok());
}
