CREATE TABLE hooks (
    id BIGINT PRIMARY KEY,
    mount TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES users (id),
    about TEXT NOT NULL,
    name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    -- Sealed.
    secret BYTES NOT NULL,
    -- The number of the last change that it does not hear of.
    since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    last_at BIGINT,
    last_status BIGINT,
    is_delivered BOOLEAN NOT NULL
);
CREATE INDEX hooks_by_account ON hooks (account, id);
CREATE INDEX hooks_by_subject ON hooks (mount, about, name);

-- What hooks are still to be told.
CREATE TABLE deliveries (
    hook BIGINT NOT NULL REFERENCES hooks (id),
    event BIGINT NOT NULL REFERENCES changes (number),
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (hook, event)
);
CREATE INDEX deliveries_by_time ON deliveries (due_at);

-- One row: how far the feed was read for them, and which node does so.
CREATE TABLE dispatcher (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    read_to BIGINT NOT NULL,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL
);
INSERT INTO dispatcher (one, read_to, holder, held_until) SELECT 1, changes, '', 0 FROM heads WHERE one = 1;
