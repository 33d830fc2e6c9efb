//! Organisations and teams, and what they let their members do. Source: contract npm §9.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT};
use super::assert_refused;
use crate::support::http::Answer;

impl Acme {
    /// Makes the organisation, with joe as its owner, and others by their roles.
    async fn found(users: &[(&str, &str)]) -> Self {
        let mut names = vec!["joe", "bob"];
        names.extend(users.iter().map(|(name, _)| *name));
        let acme = Self::start(&names).await;
        assert_eq!(acme.set(ROOT, "joe", Some("owner")).await.status, 200);
        for (name, role) in users {
            let set = acme.set("joe", name, Some(role)).await;
            assert_eq!(set.status, 200, "{}", set.summary());
        }
        acme
    }

    async fn set(&self, who: &str, user: &str, role: Option<&str>) -> Answer {
        let body = role.map_or(json!({ "user": user }), |role| json!({ "user": user, "role": role }));
        self.send(who, "PUT", "/-/org/acme/user", body).await
    }

    async fn status(&self, who: &str, method: &str, path: &str, body: Value) -> u16 {
        self.send(who, method, path, body).await.status
    }

    async fn grant(&self, permissions: &str) -> u16 {
        let body = json!({ "package": "@acme/tool", "permissions": permissions });
        self.status("joe", "PUT", "/-/team/acme/core/package", body).await
    }
}

#[tokio::test]
async fn a_member_is_given_another_role_as_cnpmcore_does() {
    let acme = Acme::found(&[("ann", "admin"), ("jim", "developer")]).await;
    let change = async |who: &str, user: &str, role: Value| {
        acme.send(who, "PATCH", &format!("/-/org/acme/member/{user}"), json!({ "role": role })).await
    };
    for (who, user, role, status) in [
        (NOBODY, "jim", json!("admin"), 401),
        ("bob", "jim", json!("admin"), 403),
        ("ann", "jim", json!("owner"), 403),
        ("ann", "jim", json!("king"), 422),
        ("ann", "jim", Value::Null, 422),
        ("ann", "bob", json!("member"), 404),
        ("joe", "joe", json!("member"), 403),
    ] {
        assert_refused(&change(who, user, role).await, status);
    }
    let changed = change("ann", "jim", json!("admin")).await;
    assert_eq!((changed.status, changed.json()), (200, json!({ "ok": true })));
    assert_eq!(change("joe", "ann", json!("member")).await.status, 200);
    let members = json!({ "ann": "developer", "jim": "admin", "joe": "owner" });
    assert_eq!(acme.get("joe", "/-/org/acme/member").await.json(), members);
}

