//! `heliostat token`: makes tokens, lists and revokes them.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Place, print_time, with_overlay};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::overlay::Overlay;
use crate::overlay::audit::Actor;
use crate::overlay::networks::Networks;
use crate::overlay::rights::Rights;
use crate::overlay::tokens::{Form, NewToken, Token};
use crate::overlay::users::{User, UserName};

/// How many tokens are asked for at once.
const PAGE: u64 = 1000;

/// Make tokens, list and revoke them
///
/// May be used while the server runs, which knows of it within a second.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Create(Wish),
    /// List tokens that were not revoked, latest first
    List {
        /// Those of this user only
        #[arg(long)]
        user: Option<String>,
    },
    /// Revoke a token, by its number or its text
    Revoke {
        token: String,
    },
}

/// Make a token; its text is printed this once
///
/// A right is action:mount/pattern, the action one of pull, push, delete and admin, which is all of
/// them: push:npm/@acme/*,pull:*
#[derive(Args)]
#[command(verbatim_doc_comment)]
struct Wish {
    /// Whose it is, and no more than this user may it do; without one it is nobody's
    #[arg(long)]
    user: Option<String>,
    /// What it is called
    #[arg(long, default_value = "")]
    name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// What it may do, separated by commas; without it, whatever its user may
    #[arg(long, required_unless_present = "user")]
    rights: Option<String>,
    /// Networks it may be used from, such as 192.0.2.0/24; without any, from everywhere
    #[arg(long, value_delimiter = ',')]
    cidr: Vec<String>,
    /// It writes nothing
    #[arg(long)]
    read_only: bool,
    /// It needs no second factor, and administers nothing
    #[arg(long)]
    automation: bool,
    /// Days until it ends
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
    expires: Option<u64>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, what } = arguments;
    let (config, actor) = (place.load()?, Actor::operator(None));
    with_overlay(&config, async |overlay| match what {
        What::Create(wish) => create(overlay, wish, &actor).await,
        What::List { user } => list(overlay, user.as_deref()).await,
        What::Revoke { token } => revoke(overlay, token, &actor).await,
    })
}

async fn create(overlay: &Overlay, wish: &Wish, actor: &Actor) -> anyhow::Result<()> {
    let user = match &wish.user {
        Some(name) => Some(find(overlay, name).await?),
        None => None,
    };
    let rights = wish.rights.as_deref().map_or_else(|| Ok(Rights::all()), Rights::parse)?;
    let networks = Networks::parse(&wish.cidr.join(","))?;
    let end = |days| Clock::default().now() + Duration::from_secs(days * 86_400);
    let new = NewToken {
        user: user.as_ref().map(|user| user.id),
        kind: "operator",
        name: &wish.name,
        description: &wish.description,
        rights: &rights,
        networks: &networks,
        is_read_only: wish.read_only,
        is_automation: wish.automation,
        expires_at: wish.expires.map(end),
        form: Form::OURS,
    };
    let (token, text) = overlay.issue_token(new, actor).await?;
    let whose = user.map_or_else(|| "nobody".to_owned(), |user| user.name.to_string());
    // Apart from the text, so that a script can keep that.
    eprintln!("token {} of {whose}: {}", token.id, token.rights);
    println!("{}", text.reveal());
    Ok(())
}

async fn list(overlay: &Overlay, user: Option<&str>) -> anyhow::Result<()> {
    let user = match user {
        Some(name) => Some(find(overlay, name).await?.id),
        None => None,
    };
    let mut before = None;
    loop {
        let tokens = match user {
            Some(user) => overlay.tokens(user, before, PAGE).await?,
            None => overlay.all_tokens(before, PAGE).await?,
        };
        let Some(last) = tokens.last() else { return Ok(()) };
        before = Some(last.id);
        for token in &tokens {
            let user = match token.user {
                Some(id) => overlay.user_by_id(id).await?,
                None => None,
            };
            println!("{}", print(token, user.as_ref()));
        }
    }
}

async fn revoke(overlay: &Overlay, token: &str, actor: &Actor) -> anyhow::Result<()> {
    let id = match token.parse() {
        Ok(id) => id,
        Err(_) => match overlay.token(Digest::of(token.as_bytes())).await? {
            Some(token) => token.id,
            // It may be a secret: it is not said again.
            None => bail!("there is no such token"),
        },
    };
    overlay.revoke_token(id, None, actor).await?;
    println!("token {id} is revoked");
    Ok(())
}

pub(super) async fn find(overlay: &Overlay, name: &str) -> anyhow::Result<User> {
    let Some(user) = overlay.user(&UserName::parse(name)?).await? else { bail!("there is no user {name}") };
    Ok(user)
}

/// Prints a token on one line: number, whose, hint, name, rights, then what holds it back.
fn print(token: &Token, user: Option<&User>) -> String {
    let mut line = format!("{}\t{}\t{}", token.id, user.map_or("nobody", |user| user.name.as_str()), token.hint);
    line.push_str(&format!("\t{}\t{}\tcreated {}", token.name, token.rights, print_time(token.created_at)));
    let networks = token.networks.to_string();
    let bounds = [
        token.is_read_only.then(|| "read-only".to_owned()),
        token.is_automation.then(|| "automation".to_owned()),
        (!networks.is_empty()).then(|| format!("from {networks}")),
        token.expires_at.map(|at| format!("until {}", print_time(at))),
        token.last_used_at.map(|at| format!("used {}", print_time(at))),
    ];
    line.extend(bounds.into_iter().flatten().map(|bound| format!("\t{bound}")));
    line
}
