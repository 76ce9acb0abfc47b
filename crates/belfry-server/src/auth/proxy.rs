//! The caller's address behind trusted proxies.

use super::SettingError;
use http::HeaderName;
use http::header::{FORWARDED, HeaderMap};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most proxies in a row that are followed.
const HOPS_MAX: usize = 32;

/// Which header the proxies write. Only that one is read: the other would reach us as the caller wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly all proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word about the caller's address counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    nets: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Parses `server.trusted_proxies`: addresses and networks in CIDR form.
    pub fn new<S: AsRef<str>>(nets: &[S], header: ForwardedHeader) -> Result<Self, SettingError> {
        let nets = nets.iter().map(|net| {
            let net = net.as_ref().trim();
            net.parse().or_else(|_| net.parse().map(|ip: IpAddr| IpNet::from(ip.to_canonical()))).map_err(
                |_| {
                    SettingError::new(
                        "server.trusted_proxies",
                        format!("`{}` is no address and no network such as 10.0.0.0/8", net.escape_debug()),
                    )
                },
            )
        });
        Ok(Self { nets: nets.collect::<Result<_, _>>()?, header })
    }

    /// The caller's address: from the right of the list of hops, the first one that is no trusted proxy. Without a
    /// trusted peer the header is anybody's claim, and the peer itself is the caller.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let hops = match self.header {
            ForwardedHeader::XForwardedFor => x_forwarded_for(headers),
            ForwardedHeader::Forwarded => forwarded(headers),
        };
        for hop in hops.into_iter().rev().take(HOPS_MAX) {
            // What cannot be read was not written by a trusted proxy: the last one that could be read counts.
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// What a limit per address counts by, or `None` where an address says nothing: a loopback peer that is not
    /// trusted is a proxy nobody configured, and one limit for all its callers would lock everybody out. IPv6 callers
    /// are counted by their /64, which is one line.
    pub fn limit_key(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let client = self.client(peer, headers);
        if client.is_loopback() {
            return None;
        }
        Some(match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 64))),
        })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&address))
    }
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(|hop| address(std::str::from_utf8(hop).ok()?))
        .collect()
}

fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(|hop| {
            let hop = std::str::from_utf8(hop).ok()?;
            let mut pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
            let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
            let node = node.trim();
            address(node.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(node))
        })
        .collect()
}

/// An address with or without port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|s| s.ip()));
    parsed.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted, ForwardedHeader::XForwardedFor).unwrap();
        proxies.client(peer.parse().unwrap(), &headers(&X_FORWARDED_FOR, lines)).to_string()
    }

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn an_untrusted_peer_is_the_caller_whatever_it_claims() {
        assert_eq!(client(&[], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    }

    #[test]
    fn the_first_untrusted_hop_from_the_right_is_the_caller() {
        let trusted = ["10.0.0.0/8", "127.0.0.1"];
        assert_eq!(client(&trusted, "127.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(client(&trusted, "127.0.0.1", &["6.6.6.6", "203.0.113.9", "10.0.0.7"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.1.1.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&trusted, "::ffff:10.1.1.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn all_hops_trusted_means_the_leftmost() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn an_unreadable_hop_ends_the_walk() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4,"]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_only_when_it_is_the_configured_header() {
        let proxies = TrustedProxies::new(&["10.0.0.0/8"], ForwardedHeader::Forwarded).unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        let mut lines =
            headers(&FORWARDED, &["for=6.6.6.6, For=\"[2001:db8::7]:99\";proto=https", "by=x;for=10.0.0.2"]);
        lines.insert(X_FORWARDED_FOR, HeaderValue::from_static("9.9.9.9"));
        assert_eq!(proxies.client(peer, &lines).to_string(), "2001:db8::7");
        let obfuscated = headers(&FORWARDED, &["for=1.2.3.4, for=_hidden"]);
        assert_eq!(proxies.client(peer, &obfuscated), peer);
        assert_eq!(
            TrustedProxies::new(&["10.0.0.0/8"], ForwardedHeader::default())
                .unwrap()
                .client(peer, &obfuscated),
            peer
        );
    }

    #[test]
    fn limits_count_by_address_or_by_the_line_of_an_ipv6_caller() {
        let none = TrustedProxies::default();
        let key =
            |peer: &str| none.limit_key(peer.parse().unwrap(), &HeaderMap::new()).map(|ip| ip.to_string());
        assert_eq!(key("203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::"));
        assert_eq!(key("127.0.0.1"), None, "an unconfigured proxy must not lock everybody out");
        assert_eq!(key("::1"), None);
    }

    #[test]
    fn networks_are_checked() {
        assert!(TrustedProxies::new(&["10.0.0.0/8", "::1", "fd00::/8"], ForwardedHeader::default()).is_ok());
        for bad in ["", "proxy", "10.0.0.0/33"] {
            assert_eq!(
                TrustedProxies::new(&[bad], ForwardedHeader::default()).unwrap_err().key,
                "server.trusted_proxies"
            );
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.append(X_FORWARDED_FOR, value.clone());
                headers.append(FORWARDED, value);
                for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                    let _ = TrustedProxies::new(&["0.0.0.0/0"], header).unwrap().limit_key([1, 2, 3, 4].into(), &headers);
                }
            }
        }
    }
}
