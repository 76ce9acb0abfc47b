//! `cargo xtask api`: requests made of the API's own document against the real server; whatever it answers must stand
//! in the document.

use crate::command::{command, output, run as run_command};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// What makes the requests.
const SUITE: &str = "schemathesis==4.32.5";
/// A name that no request hits by chance, so that its token stays valid.
const USER: &str = "user-of-the-api-run";

/// Builds `belfry`, starts it in an empty folder and runs the suite against it; arguments go to the suite.
pub(crate) fn run(examples: u32, arguments: &[String]) -> Result<()> {
    let Some(suite) = tools::from_python(SUITE, "schemathesis")? else {
        println!("api: skipped, because this machine has no Python 3 with `venv`, or no network");
        return Ok(());
    };
    let server = Server::start(&tools::build("belfry-server", "belfry", false)?)?;
    let token = server.belfry().args(["token", "--user", USER]).stderr(Stdio::inherit()).output()?;
    let token = String::from_utf8(token.stdout)?.trim().to_owned();
    let mut suite = command(&suite.to_string_lossy());
    suite
        .args(["--config-file", "crates/belfry-tests/api/schemathesis.toml", "run"])
        .arg(format!("{}/v1/openapi.json", server.url))
        .args(["--url", &server.url, "--wait-for-schema", "30", "--continue-on-failure"])
        .args(["--phases", "examples,coverage,fuzzing", "--warnings", "off"])
        .args(["--generation-deterministic", "--max-examples", &examples.to_string()])
        .args(arguments)
        .env("BELFRY_API_KEY", &server.secret)
        .env("BELFRY_USER_TOKEN", token);
    run_command(&mut suite)
}

/// A running `belfry serve`, stopped when dropped.
struct Server {
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    url: String,
    /// Random: the secret of tokens and the API key.
    secret: String,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let folder = tools::target_dir()?.join("api").join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        // A port that was free a moment ago; the server takes it at once.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let made = output(command(&program.to_string_lossy()).args([
            "api-key",
            "new",
            "--name",
            "api",
            "--scope",
            "publish,manage,operate",
            "--json",
        ]))?;
        let made: serde_json::Value = serde_json::from_str(&made).context("reading the new API key")?;
        let Some(secret) = made["key"].as_str() else { bail!("`belfry api-key new` printed no key") };
        let url = format!("http://127.0.0.1:{port}");
        let mut server =
            Self { program: program.to_owned(), folder, child: None, url, secret: secret.to_owned() };
        let log = std::fs::File::create(server.folder.join("belfry.log"))?;
        let mut serve = server.belfry();
        serve.args(["serve", "--listen", &format!("127.0.0.1:{port}")]).stdout(log.try_clone()?).stderr(log);
        server.child = Some(serve.spawn().context("`belfry serve` does not start")?);
        Ok(server)
    }

    fn belfry(&self) -> std::process::Command {
        let mut belfry = command(&self.program.to_string_lossy());
        belfry
            .current_dir(&self.folder)
            .env("BELFRY_DATA_DIR", self.folder.join("data"))
            .env("BELFRY_JWT_SECRET", &self.secret)
            .env("BELFRY_API_KEY", &self.secret)
            .env("BELFRY__LIMITS__PUBLISHES_PER_SECOND_PER_KEY", "100000")
            .env("BELFRY__LIMITS__REQUESTS_PER_SECOND_PER_USER", "100000");
        belfry
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already; then there is nothing left to stop.
            let _ = child.kill();
            let _ = child.wait();
        }
        println!("api: the server's log is {}", self.folder.join("belfry.log").display());
    }
}
