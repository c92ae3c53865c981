//! Finds out from which address a request came, through proxies that are known.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName};

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address. Each proxy adds the address that it saw at the right end of X-Forwarded-For; what stands further to the
/// left than the first unknown address was written by the client, and can be anything.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.contains(&address.to_canonical());
    let mut client = peer.to_canonical();
    let lines: Vec<&str> =
        headers.get_all(FORWARDED).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let mut seen = lines.iter().rev().flat_map(|line| line.rsplit(','));
    while is_proxy(client) {
        match seen.next().map(|text| text.trim().parse::<IpAddr>()) {
            Some(Ok(address)) => client = address.to_canonical(),
            Some(Err(_)) | None => break,
        }
    }
    client
}

/// The address under which requests are counted: one customer of a provider has a whole /64 of IPv6.
pub fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&'static str], proxies: &[&str]) -> String {
        let headers = lines.iter().map(|line| (FORWARDED, line.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        );
        let proxies: Vec<IpAddr> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_what_a_known_proxy_added_counts() {
        for (peer, lines, proxies, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], &[][..], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.9"], &["192.0.2.1"], "203.0.113.9"),
            ("192.0.2.1", &["198.51.100.7, 203.0.113.9"], &["192.0.2.1"], "203.0.113.9"),
            ("192.0.2.1", &["198.51.100.7", "203.0.113.9"], &["192.0.2.1"], "203.0.113.9"),
            (
                "192.0.2.1",
                &["198.51.100.7,203.0.113.9,192.0.2.2"],
                &["192.0.2.1", "192.0.2.2"],
                "203.0.113.9",
            ),
            ("192.0.2.1", &["203.0.113.9, nonsense"], &["192.0.2.1"], "192.0.2.1"),
            ("192.0.2.1", &[], &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["2001:db8::1"], &["192.0.2.1"], "2001:db8::1"),
        ] {
            assert_eq!(client(peer, lines, proxies), expected, "{peer} {lines:?} {proxies:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let counted = |text: &str| counted(text.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
    }
}
