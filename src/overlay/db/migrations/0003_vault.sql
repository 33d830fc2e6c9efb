-- A known text, sealed with the key that secrets are sealed with.
CREATE TABLE vault (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    sealed BYTES NOT NULL
);
