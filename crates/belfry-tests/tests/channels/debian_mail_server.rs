//! E-mail handed to a mail server that nobody here wrote: Debian's Exim takes it through TLS and a login, delivers it,
//! and the mailbox is read.
//!
//! `cargo xtask test` unpacks the server below the target directory. It runs as a plain user in a folder of its own,
//! on a free port of loopback; the machine's own mail is not touched.

use super::smtp::{notice, now, to};
use belfry_channels::email::{Smtp, SmtpOptions};
use belfry_channels::{Action, Channel, Notice};
use belfry_tests::eventually;
use belfry_tests::fakes::smtp::{Certified, ReceivedMail};
use belfry_tests::shim::skipped;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Who the server is where the tests run as root: nobody.
const NOBODY: u32 = 65_534;
/// The name of the user that Debian built in.
const BUILT_IN_USER: &str = "Debian-exim";

/// As whom the server runs.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

/// Exim, with mailboxes for ann and bob of example.com.
struct Exim {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Exim {
    /// Starts it, where it was unpacked.
    async fn start() -> Option<Self> {
        let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("tools/mail-server");
        if !unpacked.join("complete").exists() {
            skipped("there is no mail server; `cargo xtask test` unpacks Debian's");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path();
        let owner = fs::metadata(root).expect("it is there");
        let user = match owner.uid() {
            0 => User { id: NOBODY, group: NOBODY },
            id => User { id, group: owner.gid() },
        };
        let libraries = copy_program(&unpacked.join("root"), root);
        let port = free_port();
        write_files(root, user, port);
        hand_over(root, user);
        let child = Command::new(root.join("exim"))
            .arg("-C")
            .arg(root.join("exim.conf"))
            .arg("-bdf")
            .env_clear()
            .env("LD_LIBRARY_PATH", &libraries)
            .env("LD_PRELOAD", libraries.join("libnss_wrapper.so"))
            .env("NSS_WRAPPER_PASSWD", root.join("passwd"))
            .env("NSS_WRAPPER_GROUP", root.join("group"))
            .uid(user.id)
            .gid(user.group)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the mail server starts");
        let exim = Self { child, port, dir };
        eventually("the mail server", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Some(exim)
    }

    fn options(&self) -> SmtpOptions {
        SmtpOptions {
            port: Some(self.port),
            ca_file: Some(self.dir.path().join("ca.pem")),
            username: Some("belfry".to_owned()),
            password: Some("open sesame".into()),
            hello_name: Some("node-1.shop.example".to_owned()),
            ..SmtpOptions::new("127.0.0.1", "Shop <alerts@shop.example>")
        }
    }

    /// What lies in a mailbox, unread.
    fn mailbox(&self, user: &str) -> Vec<ReceivedMail> {
        let Ok(entries) = fs::read_dir(self.dir.path().join("mail").join(user).join("new")) else {
            return Vec::new();
        };
        let read = |path: PathBuf| ReceivedMail {
            from: String::new(),
            to: vec![format!("{user}@example.com")],
            user: None,
            encrypted: false,
            raw: fs::read(path).expect("a mail can be read"),
            connection: 0,
        };
        entries.flatten().map(|entry| read(entry.path())).collect()
    }

    /// The server's own log, for a test that fails.
    fn log(&self) -> String {
        let mut log = String::new();
        for part in ["main", "reject", "panic"] {
            let path = self.dir.path().join(format!("log/{part}log"));
            write!(log, "{part}: {}", fs::read_to_string(path).unwrap_or_default())
                .expect("a String takes all");
        }
        log
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            told(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "what the server wrote explains a test that fails")]
fn told(log: &str) {
    eprintln!("{log}");
}

/// Copies the program and its libraries to where any user can run them.
fn copy_program(from: &Path, to: &Path) -> PathBuf {
    fs::copy(from.join("usr/sbin/exim4"), to.join("exim")).expect("the program is copied");
    let libraries = to.join("lib");
    fs::create_dir(&libraries).expect("a folder");
    copy_libraries(from, &libraries);
    libraries
}

fn copy_libraries(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy_libraries(&path, to);
        } else if name.to_string_lossy().contains(".so") && path.exists() {
            fs::copy(&path, to.join(name)).expect("a library is copied");
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

fn write_files(root: &Path, user: User, port: u16) {
    let User { id, group } = user;
    let write = |name: &str, text: &str| fs::write(root.join(name), text).expect("is written");
    for folder in ["spool", "mail", "log"] {
        fs::create_dir(root.join(folder)).expect("a folder");
    }
    let certified = Certified::for_name("127.0.0.1");
    write("ca.pem", &certified.ca);
    write("certificate.pem", &certified.certificate);
    write("key.pem", &certified.key);
    write("passwd", &format!("{BUILT_IN_USER}:x:{id}:{group}::/:/bin/false\n"));
    write("group", &format!("{BUILT_IN_USER}:x:{group}:\n"));
    let config = CONFIGURATION
        .replace("{root}", &root.to_string_lossy())
        .replace("{port}", &port.to_string())
        .replace("{user}", &id.to_string())
        .replace("{group}", &group.to_string());
    write("exim.conf", &config);
}

/// Gives the folder and all in it to the user who runs the server.
fn hand_over(path: &Path, user: User) {
    if path.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        for entry in fs::read_dir(path).expect("a folder").flatten() {
            hand_over(&entry.path(), user);
        }
    }
    chown(path, Some(user.id), Some(user.group)).expect("it is ours to give");
}

const CONFIGURATION: &str = r#"
primary_hostname = mail.example.com
exim_path = {root}/exim
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
pid_file_path = {root}/exim.pid
exim_user = {user}
exim_group = {group}
never_users =
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {root}/certificate.pem
tls_privatekey = {root}/key.pem
message_size_limit = 100K
# No name is asked for: the test needs no network.
host_lookup =
rfc1413_query_timeout = 0s
domainlist local_domains = example.com
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept

begin acl
check_rcpt:
  deny    message = 530 5.7.0 Authentication required
          !authenticated = *
  deny    message = 550 5.7.1 Relaying is not allowed
          !domains = +local_domains
  deny    message = 550 5.1.1 <$local_part@$domain> is not known here
          !verify = recipient
  accept

begin routers
local:
  driver = accept
  domains = +local_domains
  local_parts = ann : bob
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  directory = {root}/mail/$local_part_data
  maildir_format
  create_directory
  return_path_add
  envelope_to_add
  user = {user}
  group = {group}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{belfry}}{eq{$auth3}{open sesame}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
"#;

#[tokio::test]
async fn a_mail_lies_in_the_mailbox_of_a_real_server() {
    let Some(exim) = Exim::start().await else { return };
    let smtp = Smtp::new(&exim.options()).unwrap();
    let receipt = smtp.send(&notice(), &to("ann@example.com"), now()).await.unwrap();
    assert!(receipt.said.starts_with("250 OK id="), "{}", receipt.said);
    let mail = eventually("a mail in the mailbox", || async { exim.mailbox("ann").pop() }).await;
    assert_eq!(mail.subject().as_deref(), Some("Größe 42 ist unterwegs"));
    assert_eq!(mail.message_id().as_deref(), Some("dGFn@shop.example"));
    assert_eq!(mail.header("Return-path").as_deref(), Some("<alerts@shop.example>"));
    assert_eq!(mail.header("Envelope-to").as_deref(), Some("ann@example.com"));
    assert_eq!(mail.header("References").as_deref(), Some("<order-77@shop.example>"));
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("List-Unsubscribe").as_deref(), Some("<https://shop.example/u/signed>"));
    assert_eq!(mail.header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert_eq!(mail.types(), ["multipart/alternative", "text/plain", "text/html"]);
    assert!(mail.text().unwrap().contains("Zwei Pakete.\n.\n..dots\n"));
    assert!(mail.html().unwrap().contains("Größe 42 ist unterwegs"));
    // `esmtpsa`: with TLS, with a login.
    let received = mail.header("Received").unwrap();
    assert!(received.contains("with esmtpsa") && received.contains("helo=node-1.shop.example"), "{received}");
    let id = receipt.provider_id.unwrap();
    assert!(received.contains(&format!("id {id}")), "{id}: {received}");
    assert_eq!((exim.mailbox("ann").len(), exim.mailbox("bob").len()), (1, 0));
}

#[tokio::test]
async fn what_a_real_server_refuses_is_told_apart() {
    let Some(exim) = Exim::start().await else { return };
    let smtp = Smtp::new(&exim.options()).unwrap();
    let refused = async |notice: &Notice, address: &str| {
        let error = smtp.send(notice, &to(address), now()).await.unwrap_err();
        (error.action, error.reason)
    };
    assert_eq!(refused(&notice(), "zed@example.com").await, (Action::Gone, "address_gone".to_owned()));
    assert_eq!(refused(&notice(), "ann@elsewhere.example").await, (Action::Rejected, "policy".to_owned()));
    let long = Notice { body: Some("A long story. ".repeat(20_000)), ..notice() };
    assert_eq!(refused(&long, "ann@example.com").await, (Action::Rejected, "too_big".to_owned()));
    let wrong = SmtpOptions { password: Some("open barley".into()), ..exim.options() };
    let error = Smtp::new(&wrong).unwrap().send(&notice(), &to("ann@example.com"), now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "credentials_refused"));
    smtp.send(&notice(), &to("bob@example.com"), now()).await.unwrap();
    eventually("a mail in the mailbox", || async { exim.mailbox("bob").pop() }).await;
    assert_eq!(exim.mailbox("ann").len(), 0, "nothing that was refused arrived");
}

#[tokio::test]
async fn a_check_of_a_real_server_leaves_nothing_behind() {
    let Some(exim) = Exim::start().await else { return };
    let found = Smtp::new(&exim.options()).unwrap().check(now()).await.unwrap();
    assert!(
        found.ends_with("speaks STARTTLS, takes the password and lets alerts@shop.example send"),
        "{found}"
    );
    assert!(exim.mailbox("ann").is_empty() && exim.mailbox("bob").is_empty());
}
