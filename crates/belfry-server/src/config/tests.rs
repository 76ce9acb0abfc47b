use super::*;
use secrecy::ExposeSecret;
use std::time::Duration;

fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belfry.toml");
    std::fs::write(&path, text).unwrap();
    (folder, Sources { file: FileSource::Named(path), ..Sources::default() })
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

/// The faults of a file, with its folder cut off.
fn faults_of_file(text: &str) -> String {
    let (folder, sources) = file(text);
    let faults = Config::load(&sources).expect_err("is faulty").to_string();
    faults.replace(&format!("{}/", folder.path().display()), "")
}

fn faults_of_environment(pairs: &[(&str, &str)]) -> String {
    Config::load(&environment(pairs)).expect_err("is faulty").to_string()
}

#[test]
fn the_documented_file_names_every_key_and_no_other() {
    let document: toml::Table = toml::from_str(DEFAULTS).unwrap();
    let mut documented: Vec<String> = Vec::new();
    for (name, value) in &document {
        match value {
            toml::Value::Table(keys) => documented.extend(keys.keys().map(|key| format!("{name}.{key}"))),
            _ => documented.push(name.clone()),
        }
    }
    let mut known: Vec<String> = sections::SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")))
        .chain(layers::TOP_KEYS.iter().map(|key| (*key).to_owned()))
        .collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[test]
fn the_documented_file_can_be_used_as_a_configuration() {
    let (_folder, sources) = file(DEFAULTS);
    let config = Config::load(&sources).expect("has no fault");
    assert_eq!(config.limits.send_queue_bytes_max, 49_152);
    assert_eq!(config.live.catch_up_page_bytes, 32_768);
    assert_eq!(config.server.listen, "127.0.0.1:8787".parse().unwrap());
    assert_eq!(config.inbox.retention, Duration::from_secs(90 * 86_400));
    assert!(!config.server.node.is_empty());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let (_folder, mut sources) =
        file("[server]\nlisten = \"127.0.0.1:1\"\nnode = \"file\"\nbase_path = \"/file\"\n");
    sources.environment =
        environment(&[("BELFRY__SERVER__LISTEN", "127.0.0.1:2"), ("BELFRY__SERVER__NODE", "env")])
            .environment;
    sources.flags = vec![Flag { name: "--listen", key: "server.listen", value: "127.0.0.1:3".to_owned() }];
    let (config, settings) = Config::load_with_settings(&sources).expect("has no fault");
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.server.node, "env");
    assert_eq!(config.server.base_path, "/file");
    assert_eq!(config.database.readers, 2);
    let origin = |key: &str| settings.iter().find(|s| s.key == key).map(|s| s.origin.to_string()).unwrap();
    assert_eq!(origin("server.listen"), "--listen");
    assert_eq!(origin("server.node"), "BELFRY__SERVER__NODE");
    assert!(origin("server.base_path").ends_with("belfry.toml:4"), "{}", origin("server.base_path"));
    assert_eq!(origin("database.readers"), "default");
}

#[test]
fn every_short_name_sets_its_key_and_the_long_name_wins() {
    let config = Config::load(&environment(&[
        ("BELFRY_LISTEN", "0.0.0.0:80"),
        ("BELFRY_DATA_DIR", "/var/lib/belfry"),
        ("BELFRY_DATABASE_URL", "sqlite:alerts.db"),
        ("BELFRY_BUS_URL", "memory"),
        ("BELFRY_JWT_SECRET", "s3cret"),
        ("BELFRY_API_KEY", "k3y"),
        ("BELFRY_KINDS_DIR", "kinds"),
        ("BELFRY__SERVER__LISTEN", "0.0.0.0:81"),
    ]))
    .expect("has no fault");
    assert_eq!(config.server.listen.port(), 81);
    assert_eq!(config.database_path().as_deref(), Some(Path::new("/var/lib/belfry/alerts.db")));
    assert_eq!(config.kinds.dir.as_deref(), Some(Path::new("kinds")));
    assert_eq!(config.auth.jwt_secret.as_ref().map(|s| s.expose_secret()), Some("s3cret"));
    assert_eq!(config.api_keys.len(), 1);
    assert_eq!(config.api_keys[0].scopes, Scope::ALL);
}

