//! Bodies that break off and are taken up again, from an upstream that gives something else then.
//!
//! The first part of each tarball is right and cut; what comes of the second request is wrong in some way, once or until
//! it is healed. The mirror tries four times, so that after a fault that strikes once the right bytes can still come.

use super::*;
use crate::support::fault::PartLie;
use crate::support::packages::Vouching;
use crate::support::resource::Resource;

/// Where the first answer is cut: soon, half-way, and within what is withheld until the proofs hold.
const CUTS: [usize; 3] = [1_000, LARGE / 2, LARGE - WITHHELD / 2];
const ATTEMPTS: usize = 4;

/// What a tarball's second request comes to.
struct Second {
    name: &'static str,
    fault: Fault,
    /// Whether the right bytes come when it strikes once only: the mirror can tell at once that the part is wrong, and asks
    /// again. What only the proofs show cannot be taken up once more.
    recovers: bool,
}

fn seconds(other: &Bytes) -> Vec<Second> {
    let lies = [
        ("200 in place of 206", PartLie::Whole, true),
        ("no Content-Range", PartLie::Placeless, true),
        ("Content-Range of others", PartLie::OtherStart, true),
        ("of a longer whole", PartLie::OtherLength, true),
        ("other part, same range", PartLie::OtherPlace, false),
        ("another ETag", PartLie::OtherTag, true),
        ("part too long", PartLie::Longer, false),
        ("416", PartLie::Refused, true),
    ];
    let faults = [
        ("flipped bit in the rest", Fault::FlipBit { offset: LARGE - 100, bit: 3 }, false),
        ("other bytes, same ETag", Fault::OtherBytes(other.clone()), false),
        ("replaced meanwhile", Fault::Replaced(other.clone()), false),
        ("second cut", Fault::CutAt(LARGE - 1_000), true),
        ("second reset", Fault::ResetAt(LARGE - 1_000), true),
        ("second stall", Fault::StallAfter(LARGE - 1_000), true),
        ("HTML", Fault::Html, true),
        ("304", Fault::NotModified, true),
        ("404", Fault::Status(404), true),
        ("503", Fault::Status(503), true),
    ];
    let lies = lies.map(|(name, lie, recovers)| Second { name, fault: Fault::Part(lie), recovers });
    lies.into_iter().chain(faults.map(|(name, fault, recovers)| Second { name, fault, recovers })).collect()
}

impl World {
    /// Publishes a package of one tarball for each cut, each vouched for in one way, and returns its cases.
    fn resumed(&self, name: &str, vouching: Vouching, second: &(Option<usize>, Fault)) -> Vec<Case> {
        let mut package = Package::new(name);
        for index in 0..CUTS.len() {
            let release = Release::new(&format!("1.0.{index}")).size(LARGE).vouching(vouching);
            package = package.with(release.signature(Signing::Missing));
        }
        self.registry.publish(&package);
        let cut = |(release, at): (&Release, usize)| {
            let case = tarball(&package, release, &Fault::CutAt(at));
            Case { faults: vec![(Some(1), Fault::CutAt(at)), second.clone()], ..case }
        };
        package.releases.iter().zip(CUTS).map(cut).collect()
    }

    /// Takes a tarball's validators away, so that only its digest tells whether a part belongs to it.
    fn without_validators(&self, case: &Case) {
        let upstream = &self.registry.upstream;
        let resource = upstream.resource(&case.upstream_path).expect("a tarball that was published");
        upstream.put(&case.upstream_path, Resource { etag: None, ..resource });
    }
}

#[tokio::test]
async fn no_wrong_part_is_sewn_to_a_right_one() {
    let world = World::start_with(ATTEMPTS).await;
    let other = Package::new("other").with(Release::new("9.9.9").size(LARGE)).release("9.9.9").tarball.clone();
    let (mut lines, mut must) = (Vec::new(), Vec::new());
    for (often, left) in [("once", Some(1)), ("always", None)] {
        for (number, Second { name, fault, recovers }) in seconds(&other).into_iter().enumerate() {
            let strike = (left, fault);
            let id = |letter| format!("resumed-{often}-{number}{letter}");
            let mut cases = world.resumed(&id("i"), Vouching::Integrity, &strike);
            cases.extend(world.resumed(&id("s"), Vouching::ShasumOnly, &strike));
            cases.extend(world.resumed(&id("n"), Vouching::Nothing, &strike));
            let bare = world.resumed(&id("b"), Vouching::Integrity, &strike);
            bare.iter().for_each(|case| world.without_validators(case));
            cases.extend(bare);
            world.warm(&cases).await;
            let line = world.run(&format!("{name}, {often}"), &cases).await;
            must.push(recovers && left.is_some());
            lines.push(line);
        }
    }
    report("a cut, then", &lines);
    for (line, must) in lines.iter().zip(must) {
        assert!(line.holds(), "{} does not hold", line.name);
        let right = line.count(Outcome::Right);
        assert!(!must || right == line.cases, "{}: {right} of {} right", line.name, line.cases);
    }
    every_content_is_what_its_address_says(&world.heliostat);
}

#[tokio::test]
async fn an_upstream_that_vanishes_within_a_body_is_resumed_from() {
    let registry = FakeRegistry::start();
    let package = Package::new("half").with(Release::new("1.0.0").size(2_000_000));
    registry.publish(&package);
    let release = package.release("1.0.0");
    let path = package.tarball_path(release);
    let heliostat = Heliostat::builder().set("fetch", "attempts", "8").npm(registry.url(), "").start().await;
    registry.upstream.fail_next(&path, 1, Fault::Bandwidth(2_000_000));
    let target = format!("/npm{path}");
    let (answer, ()) = tokio::join!(heliostat.get(&target), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        registry.upstream.vanish().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        registry.upstream.come_back().await;
    });
    assert!(answer.is(&release.tarball), "{}", answer.summary());
    let resumed = registry.upstream.seen(&path).last().and_then(|seen| seen.headers.get("range").map(str::to_owned));
    assert!(resumed.is_some(), "it was fetched anew");
}
