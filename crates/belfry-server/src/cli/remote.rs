//! A running server, as commands call it.

use super::dev_keys::{DevKeys, read_dev_url};
use super::failure::Failure;
use super::settings::Common;
use crate::config::{ApiKeySecret, Config, Origin, Scope, Server};
use belfry_protocol::Problem;
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Which server, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Target {
    /// The server [default: where the configuration or a `belfry dev` in the data folder listens]
    #[arg(long, env = "BELFRY_URL", value_name = "URL", help_heading = "Server")]
    pub(crate) url: Option<String>,
    /// The API key [default: one from the configuration, or that of `belfry dev` in the data folder]
    #[arg(long, env = "BELFRY_API_KEY", value_name = "KEY", hide_env_values = true, help_heading = "Server")]
    pub(crate) api_key: Option<String>,
}

/// How long an answer may take; backups and batches are exempt.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that can be called.
pub(crate) struct Remote {
    base: Url,
    api_key: Option<SecretString>,
    http: reqwest::Client,
}

impl Remote {
    /// The server that flags, environment, configuration or a `belfry dev` point to; `scope` is what its key must do.
    pub(crate) fn find(common: &Common, target: &Target, scope: Scope) -> Result<Self, Failure> {
        let (config, settings) = Config::load_with_settings(&common.sources(Vec::new()))?;
        let listen_is_set = settings
            .iter()
            .any(|setting| setting.key == "server.listen" && setting.origin != Origin::Default);
        let url = match &target.url {
            Some(url) => url.clone(),
            None if listen_is_set => url_of(&config.server),
            None => read_dev_url(&config.server.data_dir).unwrap_or_else(|| url_of(&config.server)),
        };
        let api_key = match &target.api_key {
            Some(key) => Some(SecretString::from(key.clone())),
            None => configured_key(&config, scope)
                .or(DevKeys::read(&config.server.data_dir)?.map(|keys| keys.api_key)),
        };
        Self::new(&url, api_key)
    }

    /// The server at this address.
    pub(crate) fn new(url: &str, api_key: Option<SecretString>) -> Result<Self, Failure> {
        let base =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
                Failure::usage(format!(
                    "`{url}` is no address of a server; write for example http://127.0.0.1:8787"
                ))
            })?;
        Ok(Self { base, api_key, http: http_client()? })
    }

    /// Its address, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// The API key.
    pub(crate) fn api_key(&self) -> Result<&SecretString, Failure> {
        self.api_key.as_ref().ok_or_else(|| {
            Failure::usage("there is no API key to call with")
                .remedy("give `--api-key`, set BELFRY_API_KEY, or run in the folder where `belfry dev` runs")
        })
    }

    /// The URL of a resource; every segment is encoded.
    pub(crate) fn resource(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http addresses have a path").pop_if_empty().extend(segments);
        url
    }

    /// A request with the API key.
    pub(crate) fn request(&self, method: reqwest::Method, url: Url) -> Result<RequestBuilder, Failure> {
        Ok(self.http.request(method, url).bearer_auth(self.api_key()?.expose_secret()))
    }

    /// A request of nobody in particular.
    pub(crate) fn anonymous(&self, url: Url) -> RequestBuilder {
        self.http.get(url).timeout(ANSWER_TIMEOUT)
    }

    /// Sends; what is no success is a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Failure::of_problem(&problem),
            Err(_) => Failure::refused(format!("{} answered {status}", self.url()))
                .remedy("check that `--url` leads to Belfry and not to something else"),
        })
    }

    /// Sends within the usual time and reads the answer.
    pub(crate) async fn fetch<T: serde::de::DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let response = self.send(request.timeout(ANSWER_TIMEOUT)).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::failed(format!("the answer of {} cannot be read: {error}", self.url()))
                .remedy("use the same version of `belfry` here and there")
        })
    }

    /// The connection failed, or broke.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        // The innermost cause is what helps; the outer ones repeat the address.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let message = match error.is_timeout() {
            true => format!("{} did not answer in time", self.url()),
            false => format!("{} cannot be reached: {cause}", self.url()),
        };
        Failure::unreachable(message).remedy("start `belfry dev` or `belfry serve`, or give another `--url`")
    }
}

/// A client whose connections may take a moment, and whose answers as long as they like.
fn http_client() -> Result<reqwest::Client, Failure> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // A second thread may have been faster; either way there is one now.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("belfry/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::failed(format!("no HTTP client can be made: {error}")))
}

/// Where a server with this configuration is reached from the same machine.
pub(crate) fn url_of(server: &Server) -> String {
    let scheme = if server.tls_cert_file.is_some() { "https" } else { "http" };
    let mut address = server.listen;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("{scheme}://{address}{}", server.base_path)
}

/// A key that the configuration holds in plain.
fn configured_key(config: &Config, scope: Scope) -> Option<SecretString> {
    config.api_keys.iter().find_map(|key| match &key.secret {
        ApiKeySecret::Plain(text) if key.scopes.contains(&scope) => Some(text.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn the_address_of_a_configuration_is_one_that_can_be_called() {
        let mut server = Server { base_path: "/belfry".to_owned(), ..Server::default() };
        assert_eq!(url_of(&server), "http://127.0.0.1:8787/belfry");
        server.listen = "[::]:443".parse().unwrap();
        server.tls_cert_file = Some("cert.pem".into());
        assert_eq!(url_of(&server), "https://[::1]:443/belfry");
        server.listen = "0.0.0.0:1".parse().unwrap();
        assert_eq!(url_of(&server), "https://127.0.0.1:1/belfry");
    }

    #[test]
    fn resources_keep_the_prefix_and_encode_their_segments() {
        for base in ["http://h:1/belfry", "http://h:1/belfry/"] {
            let remote = Remote::new(base, None).unwrap();
            assert_eq!(remote.url(), "http://h:1/belfry");
            assert_eq!(
                remote.resource(&["v1", "users", "a/b c"]).as_str(),
                "http://h:1/belfry/v1/users/a%2Fb%20c"
            );
        }
        assert_eq!(Remote::new("h:1", None).err().map(|f| f.exit), Some(Exit::Usage));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        // A port that was just free; nobody listens on it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let remote = Remote::new(&format!("http://127.0.0.1:{port}"), None).unwrap();
        let failure = remote.send(remote.anonymous(remote.resource(&["readyz"]))).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.message.contains("cannot be reached: "), "{failure:?}");
    }

    #[test]
    fn a_key_is_taken_only_where_its_scope_fits() {
        let mut config = Config::default();
        let key = |name: &str, scope| crate::config::ApiKeyOptions {
            name: name.to_owned(),
            scopes: vec![scope],
            secret: ApiKeySecret::Plain(name.into()),
        };
        config.api_keys = vec![key("first", Scope::Publish), key("second", Scope::Operate)];
        let found = configured_key(&config, Scope::Operate).unwrap();
        assert_eq!(found.expose_secret(), "second");
        assert!(configured_key(&config, Scope::Manage).is_none());
    }
}