#[test]
fn environment_values_take_the_type_that_is_wanted() {
    let config = Config::load(&environment(&[
        ("BELFRY__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7"),
        ("BELFRY__AUTH__USER_CLAIMS", "[\"sub\", \"uid\"]"),
        ("BELFRY__AUTH__COOKIE_NAMES", ""),
        ("BELFRY__AUTH__REQUIRED_CLAIMS", "{ type = \"access\", verified = true }"),
        ("BELFRY__INBOX__RETENTION_PER_CATEGORY", "{ deals = \"14d\" }"),
        ("BELFRY__LIVE__TRUST_PONG", "true"),
        ("BELFRY__LIMITS__BODY_BYTES_MAX", "131072"),
        ("BELFRY__LIMITS__BATCH_BYTES_MAX", "1 MiB"),
        ("BELFRY__API_KEYS", "[{ name = \"shop\", scopes = [\"publish\"], key = \"k\" }]"),
        ("BELFRY_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/root"),
    ]))
    .expect("has no fault");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.auth.user_claims, ["sub", "uid"]);
    assert!(config.auth.cookie_names.is_empty());
    assert_eq!(config.auth.required_claims["verified"], true);
    assert_eq!(config.inbox.retention_per_category["deals"], Duration::from_secs(14 * 86_400));
    assert!(config.live.trust_pong);
    assert_eq!(config.limits.body_bytes_max, 131_072);
    assert_eq!(config.limits.batch_bytes_max, 1 << 20);
    assert_eq!(config.api_keys[0].name, "shop");
}

#[test]
fn relative_paths_in_a_file_start_at_its_folder() {
    let (folder, sources) = file("[kinds]\ndir = \"kinds\"\n[server]\ndata_dir = \"/srv\"\n");
    let config = Config::load(&sources).expect("has no fault");
    assert_eq!(config.kinds.dir, Some(folder.path().join("kinds")));
    assert_eq!(config.server.data_dir, Path::new("/srv"));
}

