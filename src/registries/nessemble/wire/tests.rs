//! Documents of every upstream, whole and broken, and what an old client finds in what is printed of them.

use serde_json::{Value, json};

use super::*;
use crate::registries::nessemble::name::{Title, Version};
use crate::registries::nessemble::routes::{Order, Page, Sort};
use crate::registries::nessemble::samples::{self, gzip, pack};

const BASE: &str = "http://127.0.0.1:4870/nessemble";
const PLAIN: &str = include_str!("../fixtures/package.json");
const TWICE: &str = include_str!("../fixtures/package.twice.json");
const PRINTED: &str = include_str!("../fixtures/package.printed.json");

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn text(print: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn parsed(document: &str) -> Package {
    parse_package(document.as_bytes(), &title("foo"), None).unwrap_or_else(|error| panic!("{error}: {document}"))
}

fn printed(package: &Package, is_exact: bool, reader: Reader) -> String {
    text(|out| print_package(package, &Links { base: BASE, is_exact }, reader, out))
}

/// Counts a document's tokens as the old client does.
fn tokens(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(tokens).sum(),
        Value::Object(members) => members.values().map(|value| 1 + tokens(value)).sum(),
        _ => 0,
    }
}

/// Finds a member as the old client does: the token after the first text that reads like its name, whatever that is.
fn found<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = document.split_once(&format!("\"{name}\""))?.1;
    rest = rest.trim_start_matches([':', ',', ' ']);
    rest.strip_prefix('"')?.split('"').next()
}

// === Packages ===

#[test]
fn every_spelling_of_a_package_comes_out_as_one() {
    let expected = PRINTED.replace('\n', "");
    assert_eq!(printed(&parsed(PLAIN), false, Reader::Any), expected);
    assert_eq!(printed(&parsed(TWICE), false, Reader::Any), expected);
    assert_eq!(printed(&parsed(&expected), false, Reader::Any), expected, "what is printed reads as it was");
    let exact = expected.replace("/package/foo/", "/package/foo/1.0.1/");
    assert_eq!(printed(&parsed(PLAIN), true, Reader::Any), exact);
}

