//! Whom we may call when somebody else chose the address: a browser's push service, an application's webhook.
//!
//! Such a URL could point into our own network. So the host must be known or listed, an address must be public, and
//! that is checked on the very addresses that are connected to: a name that leads somewhere else by then gains
//! nothing. Redirects are not followed and no proxy is asked.

use crate::http_client::SetupError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Url};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// The push services of the browsers there are.
pub const KNOWN_PUSH_SERVICES: &[&str] = &[
    "fcm.googleapis.com",
    "jmt17.google.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "*.push.apple.com",
];

/// Longest URL.
const URL_BYTES_MAX: usize = belfry_protocol::device::ENDPOINT_BYTES_MAX;
/// Somebody else chose the hosts, so connections to them are not kept for ever.
const IDLE_MAX: Duration = Duration::from_secs(300);
const IDLE_PER_HOST_MAX: usize = 8;

/// Whom a [`Guard`] lets through.
#[derive(Clone, Default)]
pub struct GuardOptions {
    /// Hosts on the port 443, or on the port that stands behind: `push.example.com`, `*.example.com`,
    /// `push.example.com:8443`; `*` is every host with a public address.
    pub hosts: Vec<String>,
    /// `host:port` of the operator's own: may have a private address and speak plain http.
    pub private_hosts: Vec<String>,
    /// Who looks names up; `None`: the system. What it answers is filtered all the same.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl fmt::Debug for GuardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardOptions")
            .field("hosts", &self.hosts)
            .field("private_hosts", &self.private_hosts)
            .finish_non_exhaustive()
    }
}

/// Why a URL is not called. The texts do not repeat it: whoever knows a push endpoint can send to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No absolute URL with a host, or too long.
    #[error("it is no URL with a host, or longer than {URL_BYTES_MAX} bytes")]
    NoUrl,
    /// Anything but https.
    #[error("it does not begin with https")]
    NotHttps,
    /// `user:password@`.
    #[error("it has a user name or password in it")]
    Credentials,
    /// An address of our own network, of this machine, or of nobody.
    #[error("it leads to an address that is not public")]
    NotPublic,
    /// Neither known nor listed.
    #[error("its host is no push service that this server knows")]
    NotListed,
}

impl Refusal {
    /// A word for traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoUrl => "no-url",
            Self::NotHttps => "not-https",
            Self::Credentials => "credentials-in-url",
            Self::NotPublic => "not-public",
            Self::NotListed => "host-not-listed",
        }
    }
}

/// How far a host is trusted that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is named, alone or with its domain: what it says about our credentials is believed.
    Named,
    /// Anybody's: it came through `*`.
    Anybody,
}

/// Lets calls through to where they may go, and nowhere else.
pub struct Guard {
    patterns: Vec<Pattern>,
    private: BTreeSet<(String, u16)>,
    resolver: Arc<dyn Resolve>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("patterns", &self.patterns)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// `.example.com`
    Below(String),
    Exactly(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self { host: HostPattern::Any, port: 443 });
        }
        let rest = text.strip_prefix("*.").unwrap_or(text);
        let (host, port) = host_and_port(&format!("https://{rest}")).ok_or_else(|| {
            format!(
                "`{text}` is no host: write `push.example.com`, `*.example.com` or `push.example.com:8443`"
            )
        })?;
        let below = rest.len() < text.len();
        if below && (host.parse::<Ipv4Addr>().is_ok() || !host.contains('.')) {
            return Err(format!("`{text}` covers far too many hosts"));
        }
        Ok(Self {
            host: if below { HostPattern::Below(format!(".{host}")) } else { HostPattern::Exactly(host) },
            port,
        })
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        self.port == port
            && match &self.host {
                HostPattern::Any => true,
                HostPattern::Below(domain) => host.len() > domain.len() && host.ends_with(domain.as_str()),
                HostPattern::Exactly(own) => host == own,
            }
    }
}

