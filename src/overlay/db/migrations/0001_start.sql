CREATE TABLE heads (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    writes BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    identity BIGINT NOT NULL,
    blocks BIGINT NOT NULL
);
INSERT INTO heads (one, writes, changes, identity, blocks) VALUES (1, 0, 0, 0, 0);

CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX audit_by_subject ON audit (subject, number);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    -- The name in lower case: no two accounts differ by case alone.
    folded TEXT NOT NULL UNIQUE,
    email TEXT,
    folded_email TEXT,
    password TEXT NOT NULL,
    -- What a dialect remembers of a user, in its own form.
    profile BYTES,
    is_admin BOOLEAN NOT NULL,
    locked_at BIGINT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX users_by_email ON users (folded_email);

CREATE TABLE failures (
    subject TEXT PRIMARY KEY,
    count BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX failures_by_time ON failures (last_at);

CREATE TABLE namespaces (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE members (
    namespace BIGINT NOT NULL REFERENCES namespaces (id),
    account BIGINT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    PRIMARY KEY (namespace, account)
);
CREATE INDEX members_by_account ON members (account);

CREATE TABLE tokens (
    id BIGINT PRIMARY KEY,
    hash BYTES NOT NULL UNIQUE,
    -- The first and last characters, to be told from others.
    hint TEXT NOT NULL,
    account BIGINT REFERENCES users (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    rights TEXT NOT NULL,
    networks TEXT NOT NULL,
    is_read_only BOOLEAN NOT NULL,
    is_automation BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX tokens_by_account ON tokens (account, id);

CREATE TABLE packages (
    id BIGINT PRIMARY KEY,
    mount TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Counted up by every write to the package; goes on after its last version is gone.
    revision BIGINT NOT NULL,
    is_restricted BOOLEAN NOT NULL,
    -- What a dialect remembers of the whole package, in its own form.
    document BYTES,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    UNIQUE (mount, name)
);

-- What was removed keeps its row, without a manifest: its number is never used again.
CREATE TABLE releases (
    package BIGINT NOT NULL REFERENCES packages (id),
    version TEXT NOT NULL,
    -- Of one version for several systems: which. Else empty.
    variant TEXT NOT NULL,
    manifest BYTES,
    publisher BIGINT REFERENCES users (id),
    published_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (package, version, variant)
);

CREATE TABLE blobs (
    digest BYTES PRIMARY KEY,
    size BIGINT NOT NULL,
    -- Part of its name, so that bytes which are published again have another.
    copy BIGINT NOT NULL,
    announced_at BIGINT NOT NULL,
    is_doomed BOOLEAN NOT NULL
);
CREATE INDEX blobs_by_time ON blobs (announced_at);

CREATE TABLE files (
    package BIGINT NOT NULL,
    version TEXT NOT NULL,
    variant TEXT NOT NULL,
    -- The archive, its documentation, its attestations: a dialect's own word.
    kind TEXT NOT NULL,
    digest BYTES NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (package, version, variant, kind),
    FOREIGN KEY (package, version, variant) REFERENCES releases (package, version, variant)
);
CREATE INDEX files_by_digest ON files (digest);

CREATE TABLE tags (
    package BIGINT NOT NULL REFERENCES packages (id),
    tag TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (package, tag)
);

CREATE TABLE owners (
    package BIGINT NOT NULL REFERENCES packages (id),
    account BIGINT NOT NULL REFERENCES users (id),
    level TEXT NOT NULL,
    PRIMARY KEY (package, account)
);
CREATE INDEX owners_by_account ON owners (account);

CREATE TABLE stars (
    package BIGINT NOT NULL REFERENCES packages (id),
    account BIGINT NOT NULL REFERENCES users (id),
    PRIMARY KEY (package, account)
);
CREATE INDEX stars_by_account ON stars (account);

CREATE TABLE changes (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    kind TEXT NOT NULL,
    version TEXT,
    tag TEXT
);
CREATE INDEX changes_by_mount ON changes (mount, number);

CREATE TABLE blocks (
    id BIGINT PRIMARY KEY,
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    -- Which versions, in the dialect's own form; `*` for all.
    versions TEXT NOT NULL,
    reason TEXT NOT NULL,
    operator TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    expires_at BIGINT,
    UNIQUE (mount, package, versions)
);

CREATE TABLE first_seen (
    release TEXT PRIMARY KEY,
    digest BYTES NOT NULL,
    seen_at BIGINT NOT NULL,
    testimony TEXT,
    rival TEXT
);
