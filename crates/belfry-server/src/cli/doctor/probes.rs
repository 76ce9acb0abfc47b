//! The single checks.

use super::Check;
use crate::auth::Verifier;
use crate::cli::failure::Exit;
use crate::cli::kinds::options;
use crate::cli::out::moment;
use crate::cli::remote::Remote;
use crate::cli::token::{mint, minter};
use crate::clock::Now;
use crate::config::{Config, Mode};
use crate::kinds::Kinds;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// A slower disk makes every publish slow.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// How often a write is synced to find out how long it takes.
const SYNC_TRIES: u32 = 9;
/// The checkpointer keeps the log below this unless something holds it back.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Descriptors beside those of connections: files, listeners, the runtime.
const OTHER_FILES: u64 = 64;
/// A clock that is further off makes tokens fail now and then.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// Who the token of the round trip is for.
const DOCTOR: &str = "belfry-doctor";

/// The folder takes files and syncs them.
pub(super) fn data_dir(config: &Config) -> Check {
    const NAME: &str = "data folder";
    let dir = &config.server.data_dir;
    let remedy =
        "make the folder writable for this user, free some space, or choose another with `--data-dir`";
    match sync_time(dir) {
        Err(error) => Check::fail(NAME, format!("`{}` cannot be written: {error}", dir.display()), remedy),
        Ok(time) if time > SYNC_SLOW => Check::warn(
            NAME,
            format!("`{}` takes {time:.1?} to sync a write", dir.display()),
            "every publish waits for that; put the folder on a local disk",
        ),
        Ok(time) => {
            Check::ok(NAME, format!("`{}` is writable, a write is synced in {time:.1?}", dir.display()))
        }
    }
}

/// The median time of a synced write, in a file that is gone afterwards.
fn sync_time(dir: &Path) -> std::io::Result<Duration> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let measured = sync_times(file);
    std::fs::remove_file(&path)?;
    let mut times = measured?;
    // The folder's own entry must reach the disk too, or a new store could vanish with the power.
    std::fs::File::open(dir)?.sync_all()?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn sync_times(mut file: std::fs::File) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..SYNC_TRIES {
        let started = crate::clock::now().instant;
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(crate::clock::now().instant.saturating_duration_since(started));
    }
    Ok(times)
}

/// The write-ahead log is not running away.
pub(super) fn write_ahead_log(config: &Config) -> Check {
    const NAME: &str = "database";
    let Some(path) = config.database_path() else {
        return Check::ok(
            NAME,
            format!("PostgreSQL, schema {}", belfry_store::schema_of(&config.store_options().engine)),
        );
    };
    let engine = format!(
        "SQLite {}, schema {}",
        belfry_store::sqlite_version(),
        belfry_store::schema_of(&config.store_options().engine)
    );
    let Ok(file) = std::fs::metadata(&path) else {
        return Check::ok(NAME, format!("`{}` is not there yet ({engine})", path.display()));
    };
    let mut wal = path.clone().into_os_string();
    wal.push("-wal");
    let wal_bytes = std::fs::metadata(&wal).map(|file| file.len()).unwrap_or_default();
    let detail = format!(
        "`{}` has {}, its log {} ({engine})",
        path.display(),
        indicatif::HumanBytes(file.len()),
        indicatif::HumanBytes(wal_bytes)
    );
    match wal_bytes > WAL_BYTES_MAX {
        false => Check::ok(NAME, detail),
        true => Check::warn(
            NAME,
            detail,
            "something reads the file for minutes and holds checkpoints back: end it, or restart the server",
        ),
    }
}

/// The process may open as many files as there may be connections.
pub(super) fn open_files(config: &Config) -> Check {
    const NAME: &str = "open files";
    let Some(limit) = std::fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(open_file_limit)
    else {
        return Check::ok(NAME, "the limit cannot be read on this system");
    };
    let connections =
        u64::from(config.limits.connections_max) + u64::from(config.limits.http_connections_max);
    let wanted = connections + OTHER_FILES;
    match limit >= wanted || config.mode == Mode::Dev {
        true => Check::ok(NAME, format!("{limit} may be open")),
        false => Check::warn(
            NAME,
            format!("{limit} may be open, {wanted} are needed for all connections that the limits allow"),
            format!(
                "`ulimit -n {wanted}`, `LimitNOFILE={wanted}` in a systemd unit, or a lower `limits.connections_max`"
            ),
        ),
    }
}

