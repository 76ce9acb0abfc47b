//! The page of `belfry dev`: what it serves, and whom it refuses.

use axum::Router;
use axum::body::Body;
use belfry_server::app::App;
use belfry_server::auth::ApiKeys;
use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Config, Mode, Scope};
use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

const PAGE_TOKEN: &str = "x-belfry-page-token";
const LOCAL: &str = "127.0.0.1:8787";

struct Dev {
    app: App,
    router: Router,
    api_key: SecretString,
    _folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the answer is JSON")
    }
}

async fn started(mode: Mode, base_path: &str) -> Dev {
    let folder = tempfile::tempdir().expect("a folder");
    let api_key = ApiKeys::generate().key;
    let mut config = Config { mode, ..Config::default() };
    config.server.data_dir = folder.path().to_owned();
    config.server.base_path = base_path.to_owned();
    config.auth.jwt_secret = Some(SecretString::from("a secret of at least thirty-two bytes"));
    config.api_keys.push(ApiKeyOptions {
        name: "dev".to_owned(),
        scopes: Scope::ALL.to_vec(),
        secret: ApiKeySecret::Plain(api_key.clone()),
    });
    std::fs::write(folder.path().join("api-key"), api_key.expose_secret()).expect("a file");
    let app = App::open(config).await.expect("opens");
    Dev { router: app.router(), app, api_key, _folder: folder }
}

impl Dev {
    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.expect("never fails").into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", path, headers, Body::empty())).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(request("POST", path, headers, Body::from(body.to_string()))).await
    }

    async fn page_token(&self) -> String {
        let page = self.get("/", &[]).await.text;
        let (_, rest) = page.split_once("data-page-token=\"").expect("the page holds its token");
        rest.split('"').next().expect("it ends").to_owned()
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == HOST) {
        request = request.header(HOST, LOCAL);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).expect("a request")
}

