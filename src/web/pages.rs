//! The start page: which mounts there are, and the lines that point a client at each.

use std::fmt::Write;

use ::http::StatusCode;
use ::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use crate::base::http::Reply;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Heliostat</title>\
<meta name=viewport content='width=device-width'>\
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:45rem;margin:2rem auto;padding:0 1rem}\
pre{background:#8882;padding:.75rem;overflow:auto}</style>\
<h1>Heliostat</h1><p>A mirror that proves what it keeps. Point your client at it:</p>";

const FOOT: &str = "<p><a href=/readyz>health</a> · <a href=/metrics>metrics</a> · \
<a href=/-/heliostat/api/v1/incidents>incidents</a></p></html>";

/// What a client of one mount has to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    pub title: String,
    /// Where the mount is: an absolute URL, or a path below the address that this page was asked at. No slash at the end.
    pub url: String,
    /// Lines to paste, in which `{url}` stands for the mount's URL.
    pub lines: Vec<String>,
}

/// Returns the start page for a client that reaches us at `base`.
pub fn start(guides: &[Guide], base: &str) -> Reply {
    let mut page = String::from(HEAD);
    for guide in guides {
        let lines = guide.lines_at(base).join("\n");
        // Writing to a string does not fail.
        let _ = write!(page, "<h2>{}</h2><pre>{}</pre>", escape(&guide.title), escape(&lines));
    }
    page.push_str(FOOT);
    let mut reply = Reply::bytes(StatusCode::OK, "text/html; charset=utf-8", page).action("start");
    reply.set(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    reply
}

impl Guide {
    /// Returns the lines with the mount's URL filled in, for a client that reaches us at `base`.
    pub fn lines_at(&self, base: &str) -> Vec<String> {
        let url = if self.url.contains("://") { self.url.clone() } else { format!("{base}{}", self.url) };
        self.lines.iter().map(|line| line.replace("{url}", &url)).collect()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_shown_and_not_obeyed() {
        assert_eq!(escape(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn a_public_url_is_told_as_it_is() {
        let guide = |url: &str| Guide { title: "n".into(), url: url.into(), lines: vec!["set {url}/".into()] };
        assert_eq!(guide("https://mirror.example/npm").lines_at("http://h"), ["set https://mirror.example/npm/"]);
        assert_eq!(guide("/npm").lines_at("http://h"), ["set http://h/npm/"]);
    }
}
