//! Where the mirror may connect to: the address that a name *resolves to* is judged when the connection is made, so
//! that no name, redirect or document leads it to its own neighbours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::error::Error;

/// Whether addresses that are not of the public Internet may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// The operator has said so, for this upstream.
    Private,
}

/// An address that may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Kept(pub &'static str);

/// Judges a URL before a request: its scheme, and its address where it names one.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn check(url: &Url, reach: Reach) -> Result<(), Error> {
    let forbidden = |reason| Error::Forbidden { host: url.host_str().unwrap_or_default().to_owned(), reason };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(forbidden("only http and https are spoken"));
    }
    let address = match url.host() {
        None => return Err(forbidden("the URL names no host")),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
    };
    judge(address, reach).map_err(|kept| forbidden(kept.0))
}

/// Resolves a host name and returns the addresses that may be connected to.
///
/// # Errors
/// The resolver's; [`io::ErrorKind::PermissionDenied`] with a [`Kept`] inside when no address is left.
pub async fn resolve(host: &str, port: u16, reach: Reach) -> io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in tokio::net::lookup_host((bare, port)).await? {
        match judge(address.ip(), reach) {
            Ok(()) => allowed.push(address),
            Err(kept) => refused = Some(kept),
        }
    }
    match refused {
        Some(kept) if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::PermissionDenied, kept)),
        _ if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        _ => Ok(allowed),
    }
}

fn judge(address: IpAddr, reach: Reach) -> Result<(), Kept> {
    match reserved(address) {
        Some(reason) if reach == Reach::Public => Err(Kept(reason)),
        _ => Ok(()),
    }
}

/// Tells why an address is none of the public Internet; `None` when it is.
///
/// Source: IANA special-purpose address registries (RFC 6890).
fn reserved(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => reserved_v6(address),
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Some("it is a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("it is a private address"),
        (169, 254, _) => Some("it is a link-local address"),
        (100, 64..=127, _) => Some("it is a shared carrier address"),
        (0, ..) => Some("it is no address of another host"),
        (192, 0, 0) | (192, 0, 2) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => {
            Some("it is an address for special use")
        }
        (224.., ..) => Some("it is a multicast or reserved address"),
        _ => None,
    }
}

fn reserved_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = embedded_v4(address) {
        return reserved_v4(inner);
    }
    let [first, second, ..] = address.segments();
    match first {
        _ if address.is_loopback() => Some("it is a loopback address"),
        _ if address.is_unspecified() => Some("it is no address of another host"),
        0xfe80..=0xfebf => Some("it is a link-local address"),
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Some("it is a private address"),
        0xff00.. => Some("it is a multicast or reserved address"),
        0x2001 if second == 0x0db8 => Some("it is an address for special use"),
        0x0100 => Some("it is an address for special use"),
        _ => None,
    }
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped, compatible,
/// translated, 6to4, Teredo and NAT64 forms reach it.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] => of(high, low),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] => of(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => of(high, low),
        [0x0064, 0xff9b, 0 | 1, _, _, _, high, low] => of(high, low),
        // Teredo hides the client's address by inverting it. Source: RFC 4380 §4.
        [0x2001, 0, .., high, low] => of(!high, !low),
        [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> bool {
        check(&url.parse().unwrap(), Reach::Public).is_err()
    }

    #[test]
    fn addresses_that_are_not_of_the_public_internet_are_refused() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
            "[::127.0.0.1]",
            "[ff02::1]",
            "[64:ff9b:1::a00:1]",
            "[::ffff:0:10.0.0.1]",
            "[2001:0:1:2:3:4:80ff:fffe]",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
        ] {
            assert!(refused(&format!("http://{address}/x")), "{address}");
        }
    }

    #[test]
    fn public_addresses_and_names_are_left_to_the_resolver() {
        for host in ["8.8.8.8", "172.32.0.1", "[2606:4700::1111]", "registry.example"] {
            assert!(!refused(&format!("https://{host}/x")), "{host}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["file:///etc/passwd", "ftp://registry.example/x", "gopher://registry.example/"] {
            assert!(refused(url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_neighbour_is_refused_unless_private_ones_are_meant() {
        let error = resolve("localhost", 80, Reach::Public).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(!resolve("localhost", 80, Reach::Private).await.unwrap().is_empty());
    }
}
