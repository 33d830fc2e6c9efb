//! What `mix local.hex` and `mix local.rebar` read: lists of builds with their SHA-512, and the builds themselves.
//! Source: contract hex §1.4.

use super::super::name::Version;
use super::Error;
use crate::base::digest::{Algorithm, Promise};

/// Longest release of OTP in a file's name, in characters: `28`, `27.3`.
const MAX_OTP: usize = 16;

/// A file below `installs/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    List(List),
    /// The signature of a list, which only hex.pm can make.
    Signature(List),
    Archive(Archive),
}

/// A list of builds: `VERSION,SHA512,ELIXIR…`, and of the later kind `VERSION,SHA512,ELIXIR,OTP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// Hex for Elixir up to 1.18.
    Hex1,
    /// The first rebar for Elixir up to 1.13.
    Rebar1,
    /// rebar3 for Elixir up to 1.18.
    Rebar3,
    /// Hex for Elixir from 1.19, by release of OTP.
    Hex,
    /// rebar3 for Elixir from 1.19, by release of OTP.
    Rebar,
}

/// A build, and which list vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub list: List,
    pub version: Version,
    pub elixir: Version,
    /// What lists of the later kind tell it by.
    otp: Option<Box<str>>,
}

impl Install {
    /// Reads the segments below `installs/`; `None` when no client would ask for such a file.
    pub fn parse(segments: &[&str]) -> Option<Self> {
        match segments {
            [file] => match file.strip_suffix(".signed") {
                None => List::named(file).map(Self::List),
                Some(list) => List::named(list).filter(|list| list.is_signed()).map(Self::Signature),
            },
            [elixir, file] => Archive::parse(Version::parse(elixir).ok()?, file).map(Self::Archive),
            _ => None,
        }
    }

    /// Returns the path below `installs/`.
    pub fn path(&self) -> String {
        match self {
            Self::List(list) => list.file().to_owned(),
            Self::Signature(list) => format!("{}.signed", list.file()),
            Self::Archive(archive) => archive.path(),
        }
    }
}

impl List {
    const ALL: [Self; 5] = [Self::Hex1, Self::Rebar1, Self::Rebar3, Self::Hex, Self::Rebar];

    fn named(file: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.file() == file)
    }

    pub fn file(self) -> &'static str {
        match self {
            Self::Hex1 => "hex-1.x.csv",
            Self::Rebar1 => "rebar-1.x.csv",
            Self::Rebar3 => "rebar3-1.x.csv",
            Self::Hex => "hex.csv",
            Self::Rebar => "rebar.csv",
        }
    }

    /// Tells whether the list comes with a signature.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Hex1 | Self::Rebar1 | Self::Rebar3)
    }
}

impl Archive {
    fn parse(elixir: Version, file: &str) -> Option<Self> {
        let (program, rest) = file.split_once('-')?;
        let rest = if program == "hex" { rest.strip_suffix(".ez")? } else { rest };
        let (version, otp) = match rest.rsplit_once("-otp-") {
            None => (rest, None),
            Some((version, otp)) => (version, Some(otp)),
        };
        let list = match (program, otp) {
            ("hex", None) => List::Hex1,
            ("hex", Some(_)) => List::Hex,
            ("rebar", None) => List::Rebar1,
            ("rebar3", None) => List::Rebar3,
            ("rebar3", Some(_)) => List::Rebar,
            _ => return None,
        };
        let otp = if otp.is_none_or(is_release) { otp.map(Into::into) } else { return None };
        Some(Self { list, version: Version::parse(version).ok()?, elixir, otp })
    }

    fn path(&self) -> String {
        let Self { list, version, elixir, otp } = self;
        let otp = otp.as_ref().map(|otp| format!("-otp-{otp}")).unwrap_or_default();
        match list {
            List::Hex1 | List::Hex => format!("{elixir}/hex-{version}{otp}.ez"),
            List::Rebar1 => format!("{elixir}/rebar-{version}"),
            List::Rebar3 | List::Rebar => format!("{elixir}/rebar3-{version}{otp}"),
        }
    }

    /// Tells whether a row of the archive's list is about it.
    fn is_of(&self, row: &[&str]) -> bool {
        let [version, _, builds @ ..] = row else { return false };
        let is_built = match &self.otp {
            None => builds.contains(&self.elixir.as_str()),
            Some(otp) => *builds == [self.elixir.as_str(), otp],
        };
        *version == self.version.as_str() && is_built
    }
}

fn is_release(otp: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    otp.len() <= MAX_OTP && otp.split('.').all(is_number)
}

/// Finds what the archive's list promises of it; `None` when the list does not have it.
///
/// # Errors
/// [`Error::NoList`]: not text, or the archive's sum cannot be read.
pub fn find_sum(list: &[u8], archive: &Archive) -> Result<Option<Promise>, Error> {
    let text = std::str::from_utf8(list).map_err(|_| Error::NoList)?;
    let rows = text.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let sum = rows.filter(|row| archive.is_of(row)).find_map(|row| row.get(1).map(|sum| (*sum).to_owned()));
    let promise = sum.map(|sum| Promise::from_hex(Algorithm::Sha512, &sum));
    promise.transpose().map_err(|_| Error::NoList)
}

/// Checks that a list of builds has nothing but rows of one, each with its sum and what it was built for.
///
/// # Errors
/// [`Error::NoList`].
pub fn check_list(list: &[u8]) -> Result<(), Error> {
    let text = std::str::from_utf8(list).map_err(|_| Error::NoList)?;
    text.lines().filter(|line| !line.trim().is_empty()).try_for_each(check_row)
}

fn check_row(line: &str) -> Result<(), Error> {
    let mut fields = line.split(',').map(str::trim);
    let (version, sum, built_for) = (fields.next(), fields.next(), fields.next());
    let is_version = version.is_some_and(|version| Version::parse(version).is_ok());
    let is_sum = sum.is_some_and(|sum| Promise::from_hex(Algorithm::Sha512, sum).is_ok());
    if is_version && is_sum && built_for.is_some() { Ok(()) } else { Err(Error::NoList) }
}
