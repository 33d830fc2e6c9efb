//! The matrix over the other dialects: cut points, flipped bits and every named fault, for a document and an artifact each.
//!
//! Rows are those of the conformance list. Of files, those are among them that a checksum file lists: what nobody vouches
//! for is whatever its server says.

use super::*;
use crate::conformance::files::Files;
use crate::conformance::hex::Hex;
use crate::conformance::nessemble::Nessemble;
use crate::conformance::niso::Niso;
use crate::conformance::{Provided, Row, Wanted, Wish};

/// Long enough that most of an artifact is handed out before its end, where the dialect streams.
const WISH: Wish = Wish { cache_control: "public, max-age=86400", artifact_size: LARGE };
const CUTS: usize = 64;
const FLIPS: usize = 64;
/// Length of the header before what is signed, in bytes: its time and its system change nothing that is unpacked, so that
/// nobody vouches for them. Source: RFC 1952 §2.3.
const GZIP_HEADER: usize = 10;

/// A dialect's upstream and its mirror, which asks only once.
struct Place<R> {
    row: R,
    heliostat: Heliostat,
    neighbour: FakeUpstream,
}

impl<R: Row> Place<R> {
    async fn start() -> Self {
        let row = R::start();
        let builder = Heliostat::builder().set("fetch", "attempts", "1");
        let heliostat = row.mount(builder, "min_ttl = \"1h\"\nmax_ttl = \"1h\"", "").start().await;
        Self { row, heliostat, neighbour: FakeUpstream::start_on([127, 0, 0, 2]) }
    }

    fn field(&self) -> Field<'_> {
        Field { upstream: self.row.upstream(), heliostat: &self.heliostat }
    }

    /// Provides a document and an artifact for each fault.
    fn cases(&self, prefix: &str, faults: Vec<Fault>) -> (Vec<Case>, Vec<Case>) {
        let url = self.heliostat.url();
        let provide = |(index, fault)| {
            let Provided { document, artifact } = self.row.provide(&format!("{prefix}-{index}"), &WISH);
            (case(&url, document, &fault), case(&url, artifact, &fault))
        };
        faults.into_iter().enumerate().map(provide).unzip()
    }

    /// Runs artifacts whose documents are held already.
    async fn run_artifacts(&self, name: &str, artifacts: &[Case]) -> Line {
        let field = self.field();
        artifacts.iter().for_each(|case| field.strike(&case.upstream_path, None, Fault::Status(500)));
        let refused = field.ask_all(artifacts, async |case| self.heliostat.get(&case.path).await.status >= 500).await;
        assert!(refused.iter().all(|refused| *refused), "{name}: an artifact came from a broken upstream");
        artifacts.iter().for_each(|case| field.upstream.heal(&case.upstream_path));
        field.run(name, artifacts).await
    }

    /// Runs cut points and flipped bits of artifacts, and cut points of documents; flipped bits of those where they are
    /// signed.
    async fn run_bytes(&self, seed: u64, is_signed: bool) -> Vec<Line> {
        let artifact = self.row.provide("sized", &WISH).artifact;
        let size = (artifact.bytes)(&self.heliostat.url()).len();
        let cuts = |size: usize| spread(CUTS, size).map(Fault::CutAt).collect();
        let (_, artifacts) = self.cases("cut", cuts(size));
        let mut lines = vec![self.run_artifacts("cut points of artifacts", &artifacts).await];
        let (_, artifacts) = self.cases("flip", flips(seed, FLIPS, size));
        lines.push(self.run_artifacts("random bit flips in artifacts", &artifacts).await);
        let (documents, _) = self.cases("document-cut", (0..CUTS).map(Fault::CutAt).collect());
        lines.push(self.field().run("cut points of documents", &documents).await);
        if is_signed {
            let (documents, _) = self.cases("document-flip", flips_behind(GZIP_HEADER, seed, 256));
            lines.push(self.field().run("random bit flips in documents", &documents).await);
        }
        lines
    }

    /// Runs one named fault over an artifact and over a document of another name.
    async fn run_named(&self, name: &str, fault: Fault) -> Line {
        let plain = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
        let id: String = name.chars().map(plain).collect();
        let (_, artifacts) = self.cases(&format!("{id}-artifact"), vec![fault.clone()]);
        let (documents, _) = self.cases(&format!("{id}-document"), vec![fault]);
        let line = self.run_artifacts(name, &artifacts).await;
        line.join(self.field().run(name, &documents).await)
    }
}

/// Returns bit flips all over a document of that many bytes at least, but for its start.
fn flips_behind(start: usize, seed: u64, size: usize) -> Vec<Fault> {
    let mut random = Random::new(seed);
    let mut flip = || Fault::FlipBit { offset: start + random.below(size - start), bit: random.below(8) as u8 };
    (0..FLIPS).map(|_| flip()).collect()
}

fn case(url: &str, wanted: Wanted, fault: &Fault) -> Case {
    let right = (wanted.bytes)(url);
    Case { path: wanted.path, upstream_path: wanted.upstream_path, faults: vec![(None, fault.clone())], right }
}

/// Runs the whole matrix over a row.
async fn holds<R: Row>(what: &str, is_signed: bool) {
    let place = Place::<R>::start().await;
    let seed = seed();
    let bytes = place.run_bytes(seed, is_signed).await;
    report(&format!("{what}, seed {seed}"), &bytes);
    for line in &bytes {
        assert!(line.holds() && line.count(Outcome::Right) == 0, "{what}: {} does not hold", line.name);
    }
    let other = Package::with_versions("other", &["9.9.9"]).release("9.9.9").tarball.clone();
    let mut lines = Vec::new();
    for (name, fault) in named(&place.neighbour.url(), other) {
        lines.push(place.run_named(name, fault).await);
    }
    report(&format!("{what}, an artifact and a document each"), &lines);
    for line in &lines {
        assert!(line.holds(), "{what}: {} does not hold", line.name);
        let right = line.count(Outcome::Right);
        assert_eq!(right == line.cases, HARMLESS.contains(&line.name.as_str()), "{what}, {}: {right} right", line.name);
    }
    assert!(place.neighbour.all_seen().is_empty(), "the neighbour was asked");
    every_content_is_what_its_address_says(&place.heliostat);
}

#[tokio::test]
async fn nothing_wrong_of_a_hex_repository_is_completed_or_kept() {
    holds::<Hex>("hex", true).await;
}

#[tokio::test]
async fn nothing_wrong_of_a_niso_registry_is_completed_or_kept() {
    holds::<Niso>("niso", false).await;
}

#[tokio::test]
async fn nothing_wrong_of_a_nessemble_registry_is_completed_or_kept() {
    holds::<Nessemble>("nessemble", false).await;
}

#[tokio::test]
async fn nothing_wrong_of_a_file_tree_with_sums_is_completed_or_kept() {
    holds::<Files>("files", false).await;
}
