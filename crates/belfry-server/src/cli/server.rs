//! `belfry dev` and `belfry serve`: from the configuration to a running server, and its end.

use super::dev_keys::{DevKeys, write_dev_url};
use super::failure::{Exit, Failure};
use super::logging;
use super::out::{BAD, DIM, NAME, Out, STRONG, styled};
use super::remote::url_of;
use super::settings::Common;
use super::token::{mint, minter};
use crate::clock::Now;
use crate::config::{Config, Flag, Mode, Origin, Setting, Weight};
use crate::listener::Server;
use belfry_bus::Lose;
use belfry_protocol::UserId;
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Who the examples of `belfry dev` are about.
const EXAMPLE_USER: &str = "ann";
/// How long the printed token is valid.
const EXAMPLE_TOKEN_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Nobody wants to wait for a development server.
const DEV_DRAIN_WINDOW: Duration = Duration::from_millis(250);

/// From 0, nothing, to 1, everything.
const LOSE_HINTS: &str = "BELFRY_TEST_LOSE_HINTS";

/// Flags of `belfry serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Address and port [default: `server.listen`]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// How long people count as there in `belfry dev` after they left.
const DEV_LINGER: Duration = Duration::from_secs(2);

/// Flags of `belfry dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Address and port, on loopback [default: `server.listen`]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder with kind files [default: `kinds.dir`]
    #[arg(long, value_name = "DIR")]
    kinds: Option<PathBuf>,
}

fn listen_flag(listen: Option<String>) -> Option<Flag> {
    listen.map(|value| Flag { name: "--listen", key: "server.listen", value })
}

pub(crate) async fn serve(arguments: Serve, common: &Common) -> Result<(), Failure> {
    let mut config = Config::load(&common.sources(listen_flag(arguments.listen).into_iter().collect()))?;
    refuse_unsafe(&config)?;
    logging::start(&config.log)?;
    lose_hints(&mut config);
    for finding in config.check() {
        tracing::warn!(config.key = finding.key, "{finding}");
    }
    let limit = config.drain.timeout;
    let server = start(config).await?;
    let signals = Signals::listen()?;
    let url = url_of_running(&server);
    tracing::info!(server.url = url, "listening on {url}");
    until_signal(server, signals, limit).await
}

pub(crate) async fn dev(arguments: Dev, common: &Common, now: Now, out: &mut Out) -> Result<(), Failure> {
    let mut flags: Vec<Flag> = listen_flag(arguments.listen).into_iter().collect();
    flags.extend(arguments.kinds.map(|dir| Flag {
        name: "--kinds",
        key: "kinds.dir",
        value: dir.to_string_lossy().into_owned(),
    }));
    let (mut config, settings) = Config::load_with_settings(&common.sources(flags))?;
    config.mode = Mode::Dev;
    let keys = DevKeys::read_or_make(&config.server.data_dir)?;
    keys.apply(&mut config);
    if is_default(&settings, "drain.window") {
        config.drain.window = DEV_DRAIN_WINDOW;
    }
    // Whoever tries the fallback does not want to wait until a person counts as gone.
    if is_default(&settings, "live.linger") {
        config.live.linger = DEV_LINGER;
    }
    if is_default(&settings, "live.linger_after_start") {
        config.live.linger_after_start = Duration::ZERO;
    }
    if is_default(&settings, "fallback.public_url") && config.server.listen.port() != 0 {
        config.fallback.public_url = format!("http://{}{}", config.server.listen, config.server.base_path);
    }
    refuse_unsafe(&config)?;
    logging::start(&config.log)?;
    let (limit, data_dir) = (config.drain.timeout, config.server.data_dir.clone());
    let token = example_token(&config, now);
    let server = start(config).await?;
    let signals = Signals::listen()?;
    let url = url_of_running(&server);
    write_dev_url(&data_dir, &url)?;
    let welcome = Welcome { url, data_dir, token, kinds: kind_names(&server), command: command_name() };
    match out.is_json() {
        true => welcome.print_json(&keys, out)?,
        false => welcome.print(out)?,
    }
    until_signal(server, signals, limit).await
}

/// For tests of several processes: a node that does not hear a share of what others tell it. It is no key of the
/// configuration, because nobody who runs a server wants it.
fn lose_hints(config: &mut Config) {
    let share = std::env::var(LOSE_HINTS).ok().and_then(|share| share.parse().ok());
    let Some((share, mut options)) = share.zip(config.bus_options()) else { return };
    options.tuning_mut().lose = Some(Lose { share, seed: 0 });
    config.bus_options = Some(options);
    tracing::warn!("`{LOSE_HINTS}` is set: this node loses a share of {share} of all hints");
}