#[tokio::test]
async fn an_admin_makes_an_organisation_and_its_owners_fill_it() {
    let acme = Acme::start(&["joe", "ann", "jim", "bob"]).await;
    assert_refused(&acme.set("joe", "joe", Some("owner")).await, 403);
    assert_refused(&acme.set(ROOT, "joe", Some("developer")).await, 404);
    assert_refused(&acme.set(ROOT, "nobody", Some("owner")).await, 404);
    assert_refused(&acme.get("joe", "/-/org/acme/user").await, 404);
    let made = acme.set(ROOT, "joe", Some("owner")).await;
    let expected = json!({ "org": { "name": "acme", "size": 1 }, "user": "joe", "role": "owner" });
    assert_eq!((made.status, made.json()), (200, expected));
    assert_eq!(acme.set("joe", "ann", Some("admin")).await.json()["org"]["size"], 2);
    assert_eq!(acme.set("ann", "jim", None).await.json()["role"], "developer");
    assert_refused(&acme.set("ann", "jim", Some("king")).await, 422);
    for (who, user, role) in [("ann", "jim", "owner"), ("ann", "joe", "developer"), ("jim", "bob", "developer")] {
        assert_refused(&acme.set(who, user, Some(role)).await, 403);
    }
    let members = json!({ "ann": "admin", "jim": "developer", "joe": "owner" });
    for path in ["/-/org/acme/user", "/-/org/acme/member", "/-/org/@acme/user"] {
        assert_eq!(acme.get("bob", path).await.json(), members, "{path}");
    }
    assert_refused(&acme.get(NOBODY, "/-/org/acme/user").await, 401);
    let shown = acme.get("bob", "/-/org/acme").await.json();
    assert_eq!((&shown["name"], &shown["size"]), (&json!("acme"), &json!(3)));
    let leave = async |who, user| acme.send(who, "DELETE", "/-/org/acme/user", json!({ "user": user })).await;
    assert_refused(&leave("jim", "ann").await, 403);
    assert_refused(&leave("ann", "joe").await, 403);
    assert_refused(&leave("joe", "joe").await, 403);
    assert_refused(&leave("joe", "bob").await, 404);
    assert_eq!(leave("ann", "jim").await.status, 200);
    assert_eq!(acme.status("joe", "DELETE", "/-/org/acme/member/ann", Value::Null).await, 200);
    assert_eq!(acme.get("joe", "/-/org/acme/user").await.json(), json!({ "joe": "owner" }));

    let make = async |who, name| acme.send(who, "PUT", "/-/org", json!({ "name": name })).await;
    assert_refused(&make("joe", "other").await, 403);
    assert_eq!(make(ROOT, "other").await.status, 201);
    assert_refused(&make(ROOT, "acme").await, 409);
    assert_refused(&make(ROOT, "No Name").await, 422);
    assert_eq!(acme.get("joe", "/-/org/other/user").await.json(), json!({ "root": "owner" }));
}

#[tokio::test]
async fn a_namespace_guards_the_making_of_names_in_its_scope() {
    let acme = Acme::start(&["joe", "ann", "bob"]).await;
    assert_eq!(acme.publish("bob", "@acme/early", "1.0.0", None).await.status, 201, "nobody guards it yet");
    assert_eq!(acme.set(ROOT, "joe", Some("owner")).await.status, 200);
    let refused = acme.publish("bob", "@acme/new", "1.0.0", None).await;
    assert_refused(&refused, 403);
    assert_eq!(refused.json()["reason"], "bob may not publish in @acme");
    acme.set("joe", "ann", Some("reader")).await;
    assert_refused(&acme.publish("ann", "@acme/new", "1.0.0", None).await, 403);
    acme.set("joe", "ann", Some("developer")).await;
    assert_eq!(acme.publish("ann", "@acme/new", "1.0.0", Some("restricted")).await.status, 201);
    assert_eq!(acme.publish("ann", "@acme/early", "1.1.0", None).await.status, 201, "as an owner may");
    assert_refused(&acme.publish("ann", "@acme/early", "1.2.0", Some("restricted")).await, 403);
    assert_eq!(acme.publish("bob", "@acme/early", "1.2.0", None).await.status, 201, "an owner stays one");
    assert_eq!(acme.publish("joe", "@acme/new", "1.1.0", None).await.status, 201);
    let hidden = acme.publish("bob", "@acme/new", "1.2.0", None).await;
    assert_eq!(hidden.text(), refused.text(), "a name that is taken unseen is as good as a free one");
    acme.set("joe", "ann", Some("reader")).await;
    acme.set("joe", "bob", Some("reader")).await;
    assert_eq!(acme.get("bob", "/@acme/new").await.status, 200, "members see what is restricted");
    assert_refused(&acme.publish("bob", "@acme/new", "1.2.0", None).await, 403);
}

