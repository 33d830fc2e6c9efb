//! The page of a login by a browser, as HTML without scripts. Pure: some texts in a frame, so printed rather than made by
//! a library for templates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};

use crate::base::digest::Digest;
use crate::base::http::Reply;
use crate::overlay::logins::Login;
use crate::registries::npm::replies::NO_STORE;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:2rem auto;padding:0 1rem}\
label{display:block;margin:.75rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
button{font:inherit;padding:.4rem 1rem}.said{border-left:.25rem solid #c33;padding-left:.75rem}";

/// What the form shows.
pub struct Form<'a> {
    /// Where one logs in: the mount's URL.
    pub place: &'a str,
    pub login: &'a Login,
    pub may_register: bool,
    pub needs_invitation: bool,
    /// What is wrong with what was typed; empty at first.
    pub said: &'a str,
    /// What was typed before.
    pub name: &'a str,
    pub email: &'a str,
}

/// Asks for a name and a password.
pub fn form(status: StatusCode, form: &Form<'_>) -> Reply {
    let Form { place, login, said, name, .. } = form;
    let (place, agent, from) = (escape(place), escape(&login.agent), escape(&login.address));
    let said = if said.is_empty() { String::new() } else { format!("<p class=said role=alert>{}.</p>", escape(said)) };
    let (buttons, more) = if form.may_register { (REGISTER, register(form)) } else { (LOG_IN, String::new()) };
    let name = escape(name);
    print(
        status,
        &format!(
            "<h1>Log in</h1><p>A client wants to act for you at <b>{place}</b>. It calls itself <b>{agent}</b> and \
             comes from <b>{from}</b>. If you have not just started it yourself, close this page.</p>{said}\
             <form method=post><label>User name<input name=name autocomplete=username required maxlength=100 \
             value=\"{name}\"></label><label>Password<input name=password type=password \
             autocomplete=current-password required maxlength=100></label><label>One-time password, if the account has \
             a second factor<input name=code autocomplete=one-time-code maxlength=64></label>{more}{buttons}</form>"
        ),
    )
}

const LOG_IN: &str = "<button name=do value=login>Log in</button>";
const REGISTER: &str = "<button name=do value=login>Log in</button> \
                        <button name=do value=register>Make an account</button>";

/// Asks for what an account needs besides.
fn register(form: &Form<'_>) -> String {
    let invitation = match form.needs_invitation {
        true => "<label>Invitation<input name=invitation autocomplete=off maxlength=64></label>",
        false => "",
    };
    let (open, email) = (if form.login.is_new { " open" } else { "" }, escape(form.email));
    format!(
        "<details{open}><summary>Without an account yet</summary><label>E-mail address<input name=email type=email \
         autocomplete=email maxlength=254 value=\"{email}\"></label>{invitation}</details>"
    )
}

/// Says that the client may go on.
pub fn through(name: &str) -> Reply {
    let name = escape(name);
    print(StatusCode::OK, &format!("<h1>Logged in</h1><p>The client acts for <b>{name}</b> now. Close this page.</p>"))
}

/// Says that there is nothing to be done here.
pub fn over() -> Reply {
    let text = "<h1>Nothing to do here</h1><p>This login is over. Start it again from the client.</p>";
    print(StatusCode::NOT_FOUND, text)
}

fn print(status: StatusCode, body: &str) -> Reply {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Heliostat: log in</title>\
         <meta name=viewport content='width=device-width'><style>{STYLE}</style>{body}</html>"
    );
    let mut reply = Reply::bytes(status, "text/html; charset=utf-8", page);
    reply.set(CACHE_CONTROL, NO_STORE);
    reply.set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply.set(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    reply.headers.extend(policy().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    reply
}

/// Allows the page its own style and its own form, and nothing else; nobody may frame it. Source: CSP level 3.
fn policy() -> Option<HeaderValue> {
    let style = STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes());
    let rest = "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    HeaderValue::try_from(format!("default-src 'none'; style-src 'sha256-{style}'; {rest}")).ok()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    const MARKUP: &str = "\"><script>alert('&')</script>";

    fn text(login: &Login, (may_register, needs_invitation): (bool, bool), said: &str) -> String {
        let place = "http://host/npm";
        let (name, email) = (MARKUP, MARKUP);
        form(StatusCode::OK, &Form { place, login, may_register, needs_invitation, said, name, email }).text()
    }

    fn login(is_new: bool) -> Login {
        Login { agent: MARKUP.to_owned(), address: "192.0.2.1".to_owned(), is_new, begun_at: from_millis(0) }
    }

    #[test]
    fn markup_in_what_was_sent_is_shown_and_not_obeyed() {
        let text = text(&login(true), (true, true), MARKUP);
        assert!(!text.contains("<script") && !text.contains("alert('"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;").count(), 4, "agent, what is said, name and address: {text}");
    }

    #[test]
    fn who_may_have_an_account_is_asked_for_what_it_needs() {
        let closed = text(&login(true), (false, false), "");
        assert!(
            !closed.contains("email") && !closed.contains("register") && !closed.contains("class=said"),
            "{closed}"
        );
        let open = text(&login(false), (true, false), "");
        assert!(
            open.contains("<details>") && open.contains("name=email") && !open.contains("name=invitation"),
            "{open}"
        );
        let invited = text(&login(true), (true, true), "");
        assert!(invited.contains("<details open>") && invited.contains("name=invitation"), "{invited}");
    }

    #[test]
    fn a_page_loads_nothing_and_is_kept_nowhere() {
        for reply in [over(), through("joe")] {
            let policy = reply.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'sha256-")
                    && policy.contains("frame-ancestors 'none'")
            );
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        }
        assert_eq!(over().status, StatusCode::NOT_FOUND);
    }
}
