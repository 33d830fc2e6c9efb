//! Reads which paths a Rust file names, well enough for house-style code: comments, strings and test modules left out,
//! `use` trees unfolded.

/// A path as it is written, `["crate", "base", "fs"]`, and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Returns every path that code names, but for what only tests compile.
pub fn paths(text: &str) -> Vec<Named> {
    let tokens = without_tests(tokens(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (paths, next) = match tokens[at].text.as_str() {
            "use" => use_tree(&tokens, at + 1, &[]),
            text if is_word(text) => plain_path(&tokens, at),
            _ => (Vec::new(), at + 1),
        };
        found.extend(paths);
        at = next.max(at + 1);
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn plain_path(tokens: &[Token], start: usize) -> (Vec<Named>, usize) {
    let line = tokens[start].line;
    let mut segments = vec![tokens[start].text.clone()];
    let mut at = start + 1;
    while text_at(tokens, at) == "::" && is_word(text_at(tokens, at + 1)) {
        segments.push(tokens[at + 1].text.clone());
        at += 2;
    }
    (vec![Named { segments, line }], at)
}

/// Unfolds one branch of a `use` tree; returns its paths and where it ends.
fn use_tree(tokens: &[Token], start: usize, prefix: &[String]) -> (Vec<Named>, usize) {
    let mut segments = prefix.to_vec();
    let mut at = start;
    // A path may start at the crates: `use ::http::…`.
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "::" => at += 1,
            "{" => return use_group(tokens, at + 1, &segments),
            "as" => at += 2,
            text if is_word(text) || text == "*" => {
                segments.push(text.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    let line = tokens[at.saturating_sub(1).min(tokens.len() - 1)].line;
    (vec![Named { segments, line }], at)
}

fn use_group(tokens: &[Token], start: usize, prefix: &[String]) -> (Vec<Named>, usize) {
    let mut found = Vec::new();
    let mut at = start;
    while at < tokens.len() && tokens[at].text != "}" {
        let (paths, next) = use_tree(tokens, at, prefix);
        found.extend(paths);
        at = if text_at(tokens, next) == "," { next + 1 } else { next };
    }
    (found, at + 1)
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// Leaves out each item that stands under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if (0..MARK.len()).all(|step| text_at(&tokens, at + step) == MARK[step]) {
            at = end_of_item(&tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the place after an item: after its `;`, or after the braces that it opens.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Cuts a text into words, `::` and single signs; comments, strings and numbers are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let length = token_length(rest, first);
            if !first.is_whitespace() && !first.is_ascii_digit() {
                found.push(Token { text: rest[..length].to_owned(), line });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

fn token_length(rest: &str, first: char) -> usize {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    if rest.starts_with("::") {
        2
    } else if is_part(first) {
        rest.find(|character| !is_part(character)).unwrap_or(rest.len())
    } else {
        first.len_utf8()
    }
}

/// Returns the length of a comment, string or character that starts here.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    raw_string(rest).or_else(|| quoted(rest)).or_else(|| character(rest))
}

/// `r"…"`, `br#"…"#`, …
fn raw_string(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| opening + at + end.len()))
}

/// `"…"`, `b"…"`.
fn quoted(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("b\"").or_else(|| rest.strip_prefix('"'))?;
    let mut escaped = false;
    let end = body.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |at| rest.len() - body.len() + at + 1))
}

/// `'x'`, `'\n'`; but not the `'a` of a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("b'").or_else(|| rest.strip_prefix('\''))?;
    let opening = rest.len() - body.len();
    if let Some(escape) = body.strip_prefix('\\') {
        // The sign after the backslash may itself be a quote.
        return escape.get(1..)?.find('\'').map(|at| opening + 1 + 1 + at + 1);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..].starts_with('\'').then(|| opening + first.len_utf8() + 1)
}

#[test]
fn paths_are_found_wherever_code_names_them() {
    let named = |text: &str| paths(text).into_iter().map(|named| named.segments.join("::")).collect::<Vec<_>>();
    assert_eq!(named("use crate::base::fs;"), ["crate::base::fs"]);
    assert_eq!(
        named("use crate::{base::{self, fs::Slice as Part}, mirror::*};"),
        ["crate::base::self", "crate::base::fs::Slice", "crate::mirror::*"]
    );
    assert!(
        named("fn f() -> crate::base::Slice<'a> { std::fs::read(b\"crate::x\") }").contains(&"std::fs::read".into())
    );
    assert_eq!(named("// crate::a\n/* crate::b */ \"crate::c\" r#\"crate::d\"# '\"' '\\'' x"), ["x"]);
    assert_eq!(named("#[cfg(test)]\nmod tests { use crate::x; fn f() {} }\nuse y;"), ["y"]);
    assert_eq!(named("#[cfg(test)]\nmod tests;\nuse y;"), ["y"]);
    assert_eq!(paths("\n\nuse a::{\n b,\n};")[0].line, 4);
}
