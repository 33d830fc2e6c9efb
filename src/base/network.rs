//! Who a client is, as far as its address tells.

use std::net::{IpAddr, Ipv6Addr};

/// Returns what one client is counted by: its address, or the network of it that one customer is given.
/// Source: RFC 6177 §2.
pub fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_one_client() {
        for (address, client) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:0:1:ffff::2", "2001:db8:0:1::")]
        {
            assert_eq!(client_of(address.parse().unwrap()), client.parse::<IpAddr>().unwrap());
        }
    }
}