fn is_default(settings: &[Setting], key: &str) -> bool {
    settings.iter().any(|setting| setting.key == key && setting.origin == Origin::Default)
}

/// An unsafe server does not start; every error is named at once.
fn refuse_unsafe(config: &Config) -> Result<(), Failure> {
    let errors: Vec<String> = config
        .check()
        .iter()
        .filter(|finding| finding.weight == Weight::Error)
        .map(|finding| format!("\n  {} {finding}", styled(BAD, "-")))
        .collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(format!("this configuration is not safe to serve:{}", errors.concat()))
            .remedy("`belfry check-config` shows what is in force and where it is from")),
    }
}

async fn start(config: Config) -> Result<Server, Failure> {
    Box::pin(Server::start(config)).await.map_err(|error| Failure::failed(format!("{error:#}")))
}

fn url_of_running(server: &Server) -> String {
    let mut settings = server.app().services().config.server.clone();
    settings.listen = server.local_addr();
    url_of(&settings)
}

/// Serves until SIGINT or SIGTERM, then ends gently; a second signal ends at once.
async fn until_signal(server: Server, mut signals: Signals, limit: Duration) -> Result<(), Failure> {
    let signal = signals.next().await;
    tracing::info!("{signal}: shutting down, once more ends at once");
    let mut ending = Box::pin(server.shutdown());
    let ended = tokio::select! {
        ended = tokio::time::timeout(limit, &mut ending) => ended,
        signal = signals.next() => {
            tracing::warn!("{signal} again: ending at once");
            // Whatever was answered `202` is on disk; clean-up would only keep the impatient waiting.
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    };
    match ended {
        Ok(Ok(())) => {
            tracing::info!("ended");
            Ok(())
        }
        Ok(Err(error)) => Err(Failure::failed(format!("{error:#}"))),
        Err(_) => {
            // Dropped, it would be waited for: a store that gives no answer would keep the process alive.
            std::mem::forget(ending);
            Err(Failure::failed("not everything was closed within `drain.timeout`")
                .remedy("nothing accepted is lost; give `drain.timeout` more time if this happens often"))
        }
    }
}

/// The signals that end a server. They are listened to before the server says that it runs, or one that comes right
/// after would end it without a farewell.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("signals cannot be listened to: {error}")))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}

/// What `belfry dev` says once it runs.
struct Welcome {
    url: String,
    data_dir: PathBuf,
    /// Missing where only an identity provider can make tokens.
    token: Option<String>,
    kinds: Vec<String>,
    /// How this program was called.
    command: String,
}

fn example_token(config: &Config, now: Now) -> Option<String> {
    let user: UserId = EXAMPLE_USER.parse().expect("the name is a constant");
    let minter = minter(config).ok()?;
    Some(mint(&minter, &user, EXAMPLE_TOKEN_VALID_FOR, Vec::new(), now).expose_secret().to_owned())
}

fn kind_names(server: &Server) -> Vec<String> {
    server.app().services().kinds.current().iter().map(|kind| kind.name.clone()).collect()
}

fn command_name() -> String {
    std::env::args_os().next().map_or_else(|| "belfry".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl Welcome {
    fn print(&self, out: &mut Out) -> Result<(), Failure> {
        let heading = |text: &str| styled(STRONG, format_args!("{text:<9}"));
        out.line(format_args!(
            "\nBelfry is running on {}  {}",
            styled(NAME, &self.url),
            styled(DIM, format_args!("data and keys in {}", self.data_dir.display()))
        ))?;
        if !self.kinds.is_empty() {
            out.line(format_args!("{} {}", heading("Kinds"), self.kinds.join(", ")))?;
        }
        out.line(format_args!("{} {}/", heading("Page"), self.url))?;
        out.line(format_args!(
            "{} {} tail --user {EXAMPLE_USER}{}",
            heading("Watch"),
            self.command,
            self.data_dir_flag()
        ))?;
        if let Some(token) = &self.token {
            out.line(format_args!("{} {token}", heading("Token")))?;
            out.line(styled(
                DIM,
                format_args!(
                    "          of the user {EXAMPLE_USER}, for seven days; `{} token` makes others",
                    self.command
                ),
            ))?;
        }
        out.line(format_args!("{}\n{}\n", heading("Publish"), self.curl()))
    }

    fn print_json(&self, keys: &DevKeys, out: &mut Out) -> Result<(), Failure> {
        out.json(&json!({
            "url": self.url,
            "data_dir": self.data_dir,
            "api_key": keys.api_key.expose_secret(),
            "user": EXAMPLE_USER,
            "token": self.token,
            "kinds": self.kinds,
        }))
    }

    /// Other commands find the default folder by themselves.
    fn data_dir_flag(&self) -> String {
        match self.data_dir == std::path::Path::new("./belfry-data") {
            true => String::new(),
            false => format!(" --data-dir {}", quoted(&self.data_dir.to_string_lossy())),
        }
    }

    /// A line to paste. The key comes from its file, so that it stands in no shell's history.
    fn curl(&self) -> String {
        let key_file = DevKeys::api_key_file(&self.data_dir);
        let key_file = key_file.to_string_lossy();
        let key_file = key_file.strip_prefix("./").unwrap_or(&key_file);
        format!(
            "curl -sS {}/v1/alerts \\\n  -H \"Authorization: Bearer $(cat {})\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d {}",
            self.url,
            quoted(key_file),
            quoted(&self.example())
        )
    }

    /// The body to publish: of a kind that this server accepts.
    fn example(&self) -> String {
        let is_usable = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == "deal-notification");
        match self.kinds.first().filter(|_| !is_usable) {
            Some(kind) => format!(
                r#"{{"to":{{"user":"{EXAMPLE_USER}"}},"kind":{},"title":"The bells ring","data":{{}}}}"#,
                serde_json::Value::from(kind.as_str())
            ),
            None => DEAL_EXAMPLE.to_owned(),
        }
    }
}

/// Fits the shipped kind, and shows a title where no kinds are declared.
const DEAL_EXAMPLE: &str = r#"{"to":{"user":"ann"},"kind":"deal-notification","title":"A deal on oat milk","data":{"user_id":"ann","message":"1.49 at the Corner Market","deals":[{"item_name":"Oat milk","best_price_in_cents":149,"store_name":"Corner Market","store_id":12}]}}"#;

/// Text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    fn welcome() -> Welcome {
        Welcome {
            url: "http://127.0.0.1:8787".to_owned(),
            data_dir: "./belfry-data".into(),
            token: Some("eyJ".to_owned()),
            kinds: Vec::new(),
            command: "target/debug/belfry".to_owned(),
        }
    }

    #[test]
    fn dev_prints_what_to_do_next() {
        let (mut out, written) = kept(false);
        welcome().print(&mut out).unwrap();
        insta::assert_snapshot!(written.text(), @r#"

    Belfry is running on http://127.0.0.1:8787  data and keys in ./belfry-data
    Page      http://127.0.0.1:8787/
    Watch     target/debug/belfry tail --user ann
    Token     eyJ
              of the user ann, for seven days; `target/debug/belfry token` makes others
    Publish  
    curl -sS http://127.0.0.1:8787/v1/alerts \
      -H "Authorization: Bearer $(cat belfry-data/api-key)" \
      -H 'Content-Type: application/json' \
      -d '{"to":{"user":"ann"},"kind":"deal-notification","title":"A deal on oat milk","data":{"user_id":"ann","message":"1.49 at the Corner Market","deals":[{"item_name":"Oat milk","best_price_in_cents":149,"store_name":"Corner Market","store_id":12}]}}'
    "#);
    }

    #[test]
    fn the_example_is_an_alert_and_fits_the_declared_kinds() {
        let parse = |welcome: &Welcome| {
            serde_json::from_str::<belfry_protocol::NewAlert>(&welcome.example())
                .map(|alert| alert.kind)
                .unwrap()
        };
        assert_eq!(parse(&welcome()), "deal-notification");
        assert_eq!(parse(&Welcome { kinds: vec!["a".to_owned()], ..welcome() }), "a");
        let shipped = vec!["a".to_owned(), "deal-notification".to_owned()];
        assert_eq!(parse(&Welcome { kinds: shipped, ..welcome() }), "deal-notification");
    }

    #[test]
    fn a_folder_with_odd_characters_stays_one_word_of_the_shell() {
        let welcome = Welcome { data_dir: "/tmp/ann's data".into(), ..welcome() };
        assert_eq!(welcome.data_dir_flag(), r" --data-dir '/tmp/ann'\''s data'");
        assert!(welcome.curl().contains(r"$(cat '/tmp/ann'\''s data/api-key')"), "{}", welcome.curl());
    }

    #[test]
    fn an_unsafe_configuration_is_refused_with_every_reason() {
        let failure = refuse_unsafe(&Config::default()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("`auth.jwt_secret`") && failure.message.contains("`api_keys`"));
    }
}
