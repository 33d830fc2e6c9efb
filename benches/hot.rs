//! The pure hot paths: what runs for every request, or once for every document that changes.
//!
//! `cargo bench --bench hot`, or one group of it: `cargo bench --bench hot -- packument`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use heliostat::base::conditional;
use heliostat::mirror::fresh::{self, Demand, Lifetimes, Times};
use heliostat::mirror::{Kind, Rules};
use heliostat::registries::npm::name::{PackageName, Spec};
use heliostat::registries::npm::routes;
use heliostat::registries::npm::wire::{self, Sinks};
use http::{HeaderMap, HeaderName, Method, StatusCode};

const BASE: &str = "http://127.0.0.1:4870/npm";

criterion_group! {
    name = hot;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = route_parsing, packument, packument_index, freshness, conditions
}
criterion_main!(hot);

/// The paths that an install asks for, and one of the absurd ones.
fn route_parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routes");
    for (name, path) in [
        ("packument", "/left-pad"),
        ("scoped", "/@acme%2ftool"),
        ("tarball", "/@acme/tool/-/tool-1.0.0.tgz"),
        ("manifest", "/left-pad/%5E1.2"),
        ("refused", "/left-pad/..%2f..%2fetc"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| routes::parse(&Method::GET, black_box(path), "").is_ok()));
    }
    group.finish();
}

/// A changed document, from upstream's bytes to all forms; and what a tree of values would take for the full form alone.
fn packument(criterion: &mut Criterion) {
    let name = PackageName::parse("tool").expect("the name is valid");
    let mut group = criterion.benchmark_group("packument");
    group.sample_size(10);
    for (size, bytes) in [("10KB", 10 << 10), ("1MB", 1 << 20), ("10MB", 10 << 20)] {
        let document = generate(bytes);
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_with_input(BenchmarkId::new("check", size), &document, |bencher, document| {
            bencher.iter(|| wire::check(document.as_bytes(), &name).expect("the document is right"));
        });
        group.bench_with_input(BenchmarkId::new("prepare", size), &document, |bencher, document| {
            bencher.iter(|| prepare(document, &name, &mut io::sink()));
        });
        group.bench_with_input(BenchmarkId::new("value_tree", size), &document, |bencher, document| {
            bencher.iter(|| rewrite_as_tree(document));
        });
    }
    group.finish();
}

/// What a hit decides about time, and what an upstream's headers cost when they arrive.
fn freshness(criterion: &mut Criterion) {
    let rules = Rules {
        min_ttl: Duration::ZERO,
        max_ttl: Duration::from_secs(300),
        negative_ttl: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::from_secs(86_400),
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let request = http::Request::get("https://registry.example/left-pad").body(()).expect("the request is valid");
    let response = headers(&[("cache-control", "public, max-age=300"), ("etag", "\"a\"")]);
    let lifetimes = Lifetimes::of(&request, StatusCode::OK, &response, now);
    let times = Times { kind: Kind::Document, absence: false, pinned: false, validated_at: now, lifetimes };
    let mut group = criterion.benchmark_group("freshness");
    group.bench_function("judge", |bencher| {
        bencher.iter(|| fresh::judge(black_box(&times), &rules, &Demand::default(), now));
    });
    group.bench_function("read_headers", |bencher| {
        bencher.iter(|| Lifetimes::of(&request, StatusCode::OK, black_box(&response), now));
    });
    group.finish();
}

/// What every reply decides about conditions and ranges.
fn conditions(criterion: &mut Criterion) {
    let held = headers(&[("etag", "\"a\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    let mut group = criterion.benchmark_group("conditional");
    for (name, request) in [
        ("plain", headers(&[("accept", "*/*"), ("user-agent", "npm")])),
        ("not_modified", headers(&[("if-none-match", "\"b\", W/\"a\"")])),
        ("one_range", headers(&[("range", "bytes=100-199")])),
        ("many_ranges", headers(&[("range", "bytes=0-1,5-9,20-29,100-199,1000-"), ("if-range", "\"a\"")])),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| conditional::decide(black_box(&request), &held, Some(1 << 20)));
        });
    }
    group.finish();
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), value.parse().expect("the value is valid"))
    };
    pairs.iter().map(parse).collect()
}

