//! What is blocked is in no list, and the newest version is the newest that is left.

use serde_json::json;

use super::start;
use crate::support::beside::block;
use crate::support::nessemble::Oddity;

#[tokio::test]
async fn what_is_blocked_is_in_no_list_and_not_the_newest() {
    let (_registry, library, heliostat) = start(Oddity::None, "").await;
    assert_eq!(heliostat.get("/nessemble/package/foo").await.json()["version"], "1.0.1");
    block(&heliostat, "/nessemble/package/foo/1.0.1", &["nessemble", "foo", ">=1.0.1"]).await;
    let package = heliostat.get("/nessemble/package/foo").await.json();
    assert_eq!(
        (&package["version"], package["versions"].as_object().unwrap().len()),
        (&json!("1.0.0"), 1),
        "{package}"
    );
    let data = heliostat.get("/nessemble/package/foo/data").await;
    assert!(data.is(&library.versions[0].archive), "{}", data.summary());
    let exact = heliostat.get("/nessemble/package/foo/1.0.0").await.json();
    assert_eq!(exact["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(heliostat.get("/nessemble/package/foo/1.0.1/README").await.status, 451);

    block(&heliostat, "/nessemble/package/bar", &["nessemble", "b*"]).await;
    for path in ["/nessemble/", "/nessemble/search", "/nessemble/search/a"] {
        let listed = heliostat.get(path).await.text();
        assert!(!listed.contains("bar"), "{path}: {listed}");
    }
    assert!(heliostat.get("/nessemble/").await.text().contains("foo"));
    block(&heliostat, "/nessemble/package/foo/1.0.0", &["nessemble", "foo", "<1.0.1"]).await;
    let gone = heliostat.get("/nessemble/package/foo").await;
    assert!(gone.status == 404 && gone.text().contains("all its versions are blocked"), "{}", gone.summary());
}
