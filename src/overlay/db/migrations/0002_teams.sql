CREATE TABLE teams (
    id BIGINT PRIMARY KEY,
    namespace BIGINT NOT NULL REFERENCES namespaces (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (namespace, name)
);

CREATE TABLE team_members (
    team BIGINT NOT NULL REFERENCES teams (id),
    account BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (team, account)
);
CREATE INDEX team_members_by_account ON team_members (account);

-- Which teams a package is bound to: none but they see it.
CREATE TABLE bindings (
    package BIGINT NOT NULL REFERENCES packages (id),
    team BIGINT NOT NULL REFERENCES teams (id),
    permission TEXT NOT NULL,
    PRIMARY KEY (package, team)
);
CREATE INDEX bindings_by_team ON bindings (team);

-- Every namespace has this team, and all its members are in it. The numbers of namespaces are those of writes that made
-- no team.
INSERT INTO teams (id, namespace, name, description, created_at)
    SELECT id, id, 'developers', '', created_at FROM namespaces;
INSERT INTO team_members (team, account) SELECT namespace, account FROM members;

-- Which writes to a package need a second factor.
ALTER TABLE packages ADD COLUMN second_factor TEXT NOT NULL DEFAULT 'none';
