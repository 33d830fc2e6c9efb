//! What a build says of a package, published with it by npm and served as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use crate::client::Npm;
use crate::publishing::{Publisher, World};
use crate::support::random::hex;
use crate::tools;

const KIND: &str = "https://slsa.dev/provenance/v1";

/// Spares npm the proof of the bundle's signature, which takes Sigstore's own keys and its public log, thus the network.
///
/// npm itself still compares what the bundle speaks of with what it publishes. Source: contract npm §6.3.
const WITHOUT_SIGSTORE: &str = r#"
const Module = require('node:module');
const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  return request === 'sigstore' ? { ...loaded, verify: async () => {} } : loaded;
};
"#;

#[tokio::test]
async fn npm_publishes_a_package_with_its_provenance() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for npm in [Npm::V11, Npm::V12] {
            let name = format!("@acme/{}-proven", npm.alias);
            let joe = world.publisher(&tools, npm, "joe").await;
            joe.write(&name, "1.0.0");
            let tarball = joe.npm(&["pack"]).lines().last().expect("a file's name").to_owned();
            let bundle = bundle(&name, &std::fs::read(joe.sandbox.project().join(&tarball)).expect("it was packed"));
            publish(&joe, &format!("./{tarball}"), &bundle);

            let kind = joe.npm(&["view", &name, "dist.attestations.provenance.predicateType"]);
            assert_eq!(kind, KIND, "{}", joe.npm.name);
            let url = joe.npm(&["view", &name, "dist.attestations.url"]);
            let path = url.strip_prefix(&world.heliostat.url()).expect("a link to ourselves");
            let served = world.heliostat.get(path).await.json();
            assert_eq!(served, json!({ "attestations": [{ "predicateType": KIND, "bundle": bundle }] }));
        }
    }
}

/// Returns a bundle about these bytes as version 1.0.0 of a package, in the form that builds make it.
fn bundle(name: &str, tarball: &[u8]) -> Value {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": format!("pkg:npm/{}@1.0.0", name.replace('@', "%40")),
            "digest": { "sha512": hex(&Sha512::digest(tarball)) },
        }],
        "predicateType": KIND,
        "predicate": { "buildDefinition": { "buildType": "https://host.example/build" } },
    });
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "certificate": { "rawBytes": "" }, "tlogEntries": [] },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement.to_string()),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [],
        },
    })
}

fn publish(joe: &Publisher<'_>, tarball: &str, bundle: &Value) {
    joe.sandbox.write_home("bundle.json", &bundle.to_string());
    joe.sandbox.write_home("without-sigstore.js", WITHOUT_SIGSTORE);
    let bundle = format!("--provenance-file={}", joe.sandbox.home().join("bundle.json").display());
    let mut npm = joe.command(&["publish", tarball, &bundle]);
    npm.env("NODE_OPTIONS", format!("--require={}", joe.sandbox.home().join("without-sigstore.js").display()));
    joe.run(&mut npm);
}
