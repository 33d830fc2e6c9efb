-- What a registry signs with and the like: sealed, made once, by the node that needs it first.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    sealed BYTES NOT NULL
);
