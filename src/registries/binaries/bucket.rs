//! Buckets as object stores list them: XML, one page at a time, by prefix and delimiter. Pure, and bounded: elements lie no
//! deeper than the form has them, and a document type defines nothing.
//!
//! ```text
//! <ListBucketResult><Name>b</Name><Prefix>v1/</Prefix><IsTruncated>true</IsTruncated>
//!   <NextContinuationToken>1ueGcxLPRx1Tr…</NextContinuationToken>
//!   <Contents><Key>v1/a.zip</Key><LastModified>2024-03-01T12:30:45.000Z</LastModified><Size>1234</Size></Contents>
//!   <CommonPrefixes><Prefix>v1/x64/</Prefix></CommonPrefixes></ListBucketResult>
//! ```
//!
//! Source: Amazon S3's API, ListObjectsV2 and ListObjects; Google's and Alibaba's answer alike.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use url::form_urlencoded;

use super::listing::{Listing, Malformed, escape, read_date};
use crate::overlay::binaries::Entry;

const WHAT: &str = "listing of a bucket";

/// Owners, which nobody asks for, lie three deep.
const MAX_DEPTH: usize = 8;

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// As the store has said.
    Token(String),
    /// Behind this key: an older store.
    Marker(String),
}

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub objects: Vec<Object>,
    /// What keys of more objects begin with, up to the next slash.
    pub prefixes: Vec<String>,
    pub next: Option<Next>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub date: String,
    pub size: Option<u64>,
}

/// What a page says of the pages behind it.
#[derive(Default)]
struct Rest {
    is_truncated: bool,
    token: Option<String>,
    marker: Option<String>,
}

/// Returns the query of a page of what lies directly below a prefix.
pub fn query(prefix: &str, from: Option<&Next>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("list-type", "2").append_pair("delimiter", "/");
    if !prefix.is_empty() {
        query.append_pair("prefix", prefix);
    }
    match from {
        None => {}
        Some(Next::Token(token)) => drop(query.append_pair("continuation-token", token)),
        Some(Next::Marker(key)) => drop(query.append_pair("marker", key)),
    }
    query.finish()
}

/// Reads a page.
///
/// # Errors
/// It is no listing of a bucket.
pub fn parse(xml: &str) -> Result<Page, Malformed> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut page, mut rest, mut open) = (Page::default(), Rest::default(), Vec::<String>::new());
    let (mut object, mut text, mut is_listing) = (Object::default(), String::new(), false);
    loop {
        match reader.read_event().map_err(|error| Malformed::of(WHAT, error))? {
            Event::Start(start) => {
                open.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                is_listing |= open[0] == "ListBucketResult";
                if !is_listing || open.len() > MAX_DEPTH {
                    return Err(malformed());
                }
                text.clear();
            }
            Event::Text(more) => text.push_str(&more.decode().map_err(|error| Malformed::of(WHAT, error))?),
            Event::CData(more) => text.push_str(&more.decode().map_err(|error| Malformed::of(WHAT, error))?),
            Event::GeneralRef(named) => text.push_str(&resolve(&named)?),
            Event::End(_) => {
                let path: Vec<&str> = open.iter().skip(1).map(String::as_str).collect();
                end(&path, std::mem::take(&mut text), &mut object, &mut page, &mut rest);
                open.pop();
            }
            Event::Eof if is_listing && open.is_empty() => break,
            Event::Eof => return Err(malformed()),
            _ => {}
        }
    }
    page.next = rest.next(&page);
    Ok(page)
}

fn malformed() -> Malformed {
    Malformed { what: WHAT, cause: None }
}

/// Takes what an element held, whose path below the root this is.
fn end(path: &[&str], text: String, object: &mut Object, page: &mut Page, rest: &mut Rest) {
    match path {
        ["Contents", "Key"] => object.key = text,
        ["Contents", "LastModified"] => object.date = read_date(text.trim()),
        ["Contents", "Size"] => object.size = text.trim().parse().ok(),
        ["Contents"] => page.objects.push(std::mem::take(object)),
        ["CommonPrefixes", "Prefix"] => page.prefixes.push(text),
        ["IsTruncated"] => rest.is_truncated = text.trim() == "true",
        ["NextContinuationToken"] => rest.token = Some(text).filter(|token| !token.is_empty()),
        ["NextMarker"] => rest.marker = Some(text).filter(|marker| !marker.is_empty()),
        _ => {}
    }
}

/// Returns what a reference stands for: only what XML itself defines.
fn resolve(named: &BytesRef<'_>) -> Result<String, Malformed> {
    if let Some(sign) = named.resolve_char_ref().map_err(|error| Malformed::of(WHAT, error))? {
        return Ok(sign.to_string());
    }
    let name = named.decode().map_err(|error| Malformed::of(WHAT, error))?;
    resolve_predefined_entity(&name).map(str::to_owned).ok_or_else(malformed)
}

