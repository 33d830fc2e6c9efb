//! Directory listings as servers write them for people: the links of a page that lead one step down, with the date and the
//! size that stand behind each. Pure, and total: a page of any other kind has no such links.
//!
//! ```text
//! nginx, node   <a href="v0.10.1/">v0.10.1/</a>        11-Mar-2013 17:45        -
//! Apache        <a href="a.tgz">a.tgz</a>   2015-11-03 10:11  1.2M
//! … in a table  <td><a href="a.tgz">a.tgz</a></td><td align="right">2015-11-03 10:11  </td><td align="right">1.2M</td>
//! ```
//!
//! Source: nginx's `ngx_http_autoindex_module`, Apache's `mod_autoindex`, the listing of node's releases.

use url::Url;

use super::listing::{place_of, read_local_date, unescape, url_of};
use crate::overlay::binaries::Entry;

/// What stands behind a link is looked at this far, in bytes.
const MAX_TAIL: usize = 256;

/// A link, and what stands behind it.
struct Link<'a> {
    href: &'a str,
    tail: String,
}

/// Reads the listing of a directory. `root` is the URL of the tree, `place` where the directory lies in it.
pub fn parse(html: &str, root: &Url, place: &str) -> Vec<Entry> {
    let Some(here) = url_of(place, root) else { return Vec::new() };
    find_links(html).iter().filter_map(|link| read_link(link, root, &here)).collect()
}

/// Cuts a page into its links.
fn find_links(html: &str) -> Vec<Link<'_>> {
    let mut links: Vec<Link<'_>> = Vec::new();
    let mut is_label = false;
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split(|sign: char| sign.is_ascii_whitespace()).next().unwrap_or_default();
        if name.eq_ignore_ascii_case("a") {
            if let Some(href) = find_href(tag) {
                links.push(Link { href, tail: String::new() });
                is_label = true;
            }
            continue;
        }
        is_label &= !name.eq_ignore_ascii_case("/a");
        let Some(link) = links.last_mut().filter(|link| !is_label && link.tail.len() < MAX_TAIL) else { continue };
        link.tail.push(' ');
        link.tail.extend(text.chars().take(MAX_TAIL));
    }
    links
}

/// Finds where a tag leads: `a href="x"`, quoted in either way or not at all.
fn find_href(tag: &str) -> Option<&str> {
    let is_name = |at: usize| {
        let starts = tag.get(at..at + 4).is_some_and(|name| name.eq_ignore_ascii_case("href"));
        starts && tag[..at].ends_with(|sign: char| sign.is_ascii_whitespace())
    };
    let at = (0..tag.len().saturating_sub(4)).find(|at| is_name(*at))?;
    let value = tag[at + 4..].trim_start().strip_prefix('=')?.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next(),
        _ => value.split(|sign: char| sign.is_ascii_whitespace()).next(),
    }
}

/// Reads a link that leads one step down.
fn read_link(link: &Link<'_>, root: &Url, here: &Url) -> Option<Entry> {
    let mut url = here.join(&decode_entities(link.href)).ok()?;
    url.set_fragment(None);
    let step = url.as_str().strip_prefix(here.as_str())?;
    let (segment, is_directory) = step.strip_suffix('/').map_or((step, false), |segment| (segment, true));
    if segment.contains('/') {
        return None;
    }
    let (name, place) = (unescape(segment)?, place_of(&url, root)?.to_owned());
    let (date, size) = read_tail(&link.tail);
    let size = size.filter(|_| !is_directory);
    Some(Entry { name, is_directory, size, date, place, is_certain: true })
}

/// Finds a date, and the size behind it. A size that was rounded is none.
fn read_tail(tail: &str) -> (String, Option<u64>) {
    let words: Vec<&str> = tail.split_ascii_whitespace().take(16).collect();
    for (at, pair) in words.windows(2).enumerate() {
        if let Some(date) = read_local_date(pair[0], pair[1]) {
            let size = words.get(at + 2).and_then(|word| word.parse().ok());
            return (date, size);
        }
    }
    (String::new(), None)
}

/// Reads what stands for signs that would mean something in HTML.
fn decode_entities(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(';').and_then(|(name, rest)| Some((decode_entity(name)?, rest))) {
            Some((sign, rest)) => {
                decoded.push(sign);
                decoded.push_str(rest);
            }
            None => {
                decoded.push('&');
                decoded.push_str(piece);
            }
        }
    }
    decoded
}

