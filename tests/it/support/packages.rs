//! npm packages and the documents a registry makes of them, member by member in a fixed order. Pure.
//!
//! Source: contract npm §4.1 (both forms), §6 (integrity, signatures, attestations).

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha512};

use super::random::{fingerprint, hex};
use super::signing::Key;
use super::tarball;

/// 2024-01-01T00:00:00Z, in seconds since 1970.
const FIRST_DAY: u64 = 1_704_067_200;

/// A package: its releases in the order of publishing, and its tags.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub releases: Vec<Release>,
    pub tags: Vec<(String, String)>,
    /// Grows with every publish.
    pub revision: u32,
    pub readme: String,
    /// Overrides the registry's `Cache-Control` for the document.
    pub cache_control: Option<String>,
    pub keywords: Vec<String>,
}

/// One version.
#[derive(Clone, Debug)]
pub struct Release {
    pub version: String,
    pub dependencies: Vec<(String, String)>,
    pub deprecated: Option<String>,
    pub vouching: Vouching,
    pub signature: Signing,
    pub attested: bool,
    /// An absolute URL, or a path of the registry, in place of the usual one.
    pub tarball_at: Option<String>,
    /// Exact length of the tarball in bytes.
    pub size: Option<usize>,
    /// Members added to the manifest as they are, each with a leading comma.
    pub more: String,
    /// Made from the rest by [`Package::with`], unless given.
    pub tarball: Bytes,
    /// The SRI of the tarball, unless given.
    pub integrity: String,
    /// The hexadecimal SHA-1 of the tarball, unless given.
    pub shasum: String,
}

/// Which hashes a version comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouching {
    Integrity,
    ShasumOnly,
    Nothing,
}

/// What `dist.signatures` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    Right,
    /// Right key, other text.
    Wrong,
    Missing,
    UnknownKey,
}

/// What a registry lays over every document.
pub struct Style<'a> {
    pub url: &'a str,
    pub key: Option<&'a Key>,
    /// Drops what reduced registries do not have: other tags, maintainers, revision, readme.
    pub reduced: bool,
}

// === impl Package ===

