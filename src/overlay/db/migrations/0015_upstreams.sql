-- Counted up when upstreams or what they serve change.
ALTER TABLE heads ADD COLUMN routes BIGINT NOT NULL DEFAULT 0;

CREATE TABLE upstreams (
    id BIGINT PRIMARY KEY,
    mount TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    kind TEXT NOT NULL,
    user_prefix TEXT NOT NULL,
    change_stream TEXT,
    -- Sealed, for the server that the URL names.
    token BYTES,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    UNIQUE (mount, name)
);

-- Where the names of a scope come from: 'own', 'default', or 'upstream' and which one.
CREATE TABLE routes (
    id BIGINT PRIMARY KEY,
    mount TEXT NOT NULL,
    scope TEXT NOT NULL,
    target TEXT NOT NULL,
    upstream BIGINT REFERENCES upstreams (id),
    UNIQUE (mount, scope)
);
