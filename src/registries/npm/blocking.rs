//! Blocks, shown to everybody and made by admins, as cnpm's registries have them. Source: contract npm §13.1.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::name::PackageName;
use super::replies::unkept;
use super::routes::Block;
use crate::base::http::Reply;
use crate::overlay::blocks::{self, ALL_VERSIONS, NewBlock};
use crate::registries::blocks::names_versions;
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

/// What blocks.
#[derive(Deserialize)]
struct Wish {
    reason: String,
}

impl Npm {
    /// Does what needs no body.
    pub(super) async fn answer_block(&self, visitor: &Visitor, block: &Block) -> Result<Reply, Error> {
        match block {
            Block::Show { name } => self.show_blocks(name).await,
            Block::Remove { name, versions } => self.unblock(visitor, name, all_unless(versions.as_deref())).await,
            Block::Put { .. } => Err(Error::internal("a block without its body")),
        }
    }

    /// Does what a body says.
    pub(super) async fn answer_block_body(
        &self,
        visitor: &Visitor,
        block: &Block,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let Block::Put { name, versions } = block else { return Err(Error::internal("a body that nobody asked for")) };
        self.gate.let_rule(visitor)?;
        let Wish { reason } = read(body)?;
        let versions = all_unless(versions.as_deref());
        if !names_versions(versions) {
            return Err(Error::Unprocessable(format!("{versions:?} names no versions").into()));
        }
        if self.gate.is_kept_from_upstream(name.as_str()).await? {
            let reason = "what is published here is not blocked but unpublished; an operator may, by command";
            return Err(Error::Forbidden(reason.into()));
        }
        let actor = self.gate.actor(visitor);
        let operator = self.gate.user(visitor).map(|user| format!("{}/{}", user.name, user.id));
        let reason = format!("{reason} (operator: {})", operator.unwrap_or_else(|_| actor.via.clone()));
        let new =
            NewBlock { mount: self.gate.mount(), package: name.as_str(), versions, reason: &reason, expires_at: None };
        let made = self.gate.overlay().block(new, &actor).await?;
        let mut body = json!({ "ok": true, "id": made.id.to_string(), "package_id": name.as_str() });
        if versions != ALL_VERSIONS {
            body["version"] = json!(versions);
        }
        Ok(unkept(StatusCode::CREATED, &body))
    }

    async fn unblock(&self, visitor: &Visitor, name: &PackageName, versions: &str) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        let overlay = self.gate.overlay();
        overlay.unblock(self.gate.mount(), name.as_str(), versions, &self.gate.actor(visitor)).await?;
        Ok(unkept(StatusCode::OK, &json!({ "ok": true })))
    }

    async fn show_blocks(&self, name: &PackageName) -> Result<Reply, Error> {
        let blocks = self.gate.overlay().blocks_of(self.gate.mount(), name.as_str()).await?;
        let whole = blocks.iter().find(|block| block.versions == ALL_VERSIONS);
        let data: Vec<Value> = blocks.iter().map(|block| print_block(block)).collect();
        let mut body = json!({ "blocked": whole.is_some(), "data": data });
        if let Some(whole) = whole {
            body["reason"] = json!(whole.reason);
            body["createdAt"] = json!(print_millis(whole.created_at));
        }
        Ok(unkept(StatusCode::OK, &body))
    }
}

fn print_block(block: &blocks::Block) -> Value {
    json!({
        "id": block.id.to_string(),
        "version": block.versions,
        "reason": block.reason,
        "scope": if block.versions == ALL_VERSIONS { "package" } else { "version" },
        "created": print_millis(block.created_at),
        "modified": print_millis(block.modified_at),
    })
}

fn all_unless(versions: Option<&str>) -> &str {
    versions.unwrap_or(ALL_VERSIONS)
}