#[test]
fn unknown_keys_name_the_nearest_one() {
    let faults = faults_of_file(
        "listen = \"127.0.0.1:1\"\n\n[server]\nlisen = \"127.0.0.1:1\"\nretention = \"3d\"\nqwertyuiop = 1\n[sevrer]\n[nothing_like_it]\n",
    );
    insta::assert_snapshot!(faults, @r#"
    belfry.toml:1: `listen` stands outside a section; it belongs below `[server]`
    belfry.toml:4: `server.lisen` is not a key; did you mean `server.listen`?
    belfry.toml:5: `server.retention` is not a key; did you mean `inbox.retention`?
    belfry.toml:6: `server.qwertyuiop` is not a key
    belfry.toml:7: `sevrer` is not a section; did you mean `server`?
    belfry.toml:8: `nothing_like_it` is not a section
    "#);
}

#[test]
fn unknown_environment_variables_name_the_nearest_one() {
    let faults = faults_of_environment(&[
        ("BELFRY__SERVER__LISEN", "127.0.0.1:1"),
        ("BELFRY__SEVRER__LISTEN", "127.0.0.1:1"),
        ("BELFRY__LISTEN", "127.0.0.1:1"),
        ("BELFRY_JWT_SECERT", "x"),
        ("BELFRY_APIKEY", "x"),
    ]);
    insta::assert_snapshot!(faults, @r#"
    BELFRY_JWT_SECERT: there is no such variable; did you mean `BELFRY_JWT_SECRET`?
    BELFRY_APIKEY: there is no such variable; did you mean `BELFRY_API_KEY`?
    BELFRY__SERVER__LISEN: `server.lisen` is not a key; did you mean `server.listen`?
    BELFRY__SEVRER__LISTEN: `sevrer` is not a section; did you mean `server`?
    BELFRY__LISTEN: `listen` stands outside a section; it belongs below `[server]`
    "#);
}

#[test]
fn wrong_values_name_key_found_and_expected() {
    let faults = faults_of_file(
        r#"
[server]
listen = 8787
base_path = "belfry/"
trusted_proxies = ["10.0.0.0/8", "proxy"]
[database]
url = "mysql://root:secret@db/belfry"
readers = 0
[bus]
url = "redis://cache,nats://other"
[auth]
jwt_secret = 12345678
required_claims = ["a"]
jwks_url = "ftp://id"
jwt_public_keys = [{ kid = "a", algorithm = "HS256", pem = "x" }]
[live]
heartbeat_interval = 30
heartbeat_timeout = "10"
trust_pong = "yes"
[limits]
body_bytes_max = "64KB"
connections_max = -1
[inbox]
retention_per_category = { deals = "soon" }
[log]
format = "xml"
level = "verbose"
"#,
    );
    insta::assert_snapshot!(faults, @r#"
    belfry.toml:3: `server.listen` is `8787`; expected an address and port like "127.0.0.1:8787"
    belfry.toml:4: `server.base_path` is `"belfry/"`; expected "", or a path like "/belfry" that begins with a slash and does not end with one
    belfry.toml:5: `server.trusted_proxies` is `["10.0.0.0/8", "proxy"]`: `proxy` is no address and no network
    belfry.toml:7: `database.url` is a value that is not shown here; expected `sqlite:FILE` or `postgres://user:password@host/database`
    belfry.toml:8: `database.readers` is `0`; expected a whole number from 1 to 4294967295
    belfry.toml:10: `bus.url`: all addresses must be of the same sort, each with its scheme
    belfry.toml:12: `auth.jwt_secret` is a value that is not shown here; expected text, or "" for none
    belfry.toml:13: `auth.required_claims` is `["a"]`; expected a table of claims like { type = "access" } with texts, whole numbers, true or false
    belfry.toml:14: `auth.jwks_url` is `"ftp://id"`; expected a URL like "https://id.example.com/jwks.json", or "" for none
    belfry.toml:15: `auth.jwt_public_keys`: `jwt_public_keys[0]` has the algorithm `HS256`; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
    belfry.toml:17: `live.heartbeat_interval` is `30`; expected a duration like "30s", above zero
    belfry.toml:18: `live.heartbeat_timeout` is `"10"`: `10` has no unit; write for example "10s" for seconds (units: ms, s, m, h, d, w)
    belfry.toml:19: `live.trust_pong` is `"yes"`; expected true or false
    belfry.toml:21: `limits.body_bytes_max` is `"64KB"`; expected a size in bytes like 65536 or "64KiB", from 1 byte to 1024GiB
    belfry.toml:22: `limits.connections_max` is `-1`; expected a whole number from 1 to 4294967295
    belfry.toml:24: `inbox.retention_per_category` is a table: `deals`: `soon` is no duration; write a whole number and a unit, for example "30s", "10m" or "7d"
    belfry.toml:26: `log.format` is `"xml"`; expected "auto", "text" or "json"
    belfry.toml:27: `log.level` is `"verbose"`; expected "error", "warn", "info", "debug", "trace" or a filter like "info,belfry_server=debug"
    "#);
}

#[test]
fn faulty_api_keys_are_named() {
    for (text, expected) in [
        ("scopes = [\"publish\"]\nkey = \"k\"", "`api_keys`: `api_keys[0]` has no `name`"),
        (
            "name = \"a\"\nkey = \"k\"",
            "`api_keys`: `api_keys[0]` needs `scopes`, a list of `publish`, `manage`, `operate`",
        ),
        (
            "name = \"a\"\nscopes = [\"publsh\"]\nkey = \"k\"",
            "`api_keys`: `api_keys[0]` has the scope `publsh`, which does not exist; did you mean `publish`?",
        ),
        (
            "name = \"a\"\nscopes = [\"publish\"]",
            "`api_keys`: `api_keys[0]` has none of `hash`, `key`, `key_file`",
        ),
        (
            "name = \"a\"\nscopes = [\"publish\"]\nhash = \"md5:1\"",
            "`api_keys`: `api_keys[0]` needs `sha256:` and 64 hexadecimal digits in `hash`",
        ),
        (
            "name = \"a\"\nscope = [\"publish\"]\nkey = \"k\"",
            "`api_keys`: `api_keys[0].scope` is not a key; did you mean `scopes`?",
        ),
        (
            "name = \"a\"\nscopes = [\"publish\"]\nkey = \"k\"\nkey_file = \"f\"",
            "`api_keys`: `api_keys[0]` has `key` and `key_file`; keep one",
        ),
    ] {
        let faults = faults_of_file(&format!("[[api_keys]]\n{text}\n"));
        assert_eq!(faults, format!("belfry.toml:1: {expected}"));
    }
}

#[test]
fn text_that_is_no_toml_is_a_fault_at_its_line() {
    let faults = faults_of_file("[server]\nlisten = \n");
    assert!(faults.starts_with("belfry.toml:2: "), "{faults}");
}

#[test]
fn a_named_file_that_is_missing_is_a_fault_and_the_usual_one_is_not() {
    let missing = Path::new("/nowhere/belfry.toml").to_owned();
    let named = Sources { file: FileSource::Named(missing.clone()), ..Sources::default() };
    let faults = Config::load(&named).expect_err("is missing").to_string();
    assert!(faults.starts_with("the configuration file `/nowhere/belfry.toml` cannot be read: "), "{faults}");
    let usual = Sources { file: FileSource::IfPresent(missing), ..Sources::default() };
    assert!(Config::load(&usual).is_ok());
}

#[test]
fn a_secret_may_stand_in_a_file_and_loses_its_newline() {
    let (folder, sources) = file("[auth]\njwt_secret_file = \"secret\"\n");
    let faults = Config::load(&sources).expect_err("there is no such file").to_string();
    assert!(
        faults.contains("belfry.toml:2: the secret of `auth.jwt_secret_file` cannot be read from"),
        "{faults}"
    );
    std::fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    let config = Config::load(&sources).expect("has no fault");
    assert_eq!(config.auth.jwt_secret.unwrap().expose_secret(), "from a file");
}

#[test]
fn a_later_secret_takes_the_place_of_an_earlier_file_and_both_at_once_are_a_fault() {
    let (_folder, mut sources) = file("[auth]\njwt_secret_file = \"missing\"\n");
    sources.environment = environment(&[("BELFRY_JWT_SECRET", "from the environment")]).environment;
    let config = Config::load(&sources).expect("the file is not read");
    assert_eq!(config.auth.jwt_secret.unwrap().expose_secret(), "from the environment");
    let faults = faults_of_file("[auth]\njwt_secret_file = \"f\"\njwt_secret = \"s\"\n");
    assert!(
        faults.contains("`auth.jwt_secret_file` and `auth.jwt_secret` are both set; keep one"),
        "{faults}"
    );
}

#[test]
fn no_secret_is_ever_printed() {
    let (_folder, mut sources) = file(
        "[auth]\njwt_secret = \"hunter2hunter2\"\n[[api_keys]]\nname = \"a\"\nscopes = [\"publish\"]\nkey = \"hunter2key\"\n",
    );
    sources.environment = environment(&[("BELFRY_API_KEY", "hunter2env")]).environment;
    let (config, settings) = Config::load_with_settings(&sources).expect("has no fault");
    let printed = format!("{config:?} {settings:?} {:?}", config.check());
    assert!(!printed.contains("hunter2"), "{printed}");
    let faults = faults_of_file("[auth]\njwt_secret = [\"hunter2\"]\n");
    assert!(!faults.contains("hunter2"), "{faults}");
}

fn sound() -> Config {
    let mut config = Config::default();
    config.auth.jwt_secret = Some("x".repeat(32).into());
    config.auth.allowed_origins = vec!["https://app.example.com".to_owned()];
    config.api_keys = vec![ApiKeyOptions {
        name: "shop".to_owned(),
        scopes: vec![Scope::Publish],
        secret: ApiKeySecret::Hash(format!("sha256:{}", "0".repeat(64))),
    }];
    config
}

/// The only finding.
fn finding(change: impl FnOnce(&mut Config)) -> String {
    let mut config = sound();
    change(&mut config);
    let findings = config.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    format!("{:?} {}", findings[0].weight, findings[0])
}

#[test]
fn a_sound_configuration_has_no_findings() {
    assert_eq!(sound().check(), []);
}

#[test]
fn the_bare_defaults_are_refused_for_their_missing_keys() {
    let findings = Config::default().check();
    let errors: Vec<_> = findings.iter().filter(|f| f.weight == Weight::Error).map(|f| f.key).collect();
    assert_eq!(errors, ["auth.jwt_secret", "api_keys"]);
}

#[test]
fn every_finding_names_the_key_and_the_remedy() {
    let findings = [
        finding(|c| c.auth.jwt_secret = None),
        finding(|c| c.auth.jwt_secret = Some("x".repeat(31).into())),
        finding(|c| c.auth.user_claims.clear()),
        finding(|c| c.auth.jwks_url = Some("http://id.example.com/jwks".to_owned())),
        finding(|c| c.auth.leeway = Duration::from_secs(301)),
        finding(|c| c.auth.allowed_origins = vec!["*".to_owned()]),
        finding(|c| c.auth.allowed_origins = vec!["https://app.example.com/".to_owned()]),
        finding(|c| c.auth.allowed_origins.clear()),
        finding(|c| c.api_keys.clear()),
        finding(|c| c.api_keys.push(c.api_keys[0].clone())),
        finding(|c| c.api_keys[0].secret = ApiKeySecret::Plain("short".into())),
        finding(|c| c.server.tls_cert_file = Some("Cargo.toml".into())),
        finding(|c| c.server.listen = "0.0.0.0:8787".parse().unwrap()),
        finding(|c| {
            c.mode = Mode::Dev;
            c.server.listen = "0.0.0.0:8787".parse().unwrap();
        }),
        finding(|c| c.server.metrics_listen = Some(c.server.listen)),
        finding(|c| c.server.trusted_proxies = vec!["0.0.0.0/0".parse().unwrap()]),
        finding(|c| c.kinds.dir = Some("/nowhere".into())),
        finding(|c| c.live.catch_up_page_bytes = c.limits.send_queue_bytes_max),
        finding(|c| c.limits.body_bytes_max = 1024),
        finding(|c| c.limits.inbound_frames_burst = 1),
        finding(|c| c.live.heartbeat_timeout = Duration::from_secs(31)),
        finding(|c| c.drain.ready_wait = Duration::from_secs(15)),
        finding(|c| c.live.naive_backlog_age = Duration::from_secs(91 * 86_400)),
    ];
    insta::assert_snapshot!(findings.join("\n"), @r#"
    Error `auth.jwt_secret`: there is no key to verify tokens, so no user could connect; set BELFRY_JWT_SECRET (or `auth.jwt_secret_file`), `auth.jwt_public_keys` or `auth.jwks_url`
    Error `auth.jwt_secret`: the secret has 31 bytes and can be guessed; use at least 32, for example the output of `openssl rand -base64 48`
    Error `auth.user_claims`: no claim names the user; name at least one, usually "sub"
    Error `auth.jwks_url`: whoever sits between could put in keys of their own; use an https URL (http is for loopback only)
    Warning `auth.leeway`: expired tokens stay valid for longer than five minutes; set the clocks right and use a leeway of a minute or less
    Error `auth.allowed_origins`: "*" together with cookies lets any page act as its visitor; name the origins of your pages, or set `auth.cookie_names = []`
    Error `auth.allowed_origins`: `https://app.example.com/` is no origin, so no page could match it; write scheme, host and port only, in lower case and without a slash at the end, as in "https://app.example.com"
    Warning `auth.allowed_origins`: no page may connect with a cookie, and none from another origin; name the origins of your pages, as in ["https://app.example.com"]
    Error `api_keys`: there is no API key, so nobody could publish; run `belfry api-key new --name shop --scope publish` and put what it prints into belfry.toml, or set BELFRY_API_KEY
    Error `api_keys`: the name `shop` stands twice, and idempotency keys belong to a name; give each key its own name
    Error `api_keys`: the key `shop` has 5 bytes and can be guessed; use at least 16; `belfry api-key new` makes a good one
    Error `server.tls_key_file`: the certificate has no key; set both files, or none
    Warning `server.listen`: tokens travel in clear text to 0.0.0.0:8787; set `server.tls_cert_file` and `server.tls_key_file`, or name your proxy in `server.trusted_proxies`
    Error `server.listen`: `belfry dev` has an open page and would answer on 0.0.0.0:8787; listen on loopback, or use `belfry serve`
    Error `server.metrics_listen`: it is the address of the main listener; give it a port of its own, or leave it empty
    Warning `server.trusted_proxies`: a network of all addresses lets every client choose its own address; name the addresses of your proxies
    Error `kinds.dir`: there is no folder `/nowhere`; make it, correct the path, or leave the key empty
    Error `live.catch_up_page_bytes`: a page of a catch-up does not fit into `limits.send_queue_bytes_max`; make it two thirds of the queue or less
    Warning `limits.body_bytes_max`: an alert with as much `data` as is allowed does not fit; use at least "32KiB"
    Warning `limits.inbound_frames_burst`: it is below a second's worth of `limits.inbound_frames_per_second`; make it as large at least
    Warning `live.heartbeat_timeout`: it is longer than `live.heartbeat_interval`, so a dead connection outlives several heartbeats; make it shorter
    Warning `drain.timeout`: it ends the process before `drain.ready_wait` and `drain.window` are over; make it longer than both together
    Warning `live.naive_backlog_age`: it reaches back further than `inbox.retention`; make it shorter
    "#);
}

#[test]
fn any_origin_is_fine_without_cookies_and_loopback_needs_no_https() {
    let mut config = sound();
    config.auth.allowed_origins = vec!["*".to_owned()];
    config.auth.cookie_names.clear();
    config.auth.jwks_url = Some("http://127.0.0.1:9/jwks".to_owned());
    assert_eq!(config.check(), []);
}

#[test]
fn what_a_push_service_would_refuse_at_the_start_is_told_by_its_key() {
    let findings = [
        finding(|c| c.fcm.service_account = Some("{}".into())),
        finding(|c| c.fcm.project_id = Some("shop".to_owned())),
        finding(|c| c.apns.topic = "com.example.shop".to_owned()),
        finding(|c| {
            c.apns.key = Some("no key".into());
            c.apns.key_id = "ABC1234567".to_owned();
            c.apns.team_id = "TEAM123456".to_owned();
            c.apns.topic = "com.example.shop".to_owned();
        }),
        finding(|c| {
            c.apns.key = Some("no key".into());
            c.apns.topic = "com.example.shop".to_owned();
            c.apns.production_url = "http://push.example.com".to_owned();
        }),
    ];
    insta::assert_snapshot!(findings.join("\n"), @r#"
    Error `fcm.service_account`: it is not a service account (`type` is not "service_account"); make a key for one under Firebase → Project settings → Service accounts
    Warning `fcm.service_account`: it is empty, so nothing is pushed through FCM; set `fcm.service_account_file`, or leave the whole section empty
    Warning `apns.key`: it is empty, so nothing is pushed through APNs; set `apns.key_file`, or leave the whole section empty
    Error `apns.key`: it is not the text of an AuthKey_….p8 file from Apple
    Error `apns.production_url`: it must begin with https: whoever sits between could read what is sent
    "#);
}

#[test]
fn what_browsers_and_the_application_could_not_be_reached_with_is_told_by_its_key() {
    let private_key = || Some(belfry_channels::VapidKey::generate().private_key());
    let secret = belfry_channels::standard_webhooks::SigningSecret::generate;
    let findings = [
        finding(|c| c.web_push.private_key = private_key()),
        finding(|c| c.web_push.subject = Some("mailto:push@example.com".to_owned())),
        finding(|c| {
            c.web_push.private_key = private_key();
            c.web_push.subject = Some("mailto: <push@example.com>".to_owned());
        }),
        finding(|c| {
            c.web_push.private_key = private_key();
            c.web_push.subject = Some("https://example.com".to_owned());
            c.web_push.private_hosts = vec!["localhost:9000".to_owned()];
        }),
        finding(|c| c.webhook.url = Some("https://app.example.com/belfry".to_owned())),
        finding(|c| c.webhook.secret = Some(secret())),
        finding(|c| {
            c.webhook.url = Some("http://app:3000/belfry".to_owned());
            c.webhook.secret = Some(secret());
        }),
        finding(|c| {
            c.webhook.url = Some("http://127.0.0.1:3000/belfry".to_owned());
            c.webhook.secret = Some("hunter2".into());
        }),
    ];
    insta::assert_snapshot!(findings.join("\n"), @r#"
    Error `web_push.subject`: a push service could not tell anybody that something is wrong, and Apple takes nothing without it; write for example "mailto:push@example.com"
    Warning `web_push.private_key`: it is empty, so nothing is pushed to browsers; `belfry vapid` makes a key pair
    Error `web_push.subject`: it has a space, a bracket or a comma in it, which Apple refuses; write "mailto:push@example.com"
    Warning `web_push.private_hosts`: whoever registers a device can make this server call these hosts; leave it empty outside of development
    Error `webhook.secret`: without it the application could not tell who posts; use `whsec_` and the output of `openssl rand -base64 32`
    Warning `webhook.url`: it is empty, so nothing is posted; name the application's endpoint
    Warning `webhook.url`: notices travel in clear text; use https, unless the network in between is yours alone
    Error `webhook.secret`: it is no webhook secret: that needs `whsec_` and 24 to 64 bytes as base64, for example from `openssl rand -base64 32`
    "#);
}

#[test]
fn lists_of_secrets_are_read_from_files_and_never_shown() {
    let text = "[web_push]\nprivate_key = \"hunter2\"\nold_private_keys_file = \"old.txt\"\n\
                [webhook]\nurl = \"https://app.example.com\"\nsecret = \"hunter2\"\nold_secrets = [\"hunter2\"]\n";
    let (folder, sources) = file(text);
    std::fs::write(folder.path().join("old.txt"), "hunter2\n\n  hunter22 \n").unwrap();
    let (config, settings) = Config::load_with_settings(&sources).unwrap();
    let old: Vec<_> = config.web_push.old_private_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(old, ["hunter2", "hunter22"]);
    let options = config.webhook.options().unwrap();
    assert_eq!(options.old_secrets[0].expose_secret(), "hunter2");
    let printed = format!("{config:?} {settings:?} {:?}", config.check());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(Config::default().web_push.options().is_none() && Config::default().webhook.options().is_none());
}

#[test]
fn the_secrets_of_push_services_are_read_from_files_and_never_shown() {
    let (folder, sources) =
        file("[fcm]\nservice_account_file = \"account.json\"\n[apns]\nkey = \"hunter2\"\n");
    std::fs::write(folder.path().join("account.json"), "{\"hunter2\":1}\n").unwrap();
    let (config, settings) = Config::load_with_settings(&sources).unwrap();
    assert_eq!(config.fcm.options().unwrap().service_account.expose_secret(), "{\"hunter2\":1}");
    assert_eq!(config.apns.options().unwrap().key.expose_secret(), "hunter2");
    let printed = format!("{config:?} {settings:?} {:?}", config.check());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(Config::default().fcm.options().is_none() && Config::default().apns.options().is_none());
}

#[test]
fn the_relays_password_may_be_in_a_file_and_is_never_shown() {
    let (folder, sources) = file(
        "[smtp]\nhost = \"mail.example.com\"\nfrom = \"Shop <a@b.example>\"\nusername = \"shop\"\npassword_file = \"secret\"",
    );
    std::fs::write(folder.path().join("secret"), "open sesame\n").unwrap();
    let (config, settings) = Config::load_with_settings(&sources).expect("has no fault");
    let options = config.smtp.options().expect("there is a relay");
    assert_eq!(options.password.as_ref().map(|secret| secret.expose_secret()), Some("open sesame"));
    assert_eq!((options.port, options.timeout), (None, Duration::from_secs(15)));
    assert!(!format!("{config:?} {settings:?}").contains("sesame"));
    let plain = environment(&[("BELFRY__SMTP__PASSWORD", "open sesame")]);
    let (_, settings) = Config::load_with_settings(&plain).expect("has no fault");
    let shown =
        settings.iter().find(|setting| setting.key == "smtp.password").map(|setting| setting.value.as_str());
    assert_eq!(shown, Some("(set, not shown)"));
    let both = environment(&[("BELFRY__SMTP__PASSWORD", "a"), ("BELFRY__SMTP__PASSWORD_FILE", "b")]);
    assert!(Config::load(&both).is_err(), "one of them only");
}

#[test]
fn a_relay_that_cannot_be_used_is_found_before_the_start() {
    let found = |text: &str| {
        let (_folder, sources) = file(&format!("[smtp]\n{text}"));
        let config = Config::load(&sources).expect("has no fault");
        let of_smtp = config.check().into_iter().filter(|finding| finding.key.starts_with("smtp."));
        of_smtp.map(|finding| (finding.key, finding.weight)).collect::<Vec<_>>()
    };
    let (error, warning) = (Weight::Error, Weight::Warning);
    assert_eq!(found(""), [], "e-mail need not be set up");
    assert_eq!(found("from = \"a@b.example\""), [("smtp.host", warning)]);
    assert_eq!(found("host = \"mail.b.example\""), [("smtp.from", error)]);
    let with = |more: &str| found(&format!("host = \"mail.b.example\"\nfrom = \"a@b.example\"\n{more}"));
    assert_eq!(with("tls = \"none\""), [("smtp.tls", warning)]);
    let login = "username = \"u\"\npassword = \"p\"";
    assert_eq!(with(&format!("tls = \"none\"\n{login}")), [("smtp.tls", error), ("smtp.tls", warning)]);
    assert_eq!(with("tls = \"none\"\nusername = \"u\""), [("smtp.password", error), ("smtp.tls", warning)]);
    assert_eq!(with("ca_file = \"nowhere.pem\""), [("smtp.ca_file", error)]);
    let near = "host = \"localhost\"\ntls = \"none\"\nfrom = ";
    assert_eq!(found(&format!("{near}\"a@b.example\"\n{login}")), [], "loopback is nobody else's");
    assert_eq!(found(&format!("{near}\"shop\"")), [("smtp.from", error)]);
    assert_eq!(found(&format!("{near}\"a@b.example\"\ntimeout = \"1s\"")), [("smtp.timeout", warning)]);
}

#[test]
fn an_unknown_protection_of_the_line_is_a_fault() {
    let faults = faults_of_file("[smtp]\ntls = \"ssl\"\nport = 70000");
    assert!(faults.contains("expected \"starttls\", \"tls\" or \"none\""), "{faults}");
    assert!(faults.contains("`smtp.port` is `70000`; expected a port from 1 to 65535"), "{faults}");
}

#[test]
fn the_store_and_the_bus_are_what_their_urls_say_and_their_passwords_are_not_shown() {
    let url = "postgres://belfry:s3cr3t@db-1,db-2/belfry";
    let sources = environment(&[("BELFRY_DATABASE_URL", url), ("BELFRY_BUS_URL", "rediss://:s3cr3t@cache")]);
    let (config, settings) = Config::load_with_settings(&sources).expect("has no fault");
    assert!(config.shares_its_store() && config.database_path().is_none());
    assert!(
        matches!(&config.store_options().engine, belfry_store::EngineOptions::Postgres(found) if found.url == url)
    );
    assert!(matches!(config.bus_options(), Some(BusOptions::Redis(_))));
    let shown = format!("{settings:?} {config:?} {:?} {:?}", config.bus_options(), config.store_options());
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let value = |key: &str| settings.iter().find(|one| one.key == key).map(|one| one.value.clone()).unwrap();
    assert_eq!(
        (value("database.url"), value("bus.prefix")),
        ("(set, not shown)".to_owned(), "\"belfry\"".to_owned())
    );
}

#[test]
fn hints_go_by_the_database_unless_another_bus_is_named() {
    let of = |pairs: &[(&str, &str)]| Config::load(&environment(pairs)).expect("has no fault").bus_options();
    let postgres = ("BELFRY_DATABASE_URL", "postgres://db/belfry");
    assert!(of(&[]).is_none(), "one file, one node");
    assert!(matches!(of(&[postgres]), Some(BusOptions::Postgres(_))));
    assert!(matches!(of(&[postgres, ("BELFRY_BUS_URL", "postgres")]), Some(BusOptions::Postgres(_))));
    assert!(
        matches!(of(&[postgres, ("BELFRY_BUS_URL", "nats://a,tls://b")]), Some(BusOptions::Nats(found)) if found.urls.len() == 2)
    );
    assert!(of(&[postgres, ("BELFRY_BUS_URL", "memory")]).is_none());
}

#[test]
fn the_urls_of_store_and_bus_can_stand_in_files() {
    let (folder, sources) = file("[database]\nurl_file = \"store-url\"\n[bus]\nurl_file = \"bus-url\"\n");
    std::fs::write(folder.path().join("store-url"), "postgres://belfry:s3cr3t@db/belfry\n").unwrap();
    std::fs::write(folder.path().join("bus-url"), "nats://queue\n").unwrap();
    let config = Config::load(&sources).expect("has no fault");
    assert!(config.shares_its_store());
    assert!(matches!(config.bus_options(), Some(BusOptions::Nats(_))));
    std::fs::write(folder.path().join("store-url"), "mysql://root:s3cr3t@db\n").unwrap();
    let faults = Config::load(&sources).expect_err("is faulty").to_string();
    assert!(faults.contains("`database.url_file`") && !faults.contains("s3cr3t"), "{faults}");
}

#[test]
fn nodes_that_could_not_work_together_are_told() {
    let findings = |pairs: &[(&str, &str)]| {
        let config = Config::load(&environment(pairs)).expect("has no fault");
        let found = config
            .check()
            .into_iter()
            .filter(|one| one.key.starts_with("bus") || one.key.starts_with("cluster"));
        found.map(|one| (one.weight, one.key)).collect::<Vec<_>>()
    };
    let postgres = ("BELFRY_DATABASE_URL", "postgres://db/belfry");
    assert_eq!(findings(&[]), []);
    assert_eq!(findings(&[postgres]), []);
    assert_eq!(findings(&[("BELFRY_BUS_URL", "redis://cache")]), [(Weight::Error, "bus.url")]);
    assert_eq!(findings(&[postgres, ("BELFRY_BUS_URL", "memory")]), [(Weight::Warning, "bus.url")]);
    assert_eq!(findings(&[("BELFRY__BUS__PREFIX", "a.b")]), [(Weight::Error, "bus.prefix")]);
    assert_eq!(findings(&[("BELFRY__CLUSTER__LEASE", "2s")]), [(Weight::Error, "cluster.lease")]);
}
