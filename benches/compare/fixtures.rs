//! The packages that the origin serves, made from seeds: the same bytes in every process and in every run.
//!
//! Documents have npm's shapes (both forms) and about npm's entropy: an integrity, a shasum and a signature a version
//! are noise, the rest repeats. Tarballs are noise of an exact length, with their true integrity in the document.

use std::fmt::Write;
use std::io::Write as _;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::Sha1;
use sha2::{Digest, Sha512};

use crate::wire::hex;

/// One document of about 1.5 KB.
pub const SMALL: &str = "doc-1k";
/// A document whose abbreviated form is about 60 KB of gzip.
pub const MEDIUM: &str = "abbr-60k";
/// Documents of 10 and 27 MB.
pub const LARGE: &str = "pack-10m";
pub const HUGE: &str = "pack-27m";
/// A document of 10 MB that is changed while it is measured.
pub const CHANGING: &str = "pack-changing";
/// Tarballs of 50 KB and 100 MB.
pub const SMALL_TARBALL: &str = "tar-50k";
pub const LARGE_TARBALL: &str = "tar-100m";
/// Tarballs of 20 MB, as many as are asked for: any name that starts like this.
pub const SLOW_PREFIX: &str = "slow-";
/// Every package has this version, and the tarball packages only this one.
pub const VERSION: &str = "1.0.0";

const KEY_ID: &str = "SHA256:bm9pc2Ugbm9pc2Ugbm9pc2Ugbm9pc2Ugbm9pc2Ugbm9p";
const WORDS: [&str; 24] = [
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "ledge",
    "marsh", "notch", "oasis", "pines", "quarry", "ridge", "shoal", "tarn", "upland", "vale", "wharf", "yard",
];

/// Both forms of one packument, as an upstream would send them.
pub struct Document {
    pub full: Vec<u8>,
    pub abbreviated: Vec<u8>,
}

/// Makes noise that depends on nothing but a seed (xorshift64*).
pub struct Noise(u64);

/// Returns the length in bytes of a package's tarball; `None` for a package that has none.
pub fn tarball_length(name: &str) -> Option<usize> {
    match name {
        SMALL_TARBALL => Some(50_000),
        LARGE_TARBALL => Some(100_000_000),
        _ if name.starts_with(SLOW_PREFIX) => Some(20_000_000),
        _ => None,
    }
}

/// Makes the tarball of a package.
pub fn tarball(name: &str) -> Option<Vec<u8>> {
    Some(Noise::named(name).bytes(tarball_length(name)?))
}

/// Returns the path of a package's tarball below its registry.
pub fn tarball_path(name: &str) -> String {
    format!("/{name}/-/{name}-{VERSION}.tgz")
}

/// Makes the document of a package, with tarball URLs below `base`. `changes` counts the releases since the first.
pub fn document(name: &str, base: &str, changes: u32) -> Option<Document> {
    let versions = match name {
        SMALL => 1,
        MEDIUM => 268,
        LARGE | CHANGING => 7_300,
        HUGE => 19_710,
        _ => return tarball(name).map(|bytes| print(name, base, &[release_of(&bytes)])),
    };
    let mut noise = Noise::named(name);
    let releases: Vec<_> = (0..versions + changes).map(|index| release(index, &mut noise, versions > 1)).collect();
    Some(print(name, base, &releases))
}

/// Compresses as an upstream would.
///
/// # Errors
/// None in practice: the output is memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).context("compressing")?;
    encoder.finish().context("compressing")
}

struct Release {
    version: String,
    integrity: String,
    shasum: String,
    signature: Option<String>,
    dependencies: String,
    size: u64,
}

fn release(index: u32, noise: &mut Noise, signed: bool) -> Release {
    Release {
        version: format!("{}.{}.{}", 1 + index / 100, index / 10 % 10, index % 10),
        integrity: format!("sha512-{}", STANDARD.encode(noise.bytes(64))),
        shasum: hex(&noise.bytes(20)),
        signature: signed.then(|| STANDARD.encode(noise.bytes(71))),
        dependencies: dependencies(noise, if signed { 9 } else { 2 }),
        size: noise.next() % 1_000_000,
    }
}

fn release_of(tarball: &[u8]) -> Release {
    Release {
        version: VERSION.to_owned(),
        integrity: format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball))),
        shasum: hex(&Sha1::digest(tarball)),
        signature: None,
        dependencies: "{}".to_owned(),
        size: tarball.len() as u64,
    }
}