// === impl Rest ===

impl Rest {
    /// Tells where the next page begins.
    fn next(self, page: &Page) -> Option<Next> {
        if !self.is_truncated {
            return None;
        }
        let last = || {
            let keys = page.objects.iter().map(|object| &object.key).chain(&page.prefixes);
            keys.max().cloned()
        };
        self.token.map(Next::Token).or_else(|| self.marker.or_else(last).map(Next::Marker))
    }
}

// === impl Page ===

impl Page {
    /// Adds what lies below `prefix` to a directory of a listing. Keys are places in the tree.
    pub fn add_to(self, listing: &mut Listing, prefix: &str, directory: &str) {
        let below = |key: &str| key.strip_prefix(prefix).map(str::to_owned);
        for Object { key, date, size } in self.objects {
            // A key that ends in a slash stands for a directory, where somebody wanted to see one.
            let Some(name) = below(&key).filter(|name| !name.is_empty() && !name.ends_with('/')) else { continue };
            let place = escape(&key);
            let entry = Entry { name, is_directory: false, size, date, place, is_certain: true };
            listing.add_entry(directory, entry);
        }
        for key in self.prefixes {
            let Some(name) = below(&key).and_then(|name| Some(name.strip_suffix('/')?.to_owned())) else { continue };
            let (date, place) = (String::new(), escape(&key));
            let entry = Entry { name, is_directory: true, size: None, date, place, is_certain: true };
            listing.add_entry(directory, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>builds</Name><Prefix>tool/v1/</Prefix>
<KeyCount>3</KeyCount><MaxKeys>3</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<Contents><Key>tool/v1/</Key><LastModified>2024-03-01T12:00:00.000Z</LastModified><Size>0</Size></Contents>
<Contents><Key>tool/v1/a &amp; b+c&#45;x64.zip</Key><LastModified>2024-03-01T12:30:45.000Z</LastModified>
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size><StorageClass>STANDARD</StorageClass>
<Owner><ID>1</ID><DisplayName>o</DisplayName></Owner></Contents>
<CommonPrefixes><Prefix>tool/v1/x64/</Prefix></CommonPrefixes></ListBucketResult>"#;

    #[test]
    fn a_page_is_read_with_where_the_next_begins() {
        let page = parse(FIRST).unwrap();
        let next = Next::Token("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=".to_owned());
        assert_eq!((page.objects.len(), page.next.clone()), (2, Some(next.clone())));
        assert_eq!(
            query("tool/v1/", Some(&next)),
            "list-type=2&delimiter=%2F&prefix=tool%2Fv1%2F&\
             continuation-token=1ueGcxLPRx1Tr%2FXYExHnhbYLgveDs2J%2Fwm36Hy4vbOwM%3D"
        );
        let mut listing = Listing::of("v1/");
        page.add_to(&mut listing, "tool/v1/", "v1/");
        let [(path, entries)] = &listing.into_directories()[..] else { panic!("one directory") };
        let [file, directory] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((path.as_str(), file.name.as_str(), file.size), ("v1/", "a & b+c-x64.zip", Some(434_234)));
        assert_eq!((file.date.as_str(), file.is_directory), ("2024-03-01T12:30:45.000Z", false));
        assert_eq!(file.place, "tool/v1/a%20%26%20b%2Bc-x64.zip");
        assert_eq!((directory.name.as_str(), directory.is_directory), ("x64", true));
    }

    #[test]
    fn an_older_store_is_asked_behind_its_last_key() {
        let listed = |more: &str| {
            format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated>{more}<Contents><Key>a</Key></Contents>\
                 <CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></ListBucketResult>"
            )
        };
        assert_eq!(parse(&listed("")).unwrap().next, Some(Next::Marker("b/".to_owned())));
        let marked = parse(&listed("<NextMarker>a&lt;</NextMarker>")).unwrap().next;
        assert_eq!(marked, Some(Next::Marker("a<".to_owned())));
        assert_eq!(query("", marked.as_ref()), "list-type=2&delimiter=%2F&marker=a%3C");
        assert_eq!(parse("<ListBucketResult/>").unwrap(), Page::default());
        let nothing = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        assert_eq!(parse(nothing).unwrap().next, None, "it would go on for ever");
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        let deep = format!("<ListBucketResult>{}", "<a>".repeat(10_000));
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult><Name>&a;</Name></ListBucketResult>";
        for xml in [
            "",
            "text",
            "<Error><Code>AccessDenied</Code></Error>",
            "<html><ListBucketResult/></html>",
            "<ListBucketResult>",
            "<ListBucketResult></Other>",
            "<ListBucketResult><Name>&nothing;</Name></ListBucketResult>",
            "<ListBucketResult><Name>&#xFFFFFFFF;</Name></ListBucketResult>",
            bomb,
            &deep,
        ] {
            assert!(parse(xml).is_err(), "{}", &xml[..xml.len().min(80)]);
        }
    }
}
