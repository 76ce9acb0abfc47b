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
    assert_eq!(config.database_path(), Path::new("/var/lib/belfry/alerts.db"));
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
    insta::assert_snapshot!(faults, @"");
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
    insta::assert_snapshot!(faults, @"");
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
url = "postgres://db/belfry"
readers = 0
[bus]
url = "redis://cache"
[auth]
jwt_secret = 12345678
required_claims = ["a"]
jwks_url = "ftp://id"
jwt_public_keys = [{ kid = "a", algorithm = "RS512", pem = "x" }]
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
    insta::assert_snapshot!(faults, @"");
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
    config.api_keys = vec![ApiKey {
        name: "shop".to_owned(),
        scopes: vec![Scope::Publish],
        credential: ApiKeyCredential::Sha256([0; 32]),
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
        finding(|c| c.api_keys[0].credential = ApiKeyCredential::Key("short".into())),
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
    insta::assert_snapshot!(findings.join("\n"), @"");
}

#[test]
fn any_origin_is_fine_without_cookies_and_loopback_needs_no_https() {
    let mut config = sound();
    config.auth.allowed_origins = vec!["*".to_owned()];
    config.auth.cookie_names.clear();
    config.auth.jwks_url = Some("http://127.0.0.1:9/jwks".to_owned());
    assert_eq!(config.check(), []);
}