#[tokio::test]
async fn teams_are_made_filled_and_removed() {
    let acme = Acme::found(&[("ann", "admin"), ("jim", "developer")]).await;
    let make = async |who, body| acme.send(who, "PUT", "/-/org/acme/team", body).await;
    assert_refused(&make("jim", json!({ "name": "core" })).await, 403);
    assert_refused(&make("ann", json!({ "name": "No Name" })).await, 422);
    assert_refused(&make("ann", json!({})).await, 422);
    assert_eq!(make("ann", json!({ "name": "core", "description": "the core" })).await.status, 201);
    assert_refused(&make("ann", json!({ "name": "core" })).await, 409);
    for path in ["/-/org/acme/team?format=cli", "/org/acme/team?format=cli"] {
        assert_eq!(acme.get("bob", path).await.json(), json!(["acme:core", "acme:developers"]), "{path}");
    }
    let shown = acme.get("bob", "/-/team/acme/core").await.json();
    assert_eq!((&shown["name"], &shown["description"]), (&json!("core"), &json!("the core")));
    let join = async |who, team, user| {
        acme.send(who, "PUT", &format!("/-/team/acme/{team}/user"), json!({ "user": user })).await
    };
    assert_refused(&join("jim", "core", "jim").await, 403);
    assert_refused(&join("ann", "none", "jim").await, 404);
    let stranger = join("ann", "core", "bob").await;
    assert_refused(&stranger, 404);
    assert_eq!(stranger.json()["reason"], "bob among the members of @acme not found");
    assert_eq!(join("ann", "core", "jim").await.status, 201);
    for path in ["/-/team/acme/core/user?format=cli", "/-/team/acme/core/member", "/team/acme/core/user"] {
        assert_eq!(acme.get("bob", path).await.json(), json!(["jim"]), "{path}");
    }
    let all = acme.get("bob", "/-/team/acme/developers/user").await.json();
    assert_eq!(all, json!(["ann", "jim", "joe"]));
    let teams = acme.get("bob", "/-/org/acme/member/jim/team").await.json();
    assert_eq!(teams, json!([{ "name": "core" }, { "name": "developers" }]));
    assert_eq!(acme.status("ann", "DELETE", "/-/team/acme/core/member/jim", Value::Null).await, 200);
    assert_eq!(acme.status("ann", "DELETE", "/-/team/acme/core/user", json!({ "user": "jim" })).await, 404);
    assert_eq!(acme.status("ann", "DELETE", "/-/team/acme/developers/user", json!({ "user": "jim" })).await, 409);
    assert_eq!(acme.status("ann", "DELETE", "/-/team/acme/developers", Value::Null).await, 409);
    assert_eq!(acme.status("jim", "DELETE", "/-/team/acme/core", Value::Null).await, 403);
    assert_eq!(acme.status("ann", "DELETE", "/-/team/acme/core", Value::Null).await, 200);
    assert_refused(&acme.get("ann", "/-/team/acme/core").await, 404);
    assert_refused(&acme.get(NOBODY, "/-/team/acme/core").await, 401);
}