#[test]
fn a_package_must_be_what_was_asked_for() {
    let parse = |document: &str, asked: Option<&str>| {
        parse_package(document.as_bytes(), &title("foo"), asked.map(version).as_ref())
    };
    assert!(parse(PLAIN, Some("1.0.1")).is_ok());
    assert!(matches!(parse(PLAIN, Some("1.0.0")), Err(Error::WrongVersion { .. })));
    assert!(matches!(parse(&PLAIN.replace("\"foo\"", "\"Foo\""), None), Err(Error::WrongTitle { .. })));
    assert!(matches!(parse(r#"{"version":"1.0.0"}"#, None), Err(Error::WrongTitle { .. })));
    assert!(matches!(parse(r#"{"title":"foo"}"#, None), Err(Error::Missing("version"))));
    let least = parse(r#"{"title":"foo","version":"1.0.0"}"#, None).unwrap();
    assert_eq!(least.versions.keys().map(Version::as_str).collect::<Vec<_>>(), ["1.0.0"]);
    let expected = r#"{"title":"foo","description":"","version":"1.0.0","versions":{"1.0.0":null},"author":"","#
        .to_owned()
        + r#""license":"","date":null,"readme":"B/README","resource":"B/data","shasum":null,"tags":[]}"#;
    assert_eq!(printed(&least, false, Reader::Any), expected.replace('B', &format!("{BASE}/package/foo")));
}

#[test]
fn documents_that_can_be_read_in_two_ways_are_refused() {
    for members in [
        r#""shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709""#,
        r#""title":"foo""#,
        r#""version":"2.0.0""#,
        r#""version":{},"version":{}"#,
        r#""versions":{},"version":{}"#,
        r#""versions":{},"versions":{}"#,
        r#""versions":{"1.0.0":null,"1.0.0":null}"#,
    ] {
        let document = format!(r#"{{"title":"foo","version":"1.0.0",{members}}}"#);
        let parsed = parse_package(document.as_bytes(), &title("foo"), None);
        assert!(matches!(parsed, Err(Error::Repeated(_))), "{document}");
    }
    for shasum in [r#""abc""#, r#""zz39a3ee5e6b4b0d3255bfef95601890afd80709""#, r#""é""#] {
        let document = format!(r#"{{"title":"foo","version":"1.0.0","shasum":{shasum}}}"#);
        assert!(matches!(parse_package(document.as_bytes(), &title("foo"), None), Err(Error::Shasum)), "{shasum}");
    }
}

#[test]
fn the_default_version_is_the_newest_release() {
    for (versions, expected) in [
        (&["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"][..], "1.10.0"),
        (&["1.0.0-a", "1.0.0-b"], "1.0.0-b"),
        (&["0.1.0"], "0.1.0"),
    ] {
        let versions: serde_json::Map<_, _> = versions.iter().map(|text| ((*text).to_owned(), Value::Null)).collect();
        let shown = versions.keys().next().unwrap();
        let document = json!({"title": "foo", "version": shown, "versions": versions}).to_string();
        assert_eq!(parsed(&document).default_version().as_str(), expected);
    }
}

#[test]
fn what_the_archive_says_of_itself_counts_more() {
    let bytes = samples::archive("foo", "1.0.1", b"");
    let package = parsed(PLAIN).with_archive(&open(&bytes).unwrap(), samples::shasum(&bytes));
    let (told, tags) = ((package.description.as_str(), package.license.as_str()), package.tags.join(" "));
    assert_eq!((told, tags.as_str()), (("From the archive", "GPL-3.0"), "sound nes"));
    assert_eq!((package.versions, package.shasum), (parsed(PLAIN).versions, Some(samples::shasum(&bytes))));
}

// === What the old client can hold ===

fn big(versions: usize, tags: usize) -> Package {
    let versions: serde_json::Map<_, _> = (0..versions).map(|patch| (format!("1.0.{patch}"), Value::Null)).collect();
    let tags: Vec<_> = (0..tags).map(|tag| format!("t{tag}")).collect();
    let document = json!({"title": "foo", "version": "1.0.0", "versions": versions, "tags": tags});
    parsed(&document.to_string())
}

#[test]
fn the_old_client_gets_the_newest_versions_that_fit_and_its_own() {
    for (versions, tags, kept_versions, kept_tags) in
        [(1, 1, 1, 1), (52, 1, 52, 1), (53, 1, 52, 1), (500, 3, 51, 3), (500, 103, 1, 103), (500, 200, 1, 103)]
    {
        let package = big(versions, tags);
        let document = value(&printed(&package, true, Reader::Old));
        let shown = document["versions"].as_object().unwrap();
        assert_eq!((shown.len(), document["tags"].as_array().unwrap().len()), (kept_versions, kept_tags));
        assert!(tokens(&document) <= MAX_TOKENS && shown.contains_key("1.0.0"), "{versions} {tags}");
        assert!(kept_versions < 2 || shown.contains_key(&format!("1.0.{}", versions - 1)), "{versions} {tags}");
        let whole = value(&printed(&package, true, Reader::Any));
        assert_eq!(whole["versions"].as_object().unwrap().len(), versions);
        assert_eq!(tokens(&whole), 23 + 2 * versions + tags, "as the contract counts");
    }
}

#[test]
fn the_old_client_gets_the_best_results_that_fit() {
    let listed = |index: usize, tags: usize| Listed {
        title: title(&format!("p{index:03}")),
        description: String::new(),
        tags: (0..tags).map(|tag| format!("t{tag}")).collect(),
    };
    for (count, tags, kept) in [(0, 0, 0), (3, 3, 3), (10, 3, 10), (11, 3, 10), (500, 0, 13), (2, 114, 1), (2, 300, 1)]
    {
        let packages: Vec<_> = (0..count).map(|index| listed(index, tags)).collect();
        let all = search(&packages, None);
        let document = value(&text(|out| print_results(Some("p"), &all, BASE, Reader::Old, out)));
        let results = document["results"].as_array().unwrap();
        assert_eq!(results.len(), kept, "{count} {tags}");
        assert!(tokens(&document) <= MAX_TOKENS, "{count} {tags}");
        assert!(results.iter().zip(&all).all(|(result, listed)| result["title"] == listed.title.as_str()));
        let whole = value(&text(|out| print_results(Some("p"), &all, BASE, Reader::Any, out)));
        assert_eq!(tokens(&whole), 5 + count * (9 + tags), "as the contract counts");
    }
}

#[test]
fn the_old_client_finds_the_links_whatever_the_texts_say() {
    for word in ["resource", "readme", "title", "description", "error", "plain"] {
        let document = json!({
            "title": "foo", "version": "1.0.0", "description": word, "author": word, "license": word, "tags": [word],
        });
        let printed = printed(&parsed(&document.to_string()), true, Reader::Old);
        assert_eq!(found(&printed, "resource"), Some(&*format!("{BASE}/package/foo/1.0.0/data")), "{word}");
        assert_eq!(found(&printed, "readme"), Some(&*format!("{BASE}/package/foo/1.0.0/README")), "{word}");
        let listed = |text: &str| Listed { title: title(text), description: word.into(), tags: vec![word.into()] };
        let packages = [listed("bar"), listed("foo")];
        let results = text(|out| print_results(Some(word), &search(&packages, None), BASE, Reader::Old, out));
        assert_eq!(found(&results, "title"), Some("bar"), "{results}");
        // It counts both, and stops where the numbers differ.
        let count = |name: &str| results.matches(&format!("\"{name}\"")).count();
        assert_eq!((count("title"), count("description")), (2, 2), "{results}");
    }
}

#[test]
fn the_old_client_is_known_by_its_name() {
    for (agent, reader) in [
        (Some("nessemble/1.1.1"), Reader::Old),
        (Some("nessemble/1."), Reader::Old),
        (Some("nessemble/2.0.0"), Reader::Any),
        (Some("nessemble/11.0"), Reader::Any),
        (Some("curl/8 nessemble/1.1.1"), Reader::Any),
        (None, Reader::Any),
    ] {
        assert_eq!(Reader::of(agent), reader, "{agent:?}");
    }
}

#[test]
fn no_url_has_an_escape_in_it() {
    let printed = printed(&parsed(PLAIN), false, Reader::Old);
    assert!(!printed.contains("\\/") && !printed.contains("\\u"), "{printed}");
}

// === List ===

fn listed() -> Vec<Listed> {
    let page = json!({"packages": [
        {"title": "zeta", "description": "b", "tags": ["Sound"], "url": "http://evil.example/"},
        {"title": "Alpha", "description": "a sound Engine", "tags": []},
        {"title": "mid-SOUND", "description": "b", "tags": ["x", 7, null]},
        {"title": "../x", "description": ""}, {"description": "no title"}, 7,
    ], "pagination": {"page": 1, "total": 99, "next": null}});
    let again = json!({"packages": [{"title": "zeta", "description": "other"}], "pagination": {}});
    merge([page, again].map(|page| parse_page(page.to_string().as_bytes()).unwrap()))
}

fn page(number: u64, size: u64, sort: Sort, order: Order) -> Value {
    value(&text(|out| print_page(&listed(), &Page { number, size, sort, order }, BASE, out)))
}

fn titles(page: &Value) -> Vec<&str> {
    page["packages"].as_array().unwrap().iter().map(|package| package["title"].as_str().unwrap()).collect()
}

#[test]
fn a_page_has_its_members_and_no_others() {
    let printed = text(|out| print_page(&listed(), &Page { size: 1, ..Page::default() }, BASE, out));
    let expected =
        r#"{"packages":[{"title":"Alpha","description":"a sound Engine","tags":[],"url":"B/package/Alpha"}],"#
            .to_owned()
            + r#""pagination":{"page":1,"per_page":1,"total":3,"prev":null,"next":"B/?page=2&per_page=1"}}"#;
    assert_eq!(printed, expected.replace("\"B", &format!("\"{BASE}")));
    let empty = text(|out| print_page(&[], &Page::default(), BASE, out));
    let expected = r#"{"packages":[],"pagination":{"page":1,"per_page":10,"total":0,"prev":null,"next":null}}"#;
    assert_eq!(empty, expected);
}

#[test]
fn a_list_is_sorted_by_bytes_and_ties_by_title() {
    for (sort, order, expected) in [
        (Sort::Title, Order::Ascending, ["Alpha", "mid-SOUND", "zeta"]),
        (Sort::Title, Order::Descending, ["zeta", "mid-SOUND", "Alpha"]),
        (Sort::Description, Order::Ascending, ["Alpha", "mid-SOUND", "zeta"]),
        (Sort::Description, Order::Descending, ["mid-SOUND", "zeta", "Alpha"]),
    ] {
        assert_eq!(titles(&page(1, 10, sort, order)), expected, "{sort:?} {order:?}");
    }
}

#[test]
fn pages_lead_to_one_another_and_end() {
    let link = |number: u64, rest: &str| json!(format!("{BASE}/?page={number}&per_page=2{rest}"));
    let first = page(1, 2, Sort::Title, Order::Ascending);
    assert_eq!((titles(&first), &first["pagination"]["next"]), (vec!["Alpha", "mid-SOUND"], &link(2, "")));
    let second = page(2, 2, Sort::Description, Order::Descending);
    assert_eq!(titles(&second), ["Alpha"]);
    let rest = "&sort_by=description&order=desc";
    assert_eq!((&second["pagination"]["prev"], &second["pagination"]["next"]), (&link(1, rest), &Value::Null));
    let beyond = page(u64::from(u32::MAX), 2, Sort::Title, Order::Ascending);
    assert_eq!((titles(&beyond), &beyond["pagination"]["prev"]), (vec![], &link(2, "")));
    assert_eq!(beyond["pagination"]["next"], Value::Null);
}

#[test]
fn an_upstream_says_which_page_comes_next_and_no_more() {
    let next = |next: Value| {
        let page = json!({"packages": [], "pagination": {"next": next}}).to_string();
        parse_page(page.as_bytes()).map(|page| page.next).ok()
    };
    assert_eq!(next(Value::Null), Some(None));
    assert_eq!(next(json!("http://evil.example/elsewhere?page=2&per_page=10")), Some(Some(2)));
    assert_eq!(next(json!("/?per_page=10&page=7&sort_by=title")), Some(Some(7)));
    for senseless in [json!("http://registry.example/"), json!("?page=x"), json!("?page=-1"), json!(7), json!({})] {
        assert_eq!(next(senseless.clone()), None, "{senseless}");
    }
    assert_eq!(parse_page(br#"{"packages":[]}"#).unwrap().next, None);
}

#[test]
fn what_is_no_document_is_refused_and_breaks_nothing() {
    let deep = format!(r#"{{"packages":{}"#, "[".repeat(1_000_000));
    let deep_object = r#"{"versions":"#.repeat(100_000);
    for document in ["", "<html>", "{}", "null", "[]", "\"x\"", "{", r#"{"packages":7}"#, &deep, &deep_object] {
        let shown = &document[..document.len().min(40)];
        assert!(parse_page(document.as_bytes()).is_err(), "{shown}");
        assert!(parse_package(document.as_bytes(), &title("foo"), None).is_err(), "{shown}");
    }
    assert!(parse_page(b"{\"packages\":[\"\xff\"]}").is_err());
    assert!(parse_page(br#"{"packages":[],"packages":[]}"#).is_err());
    let nested = format!(r#"{{"packages":[{{"title":"a","tags":[{}{}]}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(parse_page(nested.as_bytes()).unwrap().packages[0].tags, Vec::<String>::new());
}

// === Search ===

#[test]
fn a_search_looks_at_titles_first_and_then_at_all_else() {
    let packages = listed();
    let found = |term| search(&packages, term).iter().map(|listed| listed.title.as_str()).collect::<Vec<_>>();
    assert_eq!(found(Some("sound")), ["mid-SOUND", "Alpha", "zeta"]);
    assert_eq!(found(Some("ENGINE")), ["Alpha"]);
    assert_eq!(found(Some("%")), Vec::<&str>::new());
    assert_eq!(found(Some("_")), Vec::<&str>::new());
    assert_eq!(found(Some("a")), ["Alpha", "zeta"]);
    assert_eq!(found(None), ["Alpha", "mid-SOUND", "zeta"]);
}

#[test]
fn results_are_printed_with_the_term_as_it_came() {
    let packages = listed();
    let print = |term, found: &[&Listed]| text(|out| print_results(term, found, BASE, Reader::Any, out));
    assert_eq!(print(Some("No \"such\" %"), &[]), r#"{"term":"No \"such\" %","results":[]}"#);
    assert_eq!(print(None, &[]), r#"{"term":null,"results":[]}"#);
    let expected =
        r#"{"term":"zeta","results":[{"title":"zeta","description":"b","tags":["Sound"],"url":"B/package/zeta"}]}"#;
    assert_eq!(print(Some("zeta"), &search(&packages, Some("zeta"))), expected.replace("\"B", &format!("\"{BASE}")));
}

// === Archives ===

#[test]
fn an_archive_gives_its_readme_as_it_stands() {
    let archive = open(&samples::archive("foo", "1.0.1", b"NOP\n")).unwrap();
    assert_eq!((archive.readme.as_slice(), archive.author.as_str()), (&b"# foo\n"[..], "joe.somebody"));
    assert_eq!((archive.title, archive.version), (title("foo"), version("1.0.1")));
}

#[test]
fn archives_that_are_no_packages_are_refused() {
    let package = br#"{"title":"foo","version":"1.0.0"}"#;
    let files =
        |more: (&'static str, &[u8])| pack(&[("lib.asm", b""), ("README.md", b""), ("package.json", package), more]);
    assert!(open(&files(("docs/more.txt", b""))).is_ok());
    for (archive, reason) in [
        (files(("docs/README.md", b"")), "there twice"),
        (files(("sub/lib.asm", b"")), "there twice"),
        (files(("big.bin", &vec![0; 70_000])), "unpacks to more than 65536"),
        (pack(&[("xlib.asm", b""), ("README.md", b""), ("package.json", package)]), "no lib.asm"),
        (pack(&[("lib.asm", b""), ("readme.md", b""), ("package.json", package)]), "no README.md"),
        (pack(&[("lib.asm", b""), ("README.md", b"")]), "no package.json"),
        (pack(&[("lib.asm", b""), ("README.md", b""), ("package.json", b"[]")]), "package.json cannot be read"),
        (pack(&[("lib.asm", b""), ("README.md", b""), ("package.json", b"{}")]), "package.json cannot be read"),
        (
            pack(&[
                ("lib.asm", b""),
                ("README.md", b""),
                ("package.json", br#"{"title":"a","title":"b","version":"1.0.0"}"#),
            ]),
            "twice",
        ),
        (gzip(&[]), "no lib.asm"),
    ] {
        let error = open(&archive).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, not {reason}");
    }
}
