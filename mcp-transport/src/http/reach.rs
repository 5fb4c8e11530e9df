//! Which addresses a connection may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a client connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// All of them.
    #[default]
    Anywhere,
    /// Addresses of the public internet. For URLs that a stranger chose: they must not lead into
    /// this machine or the network around it.
    Public,
}

impl Reach {
    /// Whether an address may be connected to.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public => match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            },
        }
    }

    /// Whether a host may be asked for before its addresses are known. Behind a proxy that is all
    /// there is to go by.
    pub(super) fn allows_host(self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.allows(address);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        self == Self::Anywhere || (name != "localhost" && !name.ends_with(".localhost"))
    }
}

/// By the registry of special-purpose addresses (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (b & 0xc0) == 64;
    let protocol = a == 192 && b == 0 && c == 0;
    let relay = a == 192 && b == 88 && c == 99;
    let benchmarks = a == 198 && (b & 0xfe) == 18;
    let reserved = a == 0 || a >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || shared
        || protocol
        || relay
        || benchmarks
        || reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // An IPv4 address in another dress: mapped, or translated (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, and protocol assignments that are not for hosts (RFC 2928).
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Everything else outside 2000::/3 is for this machine, this network, groups, or unassigned.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: auth-ssrf
    #[test]
    fn only_the_public_internet_is_public() {
        let refused = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1
            172.31.255.255 192.0.0.8 192.0.2.1 192.168.1.1 198.18.0.1 224.0.0.1 240.0.0.1
            255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
            64:ff9b::10.0.0.1 64:ff9b:1::1 2002:7f00:1:: 2001::1 2001:db8::1 fc00::1 fd00:ec2::254
            fe80::1 fec0::1 ff02::1";
        for text in refused.split_whitespace() {
            assert!(!Reach::Public.allows(text.parse().unwrap()), "{text}");
            assert!(!Reach::Public.allows_host(text), "{text}");
            assert!(Reach::Anywhere.allows(text.parse().unwrap()), "{text}");
        }
        let allowed = "1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.255.255
            172.32.0.1 8.8.8.8 2606:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8
            64:ff9b::8.8.8.8 2002:808:808::";
        for text in allowed.split_whitespace() {
            assert!(Reach::Public.allows(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn names_of_this_machine_are_not_public() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1"] {
            assert!(!Reach::Public.allows_host(host), "{host}");
            assert!(Reach::Anywhere.allows_host(host), "{host}");
        }
        assert!(Reach::Public.allows_host("localhost.example.com"));
    }
}