/// Finding one version among thousands, as a tarball or a manifest asks for it.
fn packument_index(criterion: &mut Criterion) {
    let name = PackageName::parse("tool").expect("the name is valid");
    let mut index = Vec::new();
    prepare(&generate(10 << 20), &name, &mut index);
    let range = Spec::parse("^1.2").expect("the range is valid");
    let mut group = criterion.benchmark_group("packument_index");
    group.bench_function("version", |bencher| bencher.iter(|| wire::find_version(&index, black_box("1.7.7"))));
    group.bench_function("tag", |bencher| bencher.iter(|| wire::find_tag(&index, black_box("latest"))));
    group.bench_function("range", |bencher| bencher.iter(|| wire::resolve(&index, black_box(&range))));
    group.finish();
}

fn prepare(document: &str, name: &PackageName, index: &mut dyn io::Write) {
    let sinks = Sinks { full: &mut io::sink(), abbreviated: &mut io::sink(), index };
    wire::prepare(document.as_bytes(), name, BASE, sinks).expect("the document is right");
}

fn rewrite_as_tree(document: &str) -> Vec<u8> {
    let mut tree: serde_json::Value = serde_json::from_str(document).expect("the document is right");
    let versions = tree["versions"].as_object_mut().expect("there are versions");
    for (version, manifest) in versions.iter_mut() {
        manifest["dist"]["tarball"] = format!("{BASE}/tool/-/tool-{version}.tgz").into();
    }
    serde_json::to_vec(&tree).expect("a tree prints")
}

/// Makes a packument of at least `bytes`, with versions of some 3 KB as popular packages have them.
fn generate(bytes: usize) -> String {
    let (mut versions, mut times) = (String::new(), String::new());
    let mut count = 0;
    while count == 0 || versions.len() + times.len() < bytes {
        let version = format!("1.{}.{}", count / 20, count % 20);
        let comma = if count == 0 { "" } else { "," };
        write!(versions, "{comma}\"{version}\":{}", manifest(&version)).expect("a string takes it");
        write!(times, ",\"{version}\":\"2020-01-01T00:00:00.000Z\"").expect("a string takes it");
        count += 1;
    }
    let last = count - 1;
    format!(
        "{{\"_id\":\"tool\",\"_rev\":\"9-0123\",\"name\":\"tool\",\"dist-tags\":{{\"latest\":\"1.{}.{}\"}},\
         \"versions\":{{{versions}}},\"time\":{{\"modified\":\"2024-01-01T00:00:00.000Z\"{times}}},\
         \"readme\":\"# tool\\n\\nSays \\\"hello\\\".\\n\"}}",
        last / 20,
        last % 20,
    )
}

fn manifest(version: &str) -> String {
    let dependencies: Vec<String> =
        (0..24).map(|number| format!("\"@acme/part-{number}\":\"^{number}.2.3\"")).collect();
    let dependencies = dependencies.join(",");
    format!(
        "{{\"name\":\"tool\",\"version\":\"{version}\",\"description\":\"A tool that does one thing\",\"main\":\"index.js\",\
         \"scripts\":{{\"test\":\"node --test\",\"build\":\"tsc -p . && node scripts/build.js --all\"}},\
         \"repository\":{{\"type\":\"git\",\"url\":\"git+https://code.example/acme/tool.git\"}},\"license\":\"MIT\",\
         \"dependencies\":{{{dependencies}}},\"devDependencies\":{{{dependencies}}},\"engines\":{{\"node\":\">=18\"}},\
         \"gitHead\":\"0123456789abcdef0123456789abcdef01234567\",\"_id\":\"tool@{version}\",\"_nodeVersion\":\"20.1.0\",\
         \"dist\":{{\"integrity\":\"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==\",\
         \"shasum\":\"da39a3ee5e6b4b0d3255bfef95601890afd80709\",\"tarball\":\"https://registry.example/tool/-/tool-{version}.tgz\",\
         \"fileCount\":42,\"unpackedSize\":123456,\"signatures\":[{{\"keyid\":\"SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA\",\
         \"sig\":\"MEUCIQDxyz0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIgK0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ\"}}]}},\
         \"_npmUser\":{{\"name\":\"joe\",\"email\":\"joe@code.example\"}},\"maintainers\":[{{\"name\":\"joe\",\"email\":\"joe@code.example\"}},\
         {{\"name\":\"ann\",\"email\":\"ann@code.example\"}}],\"directories\":{{}},\"_hasShrinkwrap\":false}}"
    )
}
