//! What may be said of a registry. Pure. Source: contract npm §14; lengths are those of cnpm's registries.

use url::Url;

use super::{DEFAULT, Edit, OWN, Wish};
use crate::base::secret::Secret;
use crate::mirror::egress::{self, Reach};
use crate::registries::npm::error::Error;

/// Longest name and user prefix, URL and token, in bytes.
const MAX_NAME: usize = 256;
const MAX_URL: usize = 4096;
const MAX_TOKEN: usize = 4096;

/// Types as they are kept, and what else they are called.
const KINDS: [(&str, &str); 4] =
    [("npm", "npm"), ("cnpmcore", "cnpmcore"), ("cnpmjsorg", "cnpmjsorg"), ("cnpm", "cnpmcore")];

/// A registry to be made, as it was judged.
pub struct New {
    pub name: String,
    /// Ends in `/`; holds no credentials, query or fragment.
    pub url: Url,
    pub kind: &'static str,
    pub user_prefix: String,
    pub change_stream: Option<String>,
    pub token: Option<Secret>,
}

/// What of a registry is to be another, as it was judged.
pub struct Changed {
    pub name: Option<String>,
    pub url: Option<Url>,
    pub kind: Option<&'static str>,
    pub user_prefix: Option<String>,
    pub change_stream: Option<Option<String>>,
    pub token: Option<Option<Secret>>,
}

/// Judges what is said of a new registry.
///
/// # Errors
/// [`Error::Unprocessable`]; [`Error::Conflict`]: the name is one of ours.
pub fn judge_new(wish: Wish, reach: Reach) -> Result<New, Error> {
    Ok(New {
        change_stream: change_stream(wish.change_stream, reach)?,
        token: token(wish.auth_token)?,
        name: name(&wish.name)?,
        url: host(&wish.host, reach)?,
        kind: kind(&wish.kind)?,
        user_prefix: prefix(wish.user_prefix.unwrap_or_default())?,
    })
}

/// Judges what is to become of a registry.
///
/// # Errors
/// As [`judge_new`].
pub fn judge_edit(edit: Edit, reach: Reach) -> Result<Changed, Error> {
    Ok(Changed {
        change_stream: edit.change_stream.map(|url| change_stream(url, reach)).transpose()?,
        token: edit.auth_token.map(token).transpose()?,
        name: edit.name.as_deref().map(name).transpose()?,
        url: edit.host.map(|text| host(&text, reach)).transpose()?,
        kind: edit.kind.as_deref().map(kind).transpose()?,
        user_prefix: edit.user_prefix.map(prefix).transpose()?,
    })
}

/// Judges a scope, which is named with its `@`. Source: contract npm §1.1.
pub fn scope(text: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    match text.strip_prefix('@') {
        Some(rest) if !rest.is_empty() && rest.len() < MAX_NAME && rest.bytes().all(plain) => Ok(()),
        _ => Err(wrong("a scope is named as @scope")),
    }
}

fn name(text: &str) -> Result<String, Error> {
    let name = text.trim();
    if [OWN, DEFAULT].contains(&name) {
        return Err(Error::Conflict(format!("the registry {name:?} exists already").into()));
    }
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(wrong("a registry's name has 1 to 256 characters"));
    }
    Ok(name.to_owned())
}

fn prefix(text: String) -> Result<String, Error> {
    if text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(wrong("a userPrefix has at most 256 characters"));
    }
    Ok(text)
}

fn kind(text: &str) -> Result<&'static str, Error> {
    let known = KINDS.iter().find(|(word, _)| *word == text).map(|(_, kept)| *kept);
    known.ok_or_else(|| wrong("a registry's type is npm, cnpmcore or cnpmjsorg"))
}

/// Judges where a registry is. What its name resolves to is judged each time it is asked.
fn host(text: &str, reach: Reach) -> Result<Url, Error> {
    let mut url = url(text.trim(), reach)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a host has no query and no fragment"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn url(text: &str, reach: Reach) -> Result<Url, Error> {
    if text.len() > MAX_URL {
        return Err(wrong("a host and a changeStream have at most 4096 characters"));
    }
    let url: Url = text.parse().map_err(|_| wrong("a host and a changeStream are URLs"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a host has no user and password: what it is shown is the authToken"));
    }
    egress::check(&url, reach).map_err(|_| wrong("this host is none that may be asked anything"))?;
    Ok(url)
}

/// Judges where changes are told of; what is empty is nowhere.
fn change_stream(text: Option<String>, reach: Reach) -> Result<Option<String>, Error> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    text.as_deref().map(|text| url(text, reach)).transpose()?;
    Ok(text)
}

/// Judges a token, which stands in a header, after a word and a space; one that is empty is none.
fn token(token: Option<Secret>) -> Result<Option<Secret>, Error> {
    let plain = |token: &str| token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    match token {
        Some(token) if token.reveal().is_empty() => Ok(None),
        Some(token) if !plain(token.reveal()) => Err(wrong("an authToken is visible ASCII without spaces")),
        token => Ok(token),
    }
}

