//! Logins by a browser: what a client begins, what its user goes through with on a page, and what the client waits for.
//! Source: contract npm §8.4.
//!
//! The page belongs to the mount, like the paths it is at: who may have an account is asked of the mount's gate, and the
//! part that shows what the server says of itself may not know a registry. No cookie is set and none is read: what is done
//! here is done by a name and a password that are typed each time, so a form of another site's has nothing to abuse.

use bytes::Bytes;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::address;
use super::login::Newcomer;
use super::page::{self, Form};
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::config::Registration;
use crate::overlay::logins::{Login, Progress};
use crate::overlay::users::{User, UserName};
use crate::registries::failure::Fault;
use crate::registries::npm::Npm;
use crate::registries::npm::error::Error;
use crate::registries::npm::replies::unkept;
use crate::registries::npm::routes::Web;

/// Seconds after which a client asks again.
const SOON: u64 = 1;

/// What a client begins a login with.
#[derive(Default, Deserialize)]
struct Begin {
    /// `npm adduser` says so.
    #[serde(default)]
    create: bool,
}

/// What was typed into the page.
struct Typed {
    name: String,
    password: Secret,
    code: Option<Secret>,
    email: String,
    invitation: Option<Secret>,
    is_new: bool,
}

impl Npm {
    /// Answers what needs no body.
    pub(super) async fn answer_web(&self, request: &Request<'_>, web: &Web) -> Result<Reply, Error> {
        match web {
            Web::Page { id } => Ok(match self.gate.overlay().login(id).await? {
                Some(login) => page::form(StatusCode::OK, &self.form(request, &login)),
                None => page::over(),
            }),
            // A HEAD takes nothing away.
            Web::Done { id } if request.method == Method::GET => self.web_login_done(request, id).await,
            Web::Done { .. } => Ok(unkept(StatusCode::ACCEPTED, &json!({}))),
            Web::Begin | Web::End { .. } => Err(Error::internal("a login without its body")),
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_web_body(&self, request: &Request<'_>, web: &Web, body: &Bytes) -> Result<Reply, Error> {
        match web {
            Web::Begin => self.begin_web_login(request, body).await,
            Web::End { id } => self.end_web_login(request, id, body).await,
            Web::Page { .. } | Web::Done { .. } => Err(Error::internal("a body that nobody asked for")),
        }
    }

    /// `POST /-/v1/login`. Yarn sends `null`, and others nothing.
    async fn begin_web_login(&self, request: &Request<'_>, body: &Bytes) -> Result<Reply, Error> {
        let begin: Option<Begin> = if body.is_empty() { None } else { super::read(body)? };
        let agent = request.header("user-agent").unwrap_or("an unnamed client");
        let is_new = begin.unwrap_or_default().create;
        let begun = self.gate.overlay().begin_login(agent, address(request), is_new).await?;
        let link = |what: &str, id: &Secret| format!("{}/-/v1/login/{what}/session/{}", request.base, id.reveal());
        let links = json!({ "loginUrl": link("request", &begun.page), "doneUrl": link("done", &begun.done) });
        Ok(unkept(StatusCode::OK, &links))
    }

    /// `GET /-/v1/login/done/session/{id}`: 202 until its user is through, then a token, once.
    async fn web_login_done(&self, request: &Request<'_>, id: &Secret) -> Result<Reply, Error> {
        let over = || Error::not_found("this login");
        let overlay = self.gate.overlay();
        let user = match overlay.take_login(id).await?.ok_or_else(over)? {
            Progress::Waiting => {
                let mut reply = unkept(StatusCode::ACCEPTED, &json!({}));
                reply.set(RETRY_AFTER, HeaderValue::from(SOON));
                return Ok(reply);
            }
            Progress::Done(user) => overlay.user_by_id(user).await?,
        };
        let user = user.filter(|user| user.locked_at.is_none()).ok_or_else(over)?;
        let token = self.issue_session(&user, request).await?;
        Ok(unkept(StatusCode::OK, &json!({ "token": token.reveal() })))
    }

    /// `POST /-/v1/login/request/session/{id}`: what is wrong is told on the page, to be typed again.
    async fn end_web_login(&self, request: &Request<'_>, id: &Secret, body: &Bytes) -> Result<Reply, Error> {
        let Some(login) = self.gate.overlay().login(id).await? else { return Ok(page::over()) };
        let typed = Typed::read(body);
        let user = match self.enter(request, &typed).await {
            Ok(user) => user,
            Err(error) if error.fault() == Fault::Client => {
                let said = error.to_string();
                let form = Form { said: &said, name: &typed.name, email: &typed.email, ..self.form(request, &login) };
                return Ok(page::form(error.status(), &form));
            }
            Err(error) => return Err(error),
        };
        let is_first = self.gate.overlay().end_login(id, user.id).await?;
        Ok(if is_first { page::through(user.name.as_str()) } else { page::over() })
    }

    async fn enter(&self, request: &Request<'_>, typed: &Typed) -> Result<User, Error> {
        let name = UserName::parse(&typed.name)?;
        if !typed.is_new {
            return self.log_in_fully(request, &name, &typed.password, typed.code.clone()).await;
        }
        if typed.email.is_empty() {
            return Err(Error::Unprocessable("an account needs an e-mail address".into()));
        }
        let invitation = typed.invitation.as_ref();
        self.register(Newcomer { name: &name, email: &typed.email, password: &typed.password, invitation }, request)
            .await
    }

    fn form<'a>(&self, request: &Request<'a>, login: &'a Login) -> Form<'a> {
        let registration = self.gate.registration();
        Form {
            place: request.base,
            login,
            may_register: registration != Registration::Closed,
            needs_invitation: registration == Registration::Invitation,
            said: "",
            name: "",
            email: "",
        }
    }
}

// === impl Typed ===

impl Typed {
    fn read(body: &[u8]) -> Self {
        let find = |wanted: &str| {
            let mut fields = form_urlencoded::parse(body);
            fields.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let secret = |wanted: &str| Some(find(wanted)).filter(|value| !value.trim().is_empty()).map(Secret::new);
        Self {
            name: find("name").trim().to_owned(),
            password: Secret::new(find("password")),
            code: secret("code"),
            email: find("email").trim().to_owned(),
            invitation: secret("invitation"),
            is_new: find("do") == "register",
        }
    }
}