fn dependencies(noise: &mut Noise, count: usize) -> String {
    let list: Vec<_> = WORDS.iter().skip(noise.below(8)).take(count).enumerate().collect();
    let members: Vec<_> = list
        .iter()
        .map(|(index, word)| format!("\"{word}-{index}\":\"^{}.{}.0\"", noise.below(3), noise.below(4)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn print(name: &str, base: &str, releases: &[Release]) -> Document {
    let latest = &releases.last().expect("a package has a release").version;
    let tags = format!("\"dist-tags\":{{\"latest\":\"{latest}\"}}");
    let full: Vec<_> = releases.iter().map(|release| print_full(name, base, release)).collect();
    let short: Vec<_> = releases.iter().map(|release| print_short(name, base, release)).collect();
    let times: Vec<_> =
        releases.iter().map(|release| format!("\"{}\":\"{}\"", release.version, time(release))).collect();
    let modified = "2026-02-03T04:05:06.789Z";
    let full = format!(
        "{{\"_id\":\"{name}\",\"_rev\":\"7-0123456789abcdef0123456789abcdef\",\"name\":\"{name}\",{tags},\"versions\":{{{}}},\
         \"time\":{{\"created\":\"2020-01-02T03:04:05.678Z\",\"modified\":\"{modified}\",{}}},\"maintainers\":[{{\"name\":\
         \"someone\",\"email\":\"someone@registry.example\"}}],\"description\":\"A package to measure with\",\"license\":\
         \"MIT\",\"readme\":\"{}\",\"readmeFilename\":\"README.md\"}}",
        full.join(","),
        times.join(","),
        "# Measured\\n".repeat(if releases.len() > 1 { 2_000 } else { 45 }),
    );
    let abbreviated =
        format!("{{\"name\":\"{name}\",{tags},\"versions\":{{{}}},\"modified\":\"{modified}\"}}", short.join(","));
    Document { full: full.into_bytes(), abbreviated: abbreviated.into_bytes() }
}

fn print_full(name: &str, base: &str, release: &Release) -> String {
    let version = &release.version;
    let mut text = format!("\"{version}\":{{{}", print_common(name, base, release));
    if release.signature.is_some() {
        text.push_str(
            ",\"scripts\":{\"test\":\"node test/run.js --all\",\"build\":\"node build/make.js --release\",\"lint\":\
            \"node build/lint.js src test\",\"prepare\":\"npm run build\"},\"repository\":{\"type\":\"git\",\"url\":\
            \"git+https://git.example/someone/measured.git\"},\"bugs\":{\"url\":\"https://git.example/someone/measured/issues\"},\
            \"homepage\":\"https://measured.example/\",\"keywords\":[\"measure\",\"mirror\",\"cache\"]",
        );
        write!(text, ",\"gitHead\":\"{}\"", release.shasum).expect("a String takes everything");
    }
    write!(
        text,
        ",\"_id\":\"{name}@{version}\",\"_nodeVersion\":\"22.1.0\",\"_npmVersion\":\"11.0.0\",\"_npmUser\":{{\"name\":\
         \"someone\",\"email\":\"someone@registry.example\"}},\"_hasShrinkwrap\":false}}"
    )
    .expect("a String takes everything");
    text
}

fn print_short(name: &str, base: &str, release: &Release) -> String {
    format!("\"{}\":{{{}}}", release.version, print_common(name, base, release))
}

fn print_common(name: &str, base: &str, release: &Release) -> String {
    let Release { version, integrity, shasum, dependencies, size, .. } = release;
    let signatures = release.signature.as_ref().map_or_else(String::new, |signature| {
        format!(",\"signatures\":[{{\"keyid\":\"{KEY_ID}\",\"sig\":\"{signature}\"}}]")
    });
    format!(
        "\"name\":\"{name}\",\"version\":\"{version}\",\"dependencies\":{dependencies},\"engines\":{{\"node\":\">=18\"}},\
         \"bin\":{{\"{name}\":\"bin/cli.js\"}},\"dist\":{{\"integrity\":\"{integrity}\",\"shasum\":\"{shasum}\",\
         \"tarball\":\"{base}/{name}/-/{name}-{version}.tgz\",\"fileCount\":12,\"unpackedSize\":{size}{signatures}}}"
    )
}

fn time(release: &Release) -> String {
    format!("2021-05-06T07:08:{:02}.{:03}Z", release.size % 60, release.size % 1000)
}

// === impl Noise ===

impl Noise {
    /// Starts from a text.
    pub fn named(name: &str) -> Self {
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(hash | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }
}
