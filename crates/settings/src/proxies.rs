//! The proxies in front of a gateway, which speak for others.

use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses and networks whose `X-Forwarded-For` is used.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads a comma-separated list of addresses and networks.
    pub fn parse(text: &str) -> Option<Self> {
        let network = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
        text.split(',').map(str::trim).map(network).collect::<Option<_>>().map(Self)
    }

    /// Whether this is one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address that a request came from, given its peer and the values of `X-Forwarded-For`: the last address that is no
    /// trusted proxy's. What stands before that may be invented.
    pub fn origin<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut origin = peer;
        let mut hops = forwarded.flat_map(|header| header.split(',')).rev();
        while self.contain(origin) {
            match hops.next().and_then(|address| address.trim().parse().ok()) {
                Some(address) => origin = address,
                None => break,
            }
        }
        origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_origin_is_the_last_one_that_no_trusted_proxy_is() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 2001:db8::1").unwrap();
        for (peer, forwarded, origin) in [
            ("192.0.2.1", vec!["198.51.100.7"], "192.0.2.1"),
            ("10.1.2.3", vec![], "10.1.2.3"),
            ("10.1.2.3", vec!["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.1.2.3", vec!["198.51.100.7"], "198.51.100.7"),
            ("2001:db8::1", vec!["6.6.6.6, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.1.2.3", vec!["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
            ("10.1.2.3", vec!["nonsense, 10.9.9.9"], "10.9.9.9"),
        ] {
            assert_eq!(proxies.origin(ip(peer), forwarded.clone().into_iter()), ip(origin), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_no_list() {
        assert!(TrustedProxies::parse("10.0.0.0/33").is_none());
        assert!(TrustedProxies::parse("proxy.example.com").is_none());
    }
}
