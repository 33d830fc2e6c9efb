//! From where a token may be used: a list of networks in CIDR form. Pure.

use std::fmt;
use std::net::IpAddr;

use super::error::Error;

/// The longest list: npm's clients may send ten, and nobody has more of use.
const MOST: usize = 64;

/// One network. Prints as it is: `192.0.2.0/24`. Source: RFC 4632 §3.1, RFC 4291 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many bits of the address count.
    bits: u32,
}

/// A list of networks; an empty one holds every address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

// === impl Network ===

impl Network {
    /// Reads a network, or a single address. Bits of the address that do not count are passed over.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "network", why: "is not of the form address/bits" };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let width = width(address);
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().map_err(|_| malformed())?,
            Some(_) => return Err(malformed()),
        };
        if bits > width { Err(malformed()) } else { Ok(Self { address, bits }) }
    }

    fn holds(self, address: IpAddr) -> bool {
        width(self.address) == width(address) && prefix(self.address, self.bits) == prefix(address, self.bits)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

// === impl Networks ===

impl Networks {
    /// Reads a list, separated by commas.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let networks: Vec<_> = items.map(Network::parse).collect::<Result<_, _>>()?;
        if networks.len() > MOST {
            return Err(Error::Malformed { what: "list of networks", why: "is too long" });
        }
        Ok(Self(networks))
    }

    /// Tells whether an address is in one of them. An IPv4 address in IPv6's clothes is taken for what it is.
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.holds(address.to_canonical()))
    }

    pub fn iter(&self) -> impl Iterator<Item = Network> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(Network::to_string).collect();
        formatter.write_str(&all.join(","))
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns the first bits of an address as a number.
fn prefix(address: IpAddr, bits: u32) -> u128 {
    let number = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    number.checked_shr(128 - bits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_by_its_network() {
        for (networks, address, held) in [
            ("", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.0/24", "2001:db8::1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.9", false),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.8", false),
            ("2001:db8::/33, 192.0.2.1/32", "2001:db8:7fff::1", true),
            ("2001:db8::/33, 192.0.2.1/32", "2001:db8:8000::1", false),
        ] {
            assert_eq!(Networks::parse(networks).unwrap().hold(address.parse().unwrap()), held, "{networks} {address}");
        }
    }

    #[test]
    fn a_list_is_read_and_printed() {
        assert_eq!(Networks::parse("192.0.2.1 , ::1/128").unwrap().to_string(), "192.0.2.1/32,::1/128");
        for wrong in ["192.0.2.0/33", "192.0.2/24", "::/129", "x", "192.0.2.0/", "192.0.2.0/+8", "192.0.2.0/-1"] {
            assert!(Networks::parse(wrong).is_err(), "{wrong}");
        }
    }
}