#[tokio::test]
async fn what_is_bound_to_a_team_is_for_its_members() {
    let acme = Acme::found(&[("ann", "developer"), ("jim", "developer"), ("amy", "admin")]).await;
    assert_eq!(acme.publish("joe", "@acme/tool", "1.0.0", None).await.status, 201);
    assert_eq!(acme.status("joe", "PUT", "/-/org/acme/team", json!({ "name": "core" })).await, 201);
    assert_eq!(acme.status("joe", "PUT", "/-/team/acme/core/user", json!({ "user": "ann" })).await, 201);
    let wish = json!({ "package": "@acme/tool", "permissions": "read-only" });
    assert_eq!(acme.status("jim", "PUT", "/-/team/acme/core/package", wish.clone()).await, 403);
    assert_eq!(acme.status("joe", "PUT", "/-/team/acme/none/package", wish).await, 404);
    assert_eq!(acme.grant("write").await, 422);
    assert_eq!(acme.grant("read-only").await, 201);
    for (who, status) in [(NOBODY, 401), ("bob", 404), ("jim", 404), ("ann", 200), ("amy", 200), ("joe", 200)] {
        for path in ["/@acme/tool", "/@acme/tool/-/tool-1.0.0.tgz", "/-/package/@acme/tool/collaborators"] {
            let answer = acme.get(who, path).await;
            assert_eq!(answer.status, status, "{who:?} {path}: {}", answer.summary());
            assert!(status != 200 || answer.header("cache-control") == Some("private, no-store"), "{who} {path}");
        }
    }
    assert_refused(&acme.publish("ann", "@acme/tool", "1.1.0", None).await, 403);
    let list = acme.get("ann", "/-/package/@acme/tool/collaborators").await.json();
    assert_eq!(list, json!({ "amy": "read-write", "ann": "read-only", "joe": "read-write" }));
    assert_eq!(acme.grant("read-write").await, 201);
    assert_eq!(acme.publish("ann", "@acme/tool", "1.1.0", None).await.status, 201);
    assert_eq!(acme.status("ann", "PUT", "/-/package/@acme%2ftool/owners", json!({ "user": "ann" })).await, 403);
    assert_refused(&acme.publish("jim", "@acme/tool", "1.2.0", None).await, 403);
    assert_eq!(acme.status("joe", "DELETE", "/-/team/acme/core", Value::Null).await, 409, "it would be seen by all");
    let revoke =
        async || acme.send("joe", "DELETE", "/-/team/acme/core/package", json!({ "package": "@acme/tool" })).await;
    assert_eq!(revoke().await.status, 200);
    assert_refused(&revoke().await, 404);
    assert_eq!(acme.get(NOBODY, "/@acme/tool").await.status, 200);
    assert_eq!(acme.status("joe", "DELETE", "/-/team/acme/core", Value::Null).await, 200);

    assert_eq!(acme.status(ROOT, "PUT", "/-/org", json!({ "name": "other" })).await, 201);
    let elsewhere = json!({ "package": "@acme/tool", "permissions": "read-only" });
    assert_eq!(acme.status("joe", "PUT", "/-/team/other/developers/package", elsewhere).await, 403);
}

#[tokio::test]
async fn lists_of_packages_have_what_who_asks_may_see() {
    let acme = Acme::found(&[("ann", "developer")]).await;
    for (who, name, access) in [
        ("joe", "@acme/bound", None),
        ("ann", "@acme/own", None),
        ("joe", "@acme/secret", Some("restricted")),
        ("joe", "@acme/tool", None),
    ] {
        assert_eq!(acme.publish(who, name, "1.0.0", access).await.status, 201);
    }
    let bound = json!({ "package": "@acme/bound", "permissions": "read-only" });
    assert_eq!(acme.status("joe", "PUT", "/-/team/acme/developers/package", bound).await, 201);
    let write =
        |names: &[&str]| -> Value { names.iter().map(|name| ((*name).to_owned(), json!("read-write"))).collect() };
    for (who, path, expected) in [
        ("joe", "/-/org/acme/package", write(&["@acme/bound", "@acme/own", "@acme/secret", "@acme/tool"])),
        ("bob", "/-/org/acme/package", write(&["@acme/own", "@acme/tool"])),
        ("joe", "/-/user/joe/package", write(&["@acme/bound", "@acme/secret", "@acme/tool"])),
        ("bob", "/-/user/joe/package?format=cli", write(&["@acme/tool"])),
        ("ann", "/-/-/package?format=cli", json!({ "@acme/bound": "read-only", "@acme/own": "read-write" })),
        ("ann", "/-/team/acme/developers/package", json!({ "@acme/bound": "read-only" })),
        ("bob", "/-/team/acme/developers/package", json!({})),
        ("bob", "/-/-/package", json!({})),
    ] {
        assert_eq!(acme.get(who, path).await.json(), expected, "{who} {path}");
    }
    for path in ["/-/org/joe/package", "/-/user/nobody/package", "/-/team/acme/none/package"] {
        assert_refused(&acme.get("joe", path).await, 404);
    }
    assert_refused(&acme.get(NOBODY, "/-/-/package").await, 401);
}