/// Host and port of a URL that consists of nothing else.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let url = Url::parse(text).ok()?;
    let bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    bare.then_some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

impl Guard {
    /// Checks the lists; the keys name them in messages.
    pub fn new(
        options: &GuardOptions,
        hosts_key: &'static str,
        private_hosts_key: &'static str,
    ) -> Result<Self, SetupError> {
        let pattern =
            |text: &String| Pattern::parse(text).map_err(|problem| SetupError::new(hosts_key, problem));
        let private = |text: &String| {
            let named =
                text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
            // http: so that no port is taken for the usual one and left out.
            let found = host_and_port(&format!("http://{text}")).filter(|_| named);
            found.ok_or_else(|| {
                SetupError::new(
                    private_hosts_key,
                    format!("`{text}` is no host with a port, like `localhost:9000`"),
                )
            })
        };
        Ok(Self {
            patterns: options.hosts.iter().map(pattern).collect::<Result<_, _>>()?,
            private: options.private_hosts.iter().map(private).collect::<Result<_, _>>()?,
            resolver: options.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver)),
        })
    }

    /// Whether this URL may be called, as far as it tells by itself: for the moment when it is registered, and again
    /// before every call. Where its name leads is seen when it is connected to.
    pub fn check_endpoint(&self, url: &str) -> Result<(Url, Trust), Refusal> {
        if url.len() > URL_BYTES_MAX {
            return Err(Refusal::NoUrl);
        }
        let url = Url::parse(url).map_err(|_| Refusal::NoUrl)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Refusal::NoUrl);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        if self.private.contains(&(host.to_owned(), port)) {
            return match url.scheme() {
                "https" | "http" => Ok((url, Trust::Named)),
                _ => Err(Refusal::NotHttps),
            };
        }
        if url.scheme() != "https" {
            return Err(Refusal::NotHttps);
        }
        // A literal address never meets the resolver. The parser has turned decimal, octal and short forms into it.
        match literal(host) {
            Some(ip) if !is_public(ip) => return Err(Refusal::NotPublic),
            None if !host.trim_end_matches('.').contains('.') => return Err(Refusal::NotPublic),
            _ => {}
        }
        let matching = self.patterns.iter().filter(|pattern| pattern.matches(host, port));
        let trust = matching.map(|pattern| match pattern.host {
            HostPattern::Any => Trust::Anybody,
            HostPattern::Below(_) | HostPattern::Exactly(_) => Trust::Named,
        });
        match trust.min_by_key(|trust| *trust == Trust::Anybody) {
            Some(trust) => Ok((url, trust)),
            None => Err(Refusal::NotListed),
        }
    }

    /// A client that connects to public addresses and the listed private hosts only.
    pub(crate) fn restrict(&self, client: ClientBuilder) -> ClientBuilder {
        let private_names = self.private.iter().map(|(host, _)| host.clone()).collect();
        client
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .dns_resolver(PublicOnly { resolver: Arc::clone(&self.resolver), private_names })
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// A name leads to nothing but addresses that may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its name leads to an address that is not public")]
pub(crate) struct LedInside;

struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

struct PublicOnly {
    resolver: Arc<dyn Resolve>,
    /// Their ports were checked with the URL.
    private_names: BTreeSet<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private_names.contains(&name.as_str().to_ascii_lowercase());
        let found = self.resolver.resolve(name);
        Box::pin(async move {
            let found: Vec<_> = found.await?.collect();
            if private || found.is_empty() {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let public: Vec<_> = found.into_iter().filter(|address| is_public(address.ip())).collect();
            match public.is_empty() {
                true => Err(LedInside.into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address belongs to somebody out there: not to this machine, a private network, a carrier, a cloud's
/// metadata, a test or documentation, and not to a tunnel that carries such an address inside.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !V4_NOT_PUBLIC.iter().any(|(network, bits)| {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(ip) & mask == u32::from_be_bytes(*network)
        }),
        IpAddr::V6(ip) => {
            // Everything that was ever given to anybody is in 2000::/3; v4-in-v6, NAT64, private and local addresses
            // and multicast are not.
            let [first, second, ..] = ip.segments();
            let global = first & 0xe000 == 0x2000;
            // Protocol assignments with Teredo, ORCHID and benchmarks.
            let protocols = first == 0x2001 && second < 0x0200;
            let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
            let six_to_four = first == 0x2002;
            let first_experiment = first == 0x3ffe;
            global && !protocols && !documentation && !six_to_four && !first_experiment
        }
    }
}

const V4_NOT_PUBLIC: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Carriers' NAT; a cloud's metadata.
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local; most clouds' metadata.
    ([169, 254, 0, 0], 16),
    // A cloud's host and metadata, from inside its machines only.
    ([168, 63, 129, 16], 32),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    // The way back of 6to4.
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, then what is reserved, with broadcast at its end.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    fn guard(hosts: &[&str], private_hosts: &[&str]) -> Guard {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let options =
            GuardOptions { hosts: texts(hosts), private_hosts: texts(private_hosts), resolver: None };
        Guard::new(&options, "hosts", "private_hosts").unwrap()
    }

    fn refusal(guard: &Guard, url: &str) -> Option<Refusal> {
        guard.check_endpoint(url).err()
    }

    #[test]
    fn an_address_is_public_or_it_is_not() {
        let not_public = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "3ffe::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ];
        for ip in not_public {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
        ];
        for ip in public {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn known_push_services_pass_and_hosts_that_only_look_like_them_do_not() {
        let guard = guard(KNOWN_PUSH_SERVICES, &[]);
        for url in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://fcm.googleapis.com:443/wp/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://wns2-par02p.notify.windows.com/w/?token=BQY",
            "https://web.push.apple.com/QOf",
            "https://FCM.googleapis.com/fcm/send/abc",
        ] {
            assert_eq!(guard.check_endpoint(url).map(|(_, trust)| trust), Ok(Trust::Named), "{url}");
        }
        for url in [
            "https://evil.example/fcm.googleapis.com",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://push.services.mozilla.com/x",
            "https://evilpush.services.mozilla.com/x",
            "https://fcm.googleapis.com./x",
            "https://fcm.googleapis.com:8443/x",
            "https://8.8.8.8/x",
        ] {
            assert_eq!(refusal(&guard, url), Some(Refusal::NotListed), "{url}");
        }
        assert_eq!(refusal(&guard, "http://fcm.googleapis.com/x"), Some(Refusal::NotHttps));
        assert_eq!(refusal(&guard, "https://fcm.googleapis.com@10.0.0.1/x"), Some(Refusal::Credentials));
        assert_eq!(refusal(&guard, "https://a:b@fcm.googleapis.com/x"), Some(Refusal::Credentials));
    }

    #[test]
    fn no_way_of_writing_a_private_address_passes_even_where_every_host_may() {
        let guard = guard(&["*"], &[]);
        for url in [
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0177.0.0.1/x",
            "https://127.1/x",
            "https://0/x",
            "https://10.0.0.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://[::]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[::ffff:a00:1]/x",
            "https://[::10.0.0.1]/x",
            "https://[64:ff9b::10.0.0.1]/x",
            "https://[2002:a00:1::]/x",
            "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/x",
            "https://[fd00::1]/x",
            "https://[fe80::1]/x",
            "https://192.0.2.1/x",
            "https://localhost/x",
            "https://localhost./x",
            "https://intranet/x",
            "https://１２７.0.0.1/x",
        ] {
            assert_eq!(refusal(&guard, url), Some(Refusal::NotPublic), "{url}");
        }
        assert_eq!(guard.check_endpoint("https://8.8.8.8/x").map(|(_, trust)| trust), Ok(Trust::Anybody));
        assert_eq!(
            guard.check_endpoint("https://push.example.net/x").map(|(_, trust)| trust),
            Ok(Trust::Anybody)
        );
        assert_eq!(refusal(&guard, "https://push.example.net:22/x"), Some(Refusal::NotListed));
        for (url, why) in [
            ("http://push.example.net/x", Refusal::NotHttps),
            ("file:///etc/passwd", Refusal::NoUrl),
            ("ftp://push.example.net/", Refusal::NotHttps),
            ("javascript:alert(1)", Refusal::NoUrl),
            ("push.example.net/x", Refusal::NoUrl),
            ("", Refusal::NoUrl),
        ] {
            assert_eq!(refusal(&guard, url), Some(why), "{url}");
        }
        assert_eq!(
            refusal(&guard, &format!("https://push.example.net/{}", "x".repeat(2048))),
            Some(Refusal::NoUrl)
        );
    }

    #[test]
    fn a_private_host_is_listed_with_its_port_and_that_alone_passes() {
        let guard = guard(&["*.example.com"], &["127.0.0.1:9000", "localhost:80", "[::1]:9001"]);
        for url in [
            "https://127.0.0.1:9000/x",
            "http://127.0.0.1:9000/x",
            "http://localhost/x",
            "https://[::1]:9001/x",
        ] {
            assert!(guard.check_endpoint(url).is_ok(), "{url}");
        }
        assert_eq!(refusal(&guard, "https://127.0.0.1:9001/x"), Some(Refusal::NotPublic));
        assert_eq!(refusal(&guard, "https://localhost/x"), Some(Refusal::NotPublic));
        assert_eq!(refusal(&guard, "ws://127.0.0.1:9000/x"), Some(Refusal::NotHttps));
    }

    #[test]
    fn lists_that_mean_nothing_are_refused_with_their_key() {
        let make = |hosts: &[&str], private: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let options = GuardOptions { hosts: texts(hosts), private_hosts: texts(private), resolver: None };
            Guard::new(&options, "hosts", "private_hosts").map(|_| ()).map_err(|error| error.key)
        };
        assert_eq!(make(&["https://a.example.com/"], &[]), Err("hosts"));
        assert_eq!(make(&["*.com"], &[]), Err("hosts"));
        assert_eq!(make(&["a.example.com/x"], &[]), Err("hosts"));
        assert_eq!(make(&[], &["localhost"]), Err("private_hosts"));
        assert_eq!(make(&[], &["[::1]"]), Err("private_hosts"));
        assert_eq!(make(&["a.example.com:8443", "*"], &["localhost:1"]), Ok(()));
    }

    /// Answers one list after the other, the last one for ever.
    struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

    impl Resolve for Scripted {
        fn resolve(&self, _: Name) -> Resolving {
            let mut script = self.0.lock().unwrap();
            let answer = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
            let answer: Vec<_> = answer.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Box::pin(async move { Ok(Box::new(answer.into_iter()) as Addrs) })
        }
    }

    #[tokio::test]
    async fn a_name_that_led_outside_and_then_leads_inside_is_refused_then() {
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let script =
            vec![ips(&["8.8.8.8"]), ips(&["10.0.0.1", "1.1.1.1"]), ips(&["127.0.0.1", "64:ff9b::a00:1"])];
        let filter = PublicOnly {
            resolver: Arc::new(Scripted(Mutex::new(script))),
            private_names: ["dev.example.com".to_owned()].into(),
        };
        let look = async |name: &str| {
            let found = filter.resolve(name.parse().unwrap()).await;
            found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
        };
        assert_eq!(look("push.example.com").await.unwrap(), ips(&["8.8.8.8"]));
        assert_eq!(look("push.example.com").await.unwrap(), ips(&["1.1.1.1"]));
        let error = look("push.example.com").await.unwrap_err();
        assert_eq!(error.downcast_ref::<LedInside>(), Some(&LedInside));
        assert_eq!(look("Dev.example.com").await.unwrap().len(), 2);
    }
}
