CREATE TABLE factors (
    account BIGINT PRIMARY KEY REFERENCES users (id),
    mode TEXT NOT NULL,
    -- Whether no code of it was shown yet: then it is asked for nowhere.
    is_pending BOOLEAN NOT NULL,
    -- What codes are computed from.
    sealed BYTES NOT NULL,
    -- The step of the last code that was taken.
    last_step BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    account BIGINT NOT NULL REFERENCES users (id),
    hash BYTES NOT NULL,
    PRIMARY KEY (account, hash)
);
