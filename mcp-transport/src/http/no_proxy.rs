//! The list of `NO_PROXY`.

use std::net::IpAddr;

/// Whether a list of names, addresses and networks covers a host.
///
/// Entries are separated by commas or spaces: `*`; a name, which covers its subdomains too, with or
/// without a dot in front; an address; a network such as `10.0.0.0/8`. An entry may end with a port.
pub(super) fn covers(list: &str, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (entry, only_port) = split_port(entry);
        if only_port.is_some_and(|only| only != port) {
            return false;
        }
        match address {
            Some(address) => covers_address(entry, address),
            None => covers_name(entry, host),
        }
    })
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((address, port)) => {
                (address, port.strip_prefix(':').and_then(|port| port.parse().ok()))
            }
            None => (rest, None),
        };
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn covers_name(entry: &str, host: &str) -> bool {
    let suffix = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    !suffix.is_empty()
        && host.strip_suffix(&suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn covers_address(entry: &str, address: IpAddr) -> bool {
    let Some((network, bits)) = entry.split_once('/') else {
        return entry.parse() == Ok(address);
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            bits <= 32 && differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            bits <= 128 && differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_what_it_names() {
        for (list, host, expected) in [
            ("*", "example.com", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com.", true),
            ("example.com", "a.example.com", true),
            (".example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("example.com", "badexample.com", false),
            ("a.com, b.com", "b.com", true),
            ("example.com:8080", "example.com", true),
            ("example.com:9", "example.com", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.0.0.0/99", "10.0.0.0", false),
            ("192.168.1.1", "192.168.1.1", true),
            ("fd00::/8", "fd12::1", true),
            ("[::1]:8080", "::1", true),
            ("::1", "::1", true),
            ("", "example.com", false),
            (".", "example.com", false),
        ] {
            assert_eq!(covers(list, host, 8080), expected, "{list} {host}");
        }
    }
}
