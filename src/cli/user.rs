//! `heliostat user`: makes accounts, sets passwords, names admins.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Place, with_overlay};
use crate::base::secret::Secret;
use crate::overlay::audit::Actor;
use crate::overlay::users::{NewUser, UserEdit, UserName};
use crate::overlay::{Error, Overlay};

/// Make accounts, set passwords, name admins
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
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, what } = arguments;
    let (config, actor) = (place.load()?, Actor::operator(None));
    match what {
        What::Add { name, email, admin } => {
            let (name, password) = (UserName::parse(name)?, read_password()?);
            let new = NewUser {
                name: &name,
                email: email.as_deref(),
                password: &password,
                is_admin: *admin,
                is_email_unique: false,
                with_namespace: false,
            };
            with_overlay(&config, async |overlay| Ok(overlay.register(new, &actor).await?))?;
            println!("{name} has an account");
        }
        What::Passwd { name } => {
            let password = read_password()?;
            let edit = UserEdit { password: Some(&password), ..UserEdit::default() };
            with_overlay(&config, async |overlay| change(overlay, name, edit, &actor).await)?;
            println!("{name} has a new password");
        }
        What::Admin { name, revoke } => {
            let edit = UserEdit { is_admin: Some(!revoke), ..UserEdit::default() };
            with_overlay(&config, async |overlay| change(overlay, name, edit, &actor).await)?;
            println!("{name} is {} admin", if *revoke { "no" } else { "an" });
        }
    }
    Ok(())
}

async fn change(overlay: &Overlay, name: &str, edit: UserEdit<'_>, actor: &Actor) -> anyhow::Result<()> {
    let name = UserName::parse(name)?;
    let Some(user) = overlay.user(&name).await? else { bail!("there is no user {name}") };
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