fn alert() -> Value {
    json!({"to": {"user": "ann"}, "kind": "job-completed", "title": "Done", "data": {"job_id": "7"}})
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn the_page_and_its_files_come_under_a_strict_policy() {
    let dev = started(Mode::Dev, "").await;
    let page = dev.get("/", &[]).await;
    let mut files: Vec<&str> = page.text.split('"').filter(|part| part.starts_with("/dev/")).collect();
    files.extend(["/dev/client.js", "/dev/items.js", "/dev/inbox.js", "/dev/publish.js", "/dev/toasts.js"]);
    assert!(files.contains(&"/dev/page.css") && files.contains(&"/dev/page.js"), "{files:?}");
    for path in files.into_iter().chain(["/"]) {
        let answer = dev.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let policy = answer.headers[CONTENT_SECURITY_POLICY].to_str().expect("text");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
        ] {
            assert!(policy.split("; ").any(|given| given == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(!answer.text.contains("{{"), "{path}");
        assert!(!answer.text.contains(dev.api_key.expose_secret()), "{path}");
    }
    let of = |path: &'static str| async { dev.get(path, &[]).await.headers[CONTENT_TYPE].clone() };
    assert_eq!(of("/").await, "text/html; charset=utf-8");
    assert_eq!(of("/dev/page.js").await, "text/javascript; charset=utf-8");
    assert_eq!(of("/dev/page.css").await, "text/css; charset=utf-8");
}

#[tokio::test]
async fn nothing_in_the_page_needs_a_weaker_policy() {
    let dev = started(Mode::Dev, "").await;
    let page = dev.get("/", &[]).await.text;
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.split('>').next().expect("a tag").contains("src="), "{script}");
    }
}

#[tokio::test]
async fn only_the_page_of_this_start_publishes_and_gets_tokens() {
    let (dev, other) = (started(Mode::Dev, "").await, started(Mode::Dev, "").await);
    let foreign = other.page_token().await;
    assert_ne!(foreign, dev.page_token().await);
    let key = format!("Bearer {}", dev.api_key.expose_secret());
    for token in [None, Some(""), Some("guessed"), Some(foreign.as_str())] {
        let mut headers = vec![JSON, (AUTHORIZATION.as_str(), key.as_str())];
        headers.extend(token.map(|token| (PAGE_TOKEN, token)));
        let answers = [
            dev.post("/dev/alerts", &headers, &alert()).await,
            dev.post("/dev/token", &headers, &json!({"user": "ann"})).await,
            dev.get("/dev/setup", &headers).await,
        ];
        for answer in answers {
            assert_eq!(
                (answer.status, answer.json()["code"].clone()),
                (StatusCode::FORBIDDEN, json!("forbidden"))
            );
        }
    }
    let token = dev.page_token().await;
    let inbox = inbox_of(&dev, &token, "ann").await;
    assert_eq!(inbox["items"], json!([]), "nothing was stored");
}

async fn inbox_of(dev: &Dev, page_token: &str, user: &str) -> Value {
    let minted = dev.post("/dev/token", &[JSON, (PAGE_TOKEN, page_token)], &json!({"user": user})).await;
    assert_eq!(minted.status, StatusCode::OK, "{}", minted.text);
    let bearer = format!("Bearer {}", minted.json()["token"].as_str().expect("a token"));
    let inbox = dev.get("/v1/inbox", &[(AUTHORIZATION.as_str(), &bearer)]).await;
    assert_eq!(inbox.status, StatusCode::OK, "{}", inbox.text);
    inbox.json()
}

#[tokio::test]
async fn what_the_page_publishes_is_in_that_users_inbox_and_in_no_other() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    let answer = dev.post("/dev/alerts", &[JSON, (PAGE_TOKEN, &token)], &alert()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let ann = inbox_of(&dev, &token, "ann").await;
    assert_eq!(ann["items"][0]["id"], answer.json()["id"]);
    assert_eq!(ann["unread"], 1);
    assert_eq!(inbox_of(&dev, &token, "bob").await["items"], json!([]));
}

#[tokio::test]
async fn a_refused_publish_names_every_fault() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    let wrong = json!({"to": {"users": []}, "kind": "k", "link": "javascript:alert(1)", "data": {}});
    let answer = dev.post("/dev/alerts", &[JSON, (PAGE_TOKEN, &token)], &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = answer.json();
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    assert!(pointers.contains(&"/link") && pointers.contains(&"/to/users"), "{pointers:?}");
}

#[tokio::test]
async fn a_form_of_another_page_cannot_post() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    let plain = ("content-type", "text/plain");
    let answer = dev.post("/dev/alerts", &[plain, (PAGE_TOKEN, &token)], &alert()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_foreign_host_and_a_foreign_origin_get_neither_page_nor_token() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    for host in ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "192.168.1.7:8787"] {
        for path in ["/", "/dev/page.js", "/dev/setup"] {
            let answer = dev.get(path, &[("host", host), (PAGE_TOKEN, &token)]).await;
            assert_eq!(answer.json()["code"], "host-not-allowed", "{host} {path}");
        }
        let headers = [JSON, ("host", host), (PAGE_TOKEN, token.as_str())];
        let answer = dev.post("/dev/alerts", &headers, &alert()).await;
        assert_eq!(answer.json()["code"], "host-not-allowed", "{host}");
    }
    // Another program on this machine may call `/v1`, but not read the page's token.
    for origin in ["http://localhost:3000", "http://127.0.0.1:3000", "https://evil.example", "null"] {
        let headers = [JSON, (ORIGIN.as_str(), origin), (PAGE_TOKEN, token.as_str())];
        for answer in [dev.get("/", &headers).await, dev.post("/dev/alerts", &headers, &alert()).await] {
            assert_eq!(answer.json()["code"], "origin-not-allowed", "{origin}");
        }
    }
    let own = [JSON, (ORIGIN.as_str(), "http://127.0.0.1:8787"), (PAGE_TOKEN, token.as_str())];
    assert_eq!(dev.post("/dev/alerts", &own, &alert()).await.status, StatusCode::ACCEPTED);
    for host in ["localhost:8787", "[::1]:8787", "127.0.0.1"] {
        assert_eq!(dev.get("/", &[("host", host)]).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn the_page_speaks_for_its_own_users_only() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    for user in ["root", "Ann", "ann "] {
        let answer = dev.post("/dev/token", &[JSON, (PAGE_TOKEN, &token)], &json!({"user": user})).await;
        assert!(answer.status.is_client_error() && answer.json().get("token").is_none(), "{user}");
    }
}

#[tokio::test]
async fn the_setup_offers_the_shipped_kinds_and_the_keys_file_but_never_the_key() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    let setup = dev.get("/dev/setup", &[(PAGE_TOKEN, &token)]).await;
    assert!(!setup.text.contains(dev.api_key.expose_secret()));
    let setup = setup.json();
    assert_eq!((setup["users"].clone(), setup["declared"].clone()), (json!(["ann", "bob"]), json!(false)));
    assert!(setup["api_key_file"].as_str().expect("a path").ends_with("api-key"));
    for kind in setup["kinds"].as_array().expect("kinds") {
        let mut alert = kind["sample"].clone();
        alert["to"] = json!({"everyone": true});
        alert["kind"] = kind["name"].clone();
        let answer = dev.post("/dev/alerts", &[JSON, (PAGE_TOKEN, &token)], &alert).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    }
}

#[tokio::test]
async fn under_a_base_path_the_page_names_its_files_below_it() {
    let configured = started(Mode::Dev, "/belfry").await;
    let slash = configured.get("/belfry/", &[]).await;
    assert_eq!(
        (slash.status, &slash.headers["location"]),
        (StatusCode::PERMANENT_REDIRECT, &HeaderValue::from_static("/belfry"))
    );
    let configured = configured.router;
    let nested = Router::new().nest("/tools/belfry", started(Mode::Dev, "").await.router);
    for (router, base) in [(configured, "/belfry"), (nested, "/tools/belfry")] {
        let get = |path: String| router.clone().oneshot(request("GET", &path, &[], Body::empty()));
        let page = get(base.to_owned()).await.expect("never fails");
        assert_eq!(page.status(), StatusCode::OK, "{base}");
        let text = page.into_body().collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(text.to_vec()).expect("text");
        assert!(text.contains(&format!("data-base=\"{base}\"")), "{base}");
        assert!(text.contains(&format!("src=\"{base}/dev/page.js\"")), "{base}");
        assert_eq!(get(format!("{base}/dev/page.js")).await.expect("never fails").status(), StatusCode::OK);
        assert_eq!(
            get("/dev/page.js".to_owned()).await.expect("never fails").status(),
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn serve_has_no_page() {
    let served = started(Mode::Serve, "").await;
    for path in ["/", "/dev/page.js", "/dev/setup"] {
        assert_eq!(served.get(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/dev/alerts", "/dev/token"] {
        assert_eq!(served.post(path, &[JSON], &alert()).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    served.app.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_leave_the_house_is_caught_and_shown() {
    let dev = started(Mode::Dev, "").await;
    let token = dev.page_token().await;
    let page = [(HOST.as_str(), LOCAL), (PAGE_TOKEN, token.as_str())];
    assert_eq!(dev.get("/dev/caught", &[(HOST.as_str(), LOCAL)]).await.status, StatusCode::FORBIDDEN);
    let alert = json!({
        "to": { "user": "ann" }, "kind": "deal-notification", "title": "Oat milk", "data": {},
        "ladder": [{ "channel": "push" , "wait": "100ms", "until": "seen" }, { "channel": "email" }],
    });
    let published = dev
        .post(
            "/dev/alerts",
            &[(HOST.as_str(), LOCAL), (PAGE_TOKEN, &token), (CONTENT_TYPE.as_str(), "application/json")],
            &alert,
        )
        .await;
    assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.text);
    let deadline = belfry_server::clock::now().instant + std::time::Duration::from_secs(10);
    let caught = loop {
        let caught = dev.get("/dev/caught", &page).await.json()["caught"].clone();
        if caught.as_array().is_some_and(|caught| caught.len() == 2) {
            break caught;
        }
        assert!(belfry_server::clock::now().instant < deadline, "{caught}");
        // Polls a condition: nothing says when it comes true.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((&caught[0]["provider"], &caught[1]["provider"]), (&json!("smtp"), &json!("fcm")));
    assert_eq!((&caught[1]["title"], &caught[1]["user"]), (&json!("Oat milk"), &json!("ann")));
    let key = dev.get("/dev/setup", &page).await.json()["mail_key"].as_str().expect("a key").to_owned();
    let mail = dev.get(&format!("/dev/mail/{key}/{}", caught[0]["number"]), &[(HOST.as_str(), LOCAL)]).await;
    assert!(mail.text.contains("Oat milk"), "{}", mail.text);
    let policy = mail.headers[CONTENT_SECURITY_POLICY].to_str().expect("is text");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    let guessed = dev.get("/dev/mail/guessed/1", &[(HOST.as_str(), LOCAL)]).await;
    assert_eq!(guessed.status, StatusCode::NOT_FOUND);
    dev.app.close().await.expect("closes");
}