fn wrong(reason: &'static str) -> Error {
    Error::Unprocessable(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(judged: Result<Changed, Error>) -> u16 {
        judged.map_or_else(|error| error.status().as_u16(), |_| 200)
    }

    fn at(text: &str) -> Edit {
        Edit { host: Some(text.to_owned()), ..Edit::default() }
    }

    #[test]
    fn a_host_is_an_address_of_the_public_internet_without_credentials() {
        for (text, expected) in [
            ("https://registry.example", Some("https://registry.example/")),
            (" http://registry.example:8080/npm ", Some("http://registry.example:8080/npm/")),
            ("https://registry.example/npm/", Some("https://registry.example/npm/")),
            ("https://joe@registry.example/", None),
            ("https://joe:secret@registry.example/", None),
            ("https://registry.example/?x", None),
            ("https://registry.example/#x", None),
            ("ftp://registry.example/", None),
            ("file:///etc/passwd", None),
            ("registry.example", None),
            ("http://127.0.0.1/", None),
            ("http://[::1]/", None),
            ("http://2130706433/", None),
            ("http://169.254.169.254/latest", None),
            ("", None),
        ] {
            let judged = judge_edit(at(text), Reach::Public);
            assert_eq!(judged.ok().and_then(|judged| judged.url).as_ref().map(Url::as_str), expected, "{text}");
        }
        assert_eq!(status(judge_edit(at("http://127.0.0.1/"), Reach::Private)), 200);
        let stream = |text: &str| Edit { change_stream: Some(Some(text.to_owned())), ..Edit::default() };
        assert_eq!(status(judge_edit(stream("https://registry.example/_changes?x=1"), Reach::Public)), 200);
        assert_eq!(status(judge_edit(stream("http://10.0.0.1/_changes"), Reach::Public)), 422);
    }

    #[test]
    fn what_is_empty_is_taken_away_and_what_is_not_named_stays() {
        let none = judge_edit(Edit::default(), Reach::Public).unwrap();
        assert!(none.name.is_none() && none.url.is_none() && none.change_stream.is_none() && none.token.is_none());
        let emptied = Edit {
            change_stream: Some(Some(" ".to_owned())),
            auth_token: Some(Some(Secret::new(""))),
            ..Edit::default()
        };
        let emptied = judge_edit(emptied, Reach::Public).unwrap();
        assert_eq!((emptied.change_stream, emptied.token), (Some(None), Some(None)));
        let read: Edit = serde_json::from_str(r#"{"authToken":null}"#).unwrap();
        assert!(read.auth_token == Some(None) && read.change_stream.is_none());
    }

    #[test]
    fn a_new_registry_has_none_of_what_nothing_is_said_of() {
        let judge = |rest: &str| {
            let wish = format!(r#"{{"name":" corp ","host":"https://registry.example","type":"cnpm"{rest}}}"#);
            judge_new(serde_json::from_str(&wish).unwrap(), Reach::Public)
        };
        for (rest, user_prefix, token) in [
            ("", "", None),
            (r#","changeStream":" ","authToken":"""#, "", None),
            (r#","userPrefix":"corp:","authToken":"secret""#, "corp:", Some(Secret::new("secret"))),
        ] {
            let new = judge(rest).unwrap();
            assert_eq!(
                (new.name.as_str(), new.url.as_str(), new.kind),
                ("corp", "https://registry.example/", "cnpmcore")
            );
            assert_eq!((new.user_prefix.as_str(), new.change_stream, new.token), (user_prefix, None, token), "{rest}");
        }
        for rest in [r#","authToken":"a b""#, r#","changeStream":"http://10.0.0.1/""#] {
            assert!(judge(rest).is_err(), "{rest}");
        }
    }

    #[test]
    fn types_have_two_names_where_cnpm_has() {
        let kind = |kind: &str| judge_edit(Edit { kind: Some(kind.to_owned()), ..Edit::default() }, Reach::Public);
        for (given, kept) in
            [("npm", "npm"), ("cnpm", "cnpmcore"), ("cnpmcore", "cnpmcore"), ("cnpmjsorg", "cnpmjsorg")]
        {
            assert_eq!(kind(given).unwrap().kind, Some(kept));
        }
        for wrong in ["", "hex", "NPM"] {
            assert_eq!(status(kind(wrong)), 422, "{wrong}");
        }
    }

    #[test]
    fn names_tokens_and_scopes_have_their_forms() {
        let name =
            |name: &str| status(judge_edit(Edit { name: Some(name.to_owned()), ..Edit::default() }, Reach::Public));
        let long = "x".repeat(257);
        for (text, expected) in [("corp", 200), ("self", 409), (" default ", 409), (" ", 422), ("a\nb", 422)] {
            assert_eq!(name(text), expected, "{text:?}");
        }
        assert_eq!((name(&long), name(&long[1..])), (422, 200));
        let token = |text: &str| {
            status(judge_edit(Edit { auth_token: Some(Some(Secret::new(text))), ..Edit::default() }, Reach::Public))
        };
        assert_eq!([token("abc.DEF_1="), token("a b"), token("a\r\nb"), token("ü")], [200, 422, 422, 422]);
        for (text, expected) in [("@acme", true), ("@a.b-c_~", true), ("acme", false), ("@", false), ("@a/b", false)] {
            assert_eq!(scope(text).is_ok(), expected, "{text}");
        }
        assert!(scope("@a*").is_err());
    }
}
