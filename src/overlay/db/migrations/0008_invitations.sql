CREATE TABLE invitations (
    id BIGINT PRIMARY KEY,
    hash BYTES NOT NULL UNIQUE,
    -- The only address it is for.
    email TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    account BIGINT REFERENCES users (id)
);
