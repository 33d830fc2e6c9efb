//! From where a token may be used: a list of networks in CIDR form. Pure.

use std::fmt;
use std::net::IpAddr;

use super::error::Error;
use crate::base::network::Network;

/// The longest list: npm's clients may send ten, and nobody has more of use.
const MOST: usize = 64;

/// A list of networks; an empty one holds every address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

// === impl Networks ===

impl Networks {
    /// Reads a list, separated by commas.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let malformed = || Error::Malformed { what: "network", why: "is not of the form address/bits" };
        let networks: Vec<_> =
            items.map(|item| Network::parse(item).ok_or_else(malformed)).collect::<Result<_, _>>()?;
        if networks.len() > MOST {
            return Err(Error::Malformed { what: "list of networks", why: "is too long" });
        }
        Ok(Self(networks))
    }

    /// Tells whether an address is in one of them.
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.holds(address))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_holds_every_address() {
        for (networks, address, held) in [
            ("", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("2001:db8::/33, 192.0.2.1/32", "2001:db8:7fff::1", true),
            ("2001:db8::/33, 192.0.2.1/32", "192.0.2.1", true),
            ("2001:db8::/33, 192.0.2.1/32", "192.0.2.2", false),
        ] {
            assert_eq!(Networks::parse(networks).unwrap().hold(address.parse().unwrap()), held, "{networks} {address}");
        }
    }

    #[test]
    fn a_list_is_read_and_printed() {
        assert_eq!(Networks::parse("192.0.2.1 , ::1/128").unwrap().to_string(), "192.0.2.1/32,::1/128");
        assert!(Networks::parse("192.0.2.1,x").is_err());
    }
}
