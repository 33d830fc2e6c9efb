//! What is kept beside the manifests of versions: it is theirs, and goes with them.

use super::{Stage, actor};
use crate::overlay::Overlay;
use crate::overlay::db::sql::values;
use crate::overlay::error::Error;
use crate::overlay::packages::{Change, Edit, NewRelease, Place, Replaces, When};

/// What brings the tables of an older program up to date.
const DOCUMENTS: &str = include_str!("../migrations/0018_documents.sql");

const FIRST: &str = "1.0.0";
const SECOND: &str = "2.0.0";

async fn edit(node: &Overlay, edits: &[Edit<'_>]) -> Result<(), Error> {
    let change = Change { mount: "npm", package: "@a/x", expected: None, by_owner: None, verb: "test", edits };
    node.change_package(&change, &actor()).await.map(drop)
}

fn publish(version: &str) -> Edit<'_> {
    Edit::Publish(NewRelease {
        version,
        variant: "",
        manifest: b"{}",
        publisher: None,
        files: Vec::new(),
        replaces: Replaces::Living,
    })
}

fn write<'a>(version: &'a str, document: &'a [u8]) -> Edit<'a> {
    Edit::Document { version, variant: "", document }
}

/// Returns what both versions have.
async fn documents(node: &Overlay) -> [Option<String>; 2] {
    let mut found = [None, None];
    for (found, version) in found.iter_mut().zip([FIRST, SECOND]) {
        let document = node.document(Place { mount: "npm", package: "@a/x", version, variant: "" }).await.unwrap();
        *found = document.map(|document| String::from_utf8(document).unwrap());
    }
    found
}

fn told(first: Option<&str>, second: Option<&str>) -> [Option<String>; 2] {
    [first, second].map(|text| text.map(str::to_owned))
}

pub async fn what_stands_beside_a_manifest_goes_with_its_version(stage: Stage) {
    let node = stage.node().await;
    assert_eq!(documents(&node).await, told(None, None));
    edit(&node, &[publish(FIRST), write(FIRST, b"one"), publish(SECOND), write(SECOND, b"two")]).await.unwrap();
    assert_eq!(documents(&node).await, told(Some("one"), Some("two")));
    edit(&node, &[Edit::Unpublish { version: FIRST, variant: None }]).await.unwrap();
    assert_eq!(documents(&node).await, told(None, Some("two")));
    assert!(matches!(edit(&node, &[write(FIRST, b"one")]).await, Err(Error::Absent { .. })));
    edit(&node, &[publish(SECOND)]).await.unwrap();
    assert_eq!(documents(&node).await, told(None, None), "other bytes have other words");
}

pub async fn what_was_kept_of_a_whole_package_is_its_latest_versions(stage: Stage) {
    let node = stage.node().await;
    let tag = Edit::Tag { tag: "latest", version: SECOND, when: When::Always };
    edit(&node, &[publish(FIRST), publish(SECOND), tag]).await.unwrap();
    let database = stage.open().await;
    let note = database.note().await.unwrap();
    let run = async |sql: &str, bound| note.link().run(sql, bound).await.unwrap();
    run("ALTER TABLE releases DROP COLUMN document", values![]).await;
    let bytes = if stage.database.starts_with("sqlite") { "BLOB" } else { "BYTEA" };
    run("UPDATE packages SET document = $1", values![b"whole".as_slice()]).await;
    for statement in DOCUMENTS.replace(" BYTES", &format!(" {bytes}")).split(';').map(str::trim) {
        if !statement.is_empty() {
            run(statement, values![]).await;
        }
    }
    note.commit().await.unwrap();
    assert_eq!(documents(&node).await, told(None, Some("whole")));
}
