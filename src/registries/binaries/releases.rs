//! Releases as code hosts list them: pages of JSON, newest first, each release with its files. A release is a directory
//! that is called as its tag. Pure.
//!
//! ```text
//! [{"tag_name": "v1.0.0", "draft": false, "published_at": "2024-03-01T12:30:45Z", "assets": [
//!   {"name": "tool-linux-x64.tar.gz", "state": "uploaded", "size": 1234, "updated_at": "2024-03-01T12:31:00Z",
//!    "browser_download_url": "https://code.example/acme/tool/releases/download/v1.0.0/tool-linux-x64.tar.gz"}]}]
//! ```
//!
//! Source: GitHub's REST API, "List releases"; Gitea answers in the same form.

use serde::Deserialize;
use url::Url;

use super::listing::{Found, Listing, Malformed, place_of, read_date};

/// Releases that one page has, as asked for.
pub const PAGE: usize = 100;

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    published_at: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    browser_download_url: Option<String>,
}

/// Returns the query of a page, counted from 1.
pub fn query(page: usize) -> String {
    format!("per_page={PAGE}&page={page}")
}

/// Reads a page into a listing, and returns the tags that it has; none: it was behind the last one. `root` is the URL of the
/// tree that the files lie in.
///
/// # Errors
/// It is no list of releases. Nothing was added.
pub fn parse(json: &[u8], root: &Url, listing: &mut Listing) -> Result<Vec<String>, Malformed> {
    let releases: Vec<Release> =
        serde_json::from_slice(json).map_err(|error| Malformed::of("list of releases", error))?;
    for release in &releases {
        if !release.draft {
            add(release, root, listing);
        }
    }
    Ok(releases.into_iter().map(|release| release.tag_name).collect())
}

fn add(release: &Release, root: &Url, listing: &mut Listing) {
    let published = release.published_at.as_deref().or(release.created_at.as_deref()).unwrap_or_default();
    for asset in &release.assets {
        // One that is still being uploaded is none yet.
        if asset.state.as_deref().is_some_and(|state| state != "uploaded") {
            continue;
        }
        let url = asset.browser_download_url.as_deref().and_then(|url| Url::parse(url).ok());
        let Some(place) = url.as_ref().and_then(|url| place_of(url, root)) else {
            listing.left_out += 1;
            continue;
        };
        let date = read_date(asset.updated_at.as_deref().unwrap_or(published));
        let found = Found { size: asset.size, date, place: place.to_owned(), is_certain: true };
        listing.add(&format!("{}/{}", release.tag_name, asset.name), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_ONE: &str = r#"[
        {"url": "https://api.code.example/repos/acme/tool/releases/2", "id": 2, "tag_name": "v1.1.0", "name": "1.1.0",
         "draft": false, "prerelease": true, "created_at": "2024-03-02T00:00:00Z", "published_at": "2024-03-02T10:00:00Z",
         "assets": [
           {"id": 7, "name": "tool-linux-x64.tar.gz", "label": null, "state": "uploaded", "size": 1234,
            "digest": null, "updated_at": "2024-03-02T10:01:00Z",
            "browser_download_url": "https://code.example/acme/tool/releases/download/v1.1.0/tool-linux-x64.tar.gz"},
           {"name": "half", "state": "starter", "size": 0,
            "browser_download_url": "https://code.example/acme/tool/releases/download/v1.1.0/half"},
           {"name": "elsewhere", "size": 3, "browser_download_url": "https://other.example/elsewhere"}]},
        {"tag_name": "@acme/tool@1.0.0", "published_at": "2024-03-01T10:00:00Z",
         "assets": [{"name": "tool.zip", "browser_download_url":
            "https://code.example/acme/tool/releases/download/%40acme%2Ftool%401.0.0/tool.zip"}]},
        {"tag_name": "v0.9.0", "assets": []},
        {"tag_name": "v2.0.0", "draft": true, "published_at": null, "assets": [{"name": "secret", "size": 1,
            "browser_download_url": "https://code.example/secret"}]}]"#;

    #[test]
    fn files_lie_below_the_tags_of_their_releases() {
        let root = "https://code.example/".parse().unwrap();
        let mut listing = Listing::default();
        let tags = parse(PAGE_ONE.as_bytes(), &root, &mut listing).unwrap();
        assert_eq!(tags, ["v1.1.0", "@acme/tool@1.0.0", "v0.9.0", "v2.0.0"]);
        assert_eq!(listing.left_out, 1);
        let files: Vec<_> = listing
            .into_directories()
            .into_iter()
            .flat_map(|(path, entries)| entries.into_iter().map(move |entry| (path.clone(), entry)))
            .map(|(path, entry)| (format!("{path}{}", entry.name), entry.date, entry.size, entry.place))
            .collect();
        let expected = |path: &str, date: &str, size, place: &str| (path.into(), date.into(), size, place.into());
        let second = "acme/tool/releases/download/%40acme%2Ftool%401.0.0/tool.zip";
        let first = "acme/tool/releases/download/v1.1.0/tool-linux-x64.tar.gz";
        assert_eq!(
            files,
            [
                expected("@acme", "2024-03-01T10:00:00.000Z", None, ""),
                expected("v1.1.0", "2024-03-02T10:01:00.000Z", None, ""),
                expected("@acme/tool@1.0.0", "2024-03-01T10:00:00.000Z", None, ""),
                expected("@acme/tool@1.0.0/tool.zip", "2024-03-01T10:00:00.000Z", None, second),
                expected("v1.1.0/tool-linux-x64.tar.gz", "2024-03-02T10:01:00.000Z", Some(1234), first),
            ]
        );
    }

    #[test]
    fn what_is_no_list_of_releases_is_refused() {
        let root = "https://code.example/".parse().unwrap();
        let mut listing = Listing::default();
        assert!(parse(b"[]", &root, &mut listing).unwrap().is_empty());
        for json in ["", "{}", "{\"message\": \"rate limited\"}", "[{}]", "[{\"tag_name\": 1}]", "[[]]"] {
            assert!(parse(json.as_bytes(), &root, &mut listing).is_err(), "{json}");
        }
        assert!(listing.into_directories().is_empty());
    }
}