fn decode_entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse(), |digits| u32::from_str_radix(digits, 16)).ok()?;
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Vec<(String, String, Option<u64>, String)> {
        let root = "https://files.example/dist/".parse().unwrap();
        let print = |entry: Entry| {
            let slash = if entry.is_directory { "/" } else { "" };
            (entry.name + slash, entry.date, entry.size, entry.place)
        };
        parse(html, &root, "v1/").into_iter().map(print).collect()
    }

    fn entry(name: &str, date: &str, size: Option<u64>) -> (String, String, Option<u64>, String) {
        let date = if date.is_empty() { String::new() } else { format!("{date}:00.000Z") };
        (name.to_owned(), date, size, format!("v1/{name}"))
    }

    #[test]
    fn a_listing_of_nginx_is_read() {
        let html = "<html>\r\n<head><title>Index of /dist/v1/</title></head>\r\n<body>\r\n<h1>Index of /dist/v1/</h1>\
                    <hr><pre><a href=\"../\">../</a>\r\n\
                    <a href=\"docs/\">docs/</a>                    11-Mar-2013 17:45                   -\r\n\
                    <a href=\"SHASUMS256.txt\">SHASUMS256.txt</a>         11-Mar-2013 17:46                 790\r\n\
                    <a href=\"a-very-long-name.tar.gz\">a-very-long-na..&gt;</a> 12-Mar-2013 01:02        13567\r\n\
                    </pre><hr></body>\r\n</html>";
        let expected = [
            entry("docs/", "2013-03-11T17:45", None),
            entry("SHASUMS256.txt", "2013-03-11T17:46", Some(790)),
            entry("a-very-long-name.tar.gz", "2013-03-12T01:02", Some(13_567)),
        ];
        assert_eq!(read(html), expected);
    }

    #[test]
    fn listings_of_apache_are_read() {
        let pre = "<pre><img src=\"/icons/blank.gif\" alt=\"Icon \"> <a href=\"?C=N;O=D\">Name</a> \
                   <a href=\"?C=M;O=A\">Last modified</a><hr><img src=\"/icons/back.gif\"> \
                   <a href=\"/dist/\">Parent Directory</a>  -   \n\
                   <img src=\"/icons/folder.gif\" alt=\"[DIR]\"> <a href=\"x64/\">x64/</a>  2015-11-03 10:11    -   \n\
                   <img src=\"/icons/tgz.gif\"> <a href=\"a.tgz\">a.tgz</a>  2015-11-03 10:11  1.2M  \n</pre>";
        let table = "<table><tr><th><a href=\"?C=N;O=D\">Name</a></th></tr>\
                     <tr><td valign=\"top\"><img src=\"/icons/folder.gif\"></td><td><A HREF='x64/'>x64/</A></td>\
                     <td align=\"right\">2015-11-03 10:11  </td><td align=\"right\">  - </td></tr>\n\
                     <tr><td><a class=f href=a.tgz>a.tgz</a></td><td align=\"right\">2015-11-03 10:11  </td>\
                     <td align=\"right\">1.2M</td><td>&nbsp;</td></tr></table>";
        let expected = [entry("x64/", "2015-11-03T10:11", None), entry("a.tgz", "2015-11-03T10:11", None)];
        assert_eq!(read(pre), expected);
        assert_eq!(read(table), expected);
    }

    #[test]
    fn only_what_is_one_step_down_is_listed() {
        let links = [
            ("https://files.example/dist/v1/a", Some("a")),
            ("/dist/v1/b", Some("b")),
            ("//files.example/dist/v1/c", Some("c")),
            ("a%20b&amp;c#top", Some("a b&c")),
            ("&#x64;&#101;", Some("de")),
            ("https://other.example/dist/v1/a", None),
            ("/dist/v10/a", None),
            ("../v2/a", None),
            ("x/y", None),
            ("?C=N", None),
            ("a?x=1", None),
            ("#top", None),
            ("./", None),
            ("%2e%2e/", None),
            ("a%2Fb", None),
            ("a%00b", None),
            ("mailto:x@y.example", None),
            ("http://[", None),
            ("", None),
        ];
        for (href, expected) in links {
            let names: Vec<_> = read(&format!("<a href=\"{href}\">x</a>")).into_iter().map(|(name, ..)| name).collect();
            assert_eq!(names.first().map(String::as_str), expected, "{href}");
        }
    }

    #[test]
    fn what_is_no_listing_has_no_entries() {
        for html in
            ["", "<", "<a", "<a href", "<a href=", "<a href=\"", "<a \u{e9}href=x", "not <b>found</b>", "<a>x</a>"]
        {
            assert!(read(html).is_empty(), "{html}");
        }
    }
}