impl Package {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            releases: Vec::new(),
            tags: Vec::new(),
            revision: 1,
            readme: format!("# {name}\n\nMade for a test: \"quoted\", caf\u{e9}, <tag>, \u{1f4e6}."),
            cache_control: None,
            keywords: vec!["heliostat".into(), "test".into()],
        }
    }

    /// Makes a package of plain releases; the last one is `latest`.
    pub fn with_versions(name: &str, versions: &[&str]) -> Self {
        versions.iter().fold(Self::new(name), |package, version| package.with(Release::new(version)))
    }

    /// Adds a release, which becomes `latest`.
    pub fn with(mut self, mut release: Release) -> Self {
        if release.tarball.is_empty() {
            release.tarball = release.pack(&self.name);
        }
        if release.integrity.is_empty() {
            release.integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(&release.tarball)));
        }
        if release.shasum.is_empty() {
            release.shasum = hex(&Sha1::digest(&release.tarball));
        }
        let version = release.version.clone();
        self.releases.push(release);
        self.revision += 1;
        self.tag("latest", &version)
    }

    pub fn tag(mut self, tag: &str, version: &str) -> Self {
        self.tags.retain(|(known, _)| known != tag);
        self.tags.push((tag.to_owned(), version.to_owned()));
        self
    }

    pub fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = Some(value.to_owned());
        self
    }

    /// Returns the name without its scope.
    pub fn unscoped(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    pub fn release(&self, version: &str) -> &Release {
        self.releases.iter().find(|release| release.version == version).expect("a version that was published")
    }

    pub fn latest(&self) -> &str {
        self.tagged("latest").unwrap_or("0.0.0")
    }

    pub fn tagged(&self, tag: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == tag).map(|(_, version)| version.as_str())
    }

    pub fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds(self.releases.len()) + u64::from(self.revision))
    }

    fn seconds(&self, day: usize) -> u64 {
        FIRST_DAY + 86_400 * day as u64
    }

    /// Returns the path of a tarball at the registry, or the absolute URL it was given.
    pub fn tarball_path(&self, release: &Release) -> String {
        let usual = || format!("/{}/-/{}-{}.tgz", self.name, self.unscoped(), release.version);
        release.tarball_at.clone().unwrap_or_else(usual)
    }

    /// Prints the full document.
    pub fn print_full(&self, style: &Style<'_>) -> String {
        let revision = format!("{}-{}", self.revision, fingerprint(self.name.as_bytes()).repeat(2));
        let mut text = format!(r#"{{"_id":{},"#, quote(&self.name));
        if !style.reduced {
            let _ = write!(text, r#""_rev":"{revision}","#);
        }
        let _ = write!(text, r#""name":{},{},"versions":{{"#, quote(&self.name), self.print_tags(style));
        for (index, release) in self.releases.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(text, "{comma}{}:{}", quote(&release.version), self.print_manifest(release, style));
        }
        let _ = write!(text, r#"}},{}"#, self.print_times());
        if !style.reduced {
            let rest = json!({"maintainers": [person()], "readme": self.readme, "readmeFilename": "README.md"});
            let rest = rest.to_string();
            let _ = write!(text, r#","zeta":{{"b":1,"a":2.50,"e":1E3,"esc":"\u00e9\/"}},{}"#, &rest[1..rest.len() - 1]);
            let _ = write!(text, r#","homepage":"{}/{}","keywords":{}"#, style.url, self.name, json!(self.keywords));
        }
        text.push('}');
        text
    }

    /// Prints the abbreviated document.
    pub fn print_abbreviated(&self, style: &Style<'_>) -> String {
        let mut text = format!(r#"{{"name":{},{},"versions":{{"#, quote(&self.name), self.print_tags(style));
        for (index, release) in self.releases.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let core = self.print_core(release, style);
            let _ = write!(text, "{comma}{}:{{{core}}}", quote(&release.version));
        }
        let _ = write!(text, r#"}},"modified":"{}"}}"#, iso(self.modified()));
        text
    }

    /// Prints one version's manifest as it stands in the full document.
    pub fn print_manifest(&self, release: &Release, style: &Style<'_>) -> String {
        let core = self.print_core(release, style);
        let id = format!("{}@{}", self.name, release.version);
        let rest = json!({"_id": id, "description": "Made for a test", "_npmUser": person(), "_npmVersion": "11.0.0"});
        let rest = rest.to_string();
        format!(r#"{{{core},"zulu":2.50,"alpha":"\u00e9"{},{}"#, release.more, &rest[1..])
    }

    /// Prints the members that both forms share.
    fn print_core(&self, release: &Release, style: &Style<'_>) -> String {
        let mut text = format!(r#""name":{},"version":{}"#, quote(&self.name), quote(&release.version));
        if !release.dependencies.is_empty() {
            let pairs: Vec<String> =
                release.dependencies.iter().map(|(name, range)| format!("{}:{}", quote(name), quote(range))).collect();
            let _ = write!(text, r#","dependencies":{{{}}}"#, pairs.join(","));
        }
        if let Some(reason) = &release.deprecated {
            let _ = write!(text, r#","deprecated":{}"#, quote(reason));
        }
        let _ = write!(text, r#","engines":{{"node":">=14"}},"dist":{}"#, self.print_dist(release, style));
        text
    }

    fn print_dist(&self, release: &Release, style: &Style<'_>) -> String {
        let at = self.tarball_path(release);
        let url = if at.starts_with('/') { format!("{}{at}", style.url) } else { at };
        let mut text = format!(r#"{{"tarball":"{url}","fileCount":3,"unpackedSize":{}"#, release.tarball.len());
        let (integrity, shasum) = (&release.integrity, &release.shasum);
        match release.vouching {
            Vouching::Integrity => {
                let _ = write!(text, r#","integrity":"{integrity}","shasum":"{shasum}""#);
            }
            Vouching::ShasumOnly => {
                let _ = write!(text, r#","shasum":"{shasum}""#);
            }
            Vouching::Nothing => {}
        }
        if let Some((keyid, sig)) = style.key.and_then(|key| release.sign(&self.name, key)) {
            let _ = write!(text, r#","signatures":[{{"keyid":"{keyid}","sig":"{sig}"}}]"#);
        }
        if release.attested {
            let url = format!("{}/-/npm/v1/attestations/{}@{}", style.url, self.name, release.version);
            let provenance = r#"{"predicateType":"https://slsa.dev/provenance/v1"}"#;
            let _ = write!(text, r#","attestations":{{"url":"{url}","provenance":{provenance}}}"#);
        }
        text.push('}');
        text
    }

    fn print_tags(&self, style: &Style<'_>) -> String {
        let kept = self.tags.iter().filter(|(tag, _)| !style.reduced || tag == "latest");
        let pairs: Vec<String> = kept.map(|(tag, version)| format!("{}:{}", quote(tag), quote(version))).collect();
        format!(r#""dist-tags":{{{}}}"#, pairs.join(","))
    }

    fn print_times(&self) -> String {
        let at = |day| iso(SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds(day)));
        let mut text = format!(r#""time":{{"created":"{}","modified":"{}""#, at(0), iso(self.modified()));
        for (day, release) in self.releases.iter().enumerate() {
            let _ = write!(text, r#",{}:"{}""#, quote(&release.version), at(day));
        }
        text.push('}');
        text
    }
}

// === impl Release ===

impl Release {
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            dependencies: Vec::new(),
            deprecated: None,
            vouching: Vouching::Integrity,
            signature: Signing::Right,
            attested: false,
            tarball_at: None,
            size: None,
            more: String::new(),
            tarball: Bytes::new(),
            integrity: String::new(),
            shasum: String::new(),
        }
    }

    pub fn needs(mut self, name: &str, range: &str) -> Self {
        self.dependencies.push((name.to_owned(), range.to_owned()));
        self
    }

    pub fn signature(mut self, signature: Signing) -> Self {
        self.signature = signature;
        self
    }

    pub fn vouching(mut self, vouching: Vouching) -> Self {
        self.vouching = vouching;
        self
    }

    pub fn size(mut self, bytes: usize) -> Self {
        self.size = Some(bytes);
        self
    }

    pub fn tarball_at(mut self, place: &str) -> Self {
        self.tarball_at = Some(place.to_owned());
        self
    }

    fn pack(&self, name: &str) -> Bytes {
        let dependencies: serde_json::Map<_, _> =
            self.dependencies.iter().map(|(name, range)| (name.clone(), json!(range))).collect();
        let manifest = json!({"name": name, "version": self.version, "main": "index.js", "dependencies": dependencies});
        let id = format!("{name}@{}", self.version);
        let files = [
            ("package.json".to_owned(), manifest.to_string().into_bytes()),
            ("index.js".to_owned(), format!("module.exports = {};\n", json!(id)).into_bytes()),
            ("README.md".to_owned(), format!("# {id}\n").into_bytes()),
        ];
        let seed = u64::from_str_radix(&fingerprint(id.as_bytes()), 16).expect("hexadecimal digits");
        self.size.map_or_else(|| tarball::pack(&files), |size| tarball::pack_to(&files, size, seed)).into()
    }

    fn sign(&self, name: &str, key: &Key) -> Option<(String, String)> {
        let text = format!("{name}@{}:{}", self.version, self.integrity);
        match self.signature {
            Signing::Right => Some((key.keyid.clone(), key.sign(&text))),
            Signing::Wrong => Some((key.keyid.clone(), key.sign(&format!("{text}?")))),
            Signing::UnknownKey => {
                let other = Key::from_seed("a key nobody publishes");
                Some((other.keyid.clone(), other.sign(&text)))
            }
            Signing::Missing => None,
        }
    }
}

fn person() -> serde_json::Value {
    json!({"name": "joe", "email": "joe@registry.example"})
}

fn quote(text: &str) -> String {
    json!(text).to_string()
}

/// Prints a time as npm does: `2024-01-31T12:00:00.000Z`.
pub fn iso(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Turns days since 1970 into year, month and day, counting years from March so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, in_era) = (days / 146_097, days % 146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let march = (5 * in_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, in_year - (153 * march + 2) / 5 + 1)
}
