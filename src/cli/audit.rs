//! `heliostat audit`: who has written what, from where and why.

use clap::Args;

use super::{Place, print_time, with_overlay};
use crate::overlay::audit::{Actor, Line};

/// Show who has written what: publishes, edits, accounts, tokens, blocks
///
/// One line for each write, the latest last: its number, when, by whom and from where, what, and why
/// where that was said. May be used while the server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Of one thing only, as the lines name it: "npm/@acme/tool", "user joe"
    subject: Option<String>,
    /// How many of the last lines
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// Only lines before this number, for those that went before
    #[arg(long)]
    before: Option<u64>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, subject, limit, before } = arguments;
    let config = place.load()?;
    let lines = with_overlay(&config, async |overlay| Ok(overlay.audit(subject.as_deref(), *before, *limit).await?))?;
    for line in lines.iter().rev() {
        println!("{}", print(line));
    }
    Ok(())
}

fn print(line: &Line) -> String {
    let Line { number, at, actor, verb, subject, detail } = line;
    let Actor { name, via, address, reason } = actor;
    let from = address.map(|address| format!(" from {address}")).unwrap_or_default();
    let mut said = format!("{number}\t{}\t{name} ({via}){from}\t{verb} {subject}", print_time(*at));
    for more in [Some(detail), reason.as_ref()].into_iter().flatten().filter(|more| !more.is_empty()) {
        said.push('\t');
        said.push_str(more);
    }
    said.chars().map(|one| if one.is_control() && one != '\t' { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    #[test]
    fn a_line_says_who_did_what_and_rings_no_bell() {
        let address = Some("192.0.2.1".parse().unwrap());
        let mut actor = Actor { name: "joe".to_owned(), via: "token 7".to_owned(), address, reason: None };
        let text = |text: &str| text.to_owned();
        let mut line = Line {
            number: 12,
            at: from_millis(1_700_000_000_000),
            actor: actor.clone(),
            verb: text("publish"),
            subject: text("npm/@acme/tool"),
            detail: text("1.0.0\u{7}\u{1b}[2J"),
        };
        let start = "12\t2023-11-14T22:13:20Z\tjoe (token 7) from 192.0.2.1\tpublish npm/@acme/tool";
        assert_eq!(print(&line), format!("{start}\t1.0.0\u{fffd}\u{fffd}[2J"));
        (actor.address, actor.reason) = (None, Some(text("why not")));
        line = Line { actor, detail: String::new(), ..line };
        let start = "12\t2023-11-14T22:13:20Z\tjoe (token 7)\tpublish npm/@acme/tool";
        assert_eq!(print(&line), format!("{start}\twhy not"));
    }
}
