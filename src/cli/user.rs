//! `heliostat user`: makes accounts, sets passwords, names admins, locks accounts out.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::token::find;
use super::{Place, print_time, with_overlay};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::overlay::audit::Actor;
use crate::overlay::users::{NewUser, User, UserEdit, UserName};
use crate::overlay::{Error, Overlay};

/// How many accounts are asked for at once.
const PAGE: u64 = 1000;

/// Make accounts, set passwords, name admins, lock accounts out
///
/// A password is read as one line from standard input. May be used while the server runs.
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
    /// Make an account
    Add {
        name: String,
        #[arg(long)]
        email: Option<String>,
        /// May do everything
        #[arg(long)]
        admin: bool,
    },
    /// Set an account's password
    Passwd { name: String },
    /// Let an account do everything
    Admin {
        name: String,
        /// Let it do so no longer
        #[arg(long)]
        revoke: bool,
    },
    /// Make an invitation, by whose code somebody may make an account
    Invite {
        /// The only address it is for
        #[arg(long)]
        email: Option<String>,
        /// Days until it is over
        #[arg(long, value_name = "DAYS", default_value = "7", value_parser = clap::value_parser!(u64).range(1..=365))]
        expires: u64,
    },
    /// List all accounts, by name
    List,
    /// Let nobody log in to an account, nor use its tokens
    Lock { name: String },
    /// Let an account be used again
    Unlock { name: String },
    /// Revoke all tokens of an account
    RemoveTokens { name: String },
    /// Take an account's second factor away, for who has lost it
    RemoveFactor { name: String },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, what } = arguments;
    let (config, actor) = (place.load()?, Actor::operator(None));
    let edit = |name: &str, edit: UserEdit<'_>| {
        with_overlay(&config, async |overlay| change(overlay, name, edit, &actor).await)
    };
    match what {
        What::Add { name, email, admin } => {
            let (name, password) = (UserName::parse(name)?, read_password()?);
            let new = new_user(&name, email.as_deref(), &password, *admin);
            with_overlay(&config, async |overlay| Ok(overlay.register(new, &actor).await?))?;
            println!("{name} has an account");
        }
        What::Passwd { name } => {
            edit(name, UserEdit { password: Some(&read_password()?), ..UserEdit::default() })?;
            println!("{name} has a new password");
        }
        What::Admin { name, revoke } => {
            edit(name, UserEdit { is_admin: Some(!revoke), ..UserEdit::default() })?;
            println!("{name} is {} admin", if *revoke { "no" } else { "an" });
        }
        What::Lock { name } | What::Unlock { name } => {
            let is_locked = matches!(what, What::Lock { .. });
            edit(name, UserEdit { is_locked: Some(is_locked), ..UserEdit::default() })?;
            println!("{name} is {}locked", if is_locked { "" } else { "not " });
        }
        What::Invite { email, expires } => {
            let code = with_overlay(&config, async |overlay| invite(overlay, email.as_deref(), *expires).await)?;
            println!("{}", code.reveal());
        }
        What::List => with_overlay(&config, list)?,
        What::RemoveTokens { name } => {
            let count = with_overlay(&config, async |overlay| remove_tokens(overlay, name, &actor).await)?;
            println!("{count} tokens of {name} are revoked");
        }
        What::RemoveFactor { name } => {
            with_overlay(&config, async |overlay| remove_factor(overlay, name, &actor).await)?;
            println!("{name} has no second factor");
        }
    }
    Ok(())
}

async fn invite(overlay: &Overlay, email: Option<&str>, days: u64) -> anyhow::Result<Secret> {
    let end = Clock::default().now() + Duration::from_secs(days * 86_400);
    Ok(overlay.invite(email, end, &Actor::operator(None)).await?.1)
}

async fn remove_tokens(overlay: &Overlay, name: &str, actor: &Actor) -> anyhow::Result<u64> {
    Ok(overlay.revoke_tokens_of(find(overlay, name).await?.id, actor).await?)
}

async fn remove_factor(overlay: &Overlay, name: &str, actor: &Actor) -> anyhow::Result<()> {
    Ok(overlay.end_factor(&find(overlay, name).await?, actor).await?)
}

fn new_user<'a>(name: &'a UserName, email: Option<&'a str>, password: &'a Secret, is_admin: bool) -> NewUser<'a> {
    NewUser { name, email, password, invitation: None, is_admin, is_email_unique: false, with_namespace: false }
}

async fn list(overlay: &Overlay) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let users = overlay.users(after.as_ref(), PAGE).await?;
        let Some(last) = users.last() else { return Ok(()) };
        after = Some(last.name.clone());
        users.iter().for_each(|user| println!("{}", print(user)));
    }
}

/// Prints an account on one line.
fn print(user: &User) -> String {
    let created = print_time(user.created_at);
    let marks = [user.is_admin.then_some("\tadmin"), user.locked_at.map(|_| "\tlocked")];
    let marks: String = marks.into_iter().flatten().collect();
    format!("{}\t{}\tcreated {created}{marks}", user.name, user.email.as_deref().unwrap_or("-"))
}

async fn change(overlay: &Overlay, name: &str, edit: UserEdit<'_>, actor: &Actor) -> anyhow::Result<()> {
    let user = find(overlay, name).await?;
    overlay.edit_user(user.id, edit, actor).await.map(drop).map_err(Error::into)
}

fn read_password() -> anyhow::Result<Secret> {
    if io::stdin().is_terminal() {
        // It is seen while it is typed: whoever minds pipes it in.
        print!("Password: ");
        io::stdout().flush()?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if !(8..=100).contains(&password.chars().count()) {
        bail!("a password has 8 to 100 characters");
    }
    Ok(Secret::new(password))
}