/// The soft limit.
fn open_file_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// The clock is not obviously wrong.
pub(super) fn clock(config: &Config, now: Now) -> Check {
    const NAME: &str = "clock";
    let remedy =
        "set the clock, for example with an NTP service: tokens, expiry and the order of alerts go by it";
    // A machine without a battery starts in 1970; this version did not exist before 2025.
    if now.at < Timestamp::constant(1_735_689_600, 0) {
        return Check::fail(NAME, format!("it says {}", moment(now.at)), remedy);
    }
    let written = config
        .database_path()
        .and_then(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
        .and_then(|at| Timestamp::try_from(at).ok());
    match written.filter(|at| at.as_second() > now.at.as_second() + 60) {
        Some(at) => Check::fail(
            NAME,
            format!("it says {}, but the database was written at {}", moment(now.at), moment(at)),
            remedy,
        ),
        None => Check::ok(NAME, format!("it says {}", moment(now.at))),
    }
}

/// The kind files are sound.
pub(super) fn kinds(config: &Config) -> Check {
    const NAME: &str = "kinds";
    let Some(dir) = &config.kinds.dir else {
        return Check::ok(NAME, "none declared: any name with any object is accepted");
    };
    match Kinds::load(dir, &options(config)) {
        Ok(kinds) => {
            let count = kinds.iter().count();
            let detail = format!("{count} in `{}`", dir.display());
            match kinds.warnings().len() {
                0 => Check::ok(NAME, detail),
                doubts => {
                    Check::warn(NAME, format!("{detail}, {doubts} doubtful lines"), "`belfry kinds check`")
                }
            }
        }
        Err(faults) => Check::fail(
            NAME,
            format!("{} faults in `{}`", faults.len(), dir.display()),
            format!("`belfry kinds check {}`", dir.display()),
        ),
    }
}

/// A token that is made here is one that a server with this configuration accepts.
pub(super) fn token(config: &Config, now: Now) -> Check {
    const NAME: &str = "token";
    if config.auth.jwt_secret.is_none() {
        return Check::ok(NAME, "not tried: only the identity provider can make tokens");
    }
    let remedy = "correct `[auth]`; `belfry check-config` shows what is in force";
    let verified = own_token(config, now).and_then(|token| {
        let verifier = Verifier::new(config.verifier_options()).map_err(|error| error.to_string())?;
        verifier.verify_at_once(&token, now).map_err(|error| error.to_string())
    });
    match verified {
        Ok(identity) if identity.user.as_str() == DOCTOR => Check::ok(NAME, "made and verified"),
        Ok(identity) => {
            Check::fail(NAME, format!("it is taken for `{}`, not for `{DOCTOR}`", identity.user), remedy)
        }
        Err(reason) => Check::fail(NAME, reason, remedy),
    }
}

fn own_token(config: &Config, now: Now) -> Result<String, String> {
    let minter = minter(config).map_err(|failure| failure.message)?;
    let user = DOCTOR.parse().expect("the name is a constant");
    let token = mint(&minter, &user, Duration::from_secs(60), Vec::new(), now);
    Ok(token.expose_secret().to_owned())
}

/// The server answers, is ready, agrees about the time, and accepts the token; or its port is free.
pub(super) async fn server(remote: &Remote, config: &Config, now: Now, named: bool) -> Vec<Check> {
    const NAME: &str = "server";
    let ready = remote.anonymous(remote.resource(&["readyz"]));
    let response = match remote.send(ready).await {
        Ok(response) => response,
        Err(failure) if failure.exit == Exit::Unreachable && !named => return vec![port(config)],
        Err(failure) => {
            let remedy = failure.remedy.unwrap_or_default();
            return vec![Check::fail(NAME, failure.message, remedy)];
        }
    };
    let mut checks = vec![Check::ok(NAME, format!("{} is ready", remote.url()))];
    let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    checks.extend(date.and_then(|date| skew(date, now)));
    if config.auth.jwt_secret.is_some()
        && let Ok(token) = own_token(config, now)
    {
        checks.push(token_at_server(remote, &token).await);
    }
    checks
}

async fn token_at_server(remote: &Remote, token: &str) -> Check {
    const NAME: &str = "token at server";
    let url = remote.resource(&["v1", "inbox", "unread-count"]);
    match remote.send(remote.anonymous(url).bearer_auth(token)).await {
        Ok(_) => Check::ok(NAME, "accepted"),
        Err(failure) => Check::fail(
            NAME,
            failure.message,
            "give both the same `[auth]`: secret, issuer, audience and required claims",
        ),
    }
}

/// Nobody answers: then the port must be free for the server.
fn port(config: &Config) -> Check {
    const NAME: &str = "server";
    let listen = config.server.listen;
    match std::net::TcpListener::bind(listen) {
        Ok(_) => Check::ok(NAME, format!("none is running; {listen} is free for one")),
        Err(error) => Check::fail(
            NAME,
            format!("none answers, and {listen} cannot be listened on: {error}"),
            "end what uses the port, or choose another `server.listen`",
        ),
    }
}

/// How far the server's clock differs, where that matters.
fn skew(date: &str, now: Now) -> Option<Check> {
    const NAME: &str = "server's clock";
    let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let apart = Duration::from_secs(server.as_second().abs_diff(now.at.as_second()));
    Some(match apart > SKEW_MAX {
        false => Check::ok(NAME, "agrees with this one"),
        true => Check::warn(
            NAME,
            format!("differs from this one by {}", crate::duration::print(apart)),
            "set both clocks, for example with an NTP service",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_file_limit(text), Some(1024));
        assert_eq!(open_file_limit("Max open files   unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(open_file_limit(""), None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_fails_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sync_time(folder.path()).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut config = Config::default();
        config.server.data_dir = "/proc/nowhere".into();
        assert_eq!(data_dir(&config).verdict, Verdict::Fail);
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let now = Now { at, ..crate::clock::now() };
        assert_eq!(skew("Fri, 02 Jan 2026 03:04:07 GMT", now).unwrap().verdict, Verdict::Ok);
        let check = skew("Fri, 02 Jan 2026 03:06:05 GMT", now).unwrap();
        assert_eq!(check.detail, "differs from this one by 2m");
        assert_eq!(skew("yesterday", now), None);
        let before = Now { at: Timestamp::UNIX_EPOCH, ..now };
        assert_eq!(clock(&Config::default(), before).verdict, Verdict::Fail);
    }

    #[test]
    fn a_port_in_use_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.server.listen = listener.local_addr().unwrap();
        assert_eq!(port(&config).verdict, Verdict::Fail);
        drop(listener);
        assert_eq!(port(&config).verdict, Verdict::Ok);
    }
}
