-- What was brought up to its upstream, and what that had then.
CREATE TABLE replicas (
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    upstream TEXT NOT NULL,
    -- In the dialect's own form.
    roll BYTES NOT NULL,
    -- Of the document that it was read from, if upstream had one.
    digest BYTES,
    synced_at BIGINT NOT NULL,
    PRIMARY KEY (mount, package)
);

-- Versions that upstream had once.
CREATE TABLE tombstones (
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (mount, package, version)
);

-- What every node is to hold, and not to evict; the empty version is the document.
CREATE TABLE pins (
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    task TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (mount, package, version)
);
