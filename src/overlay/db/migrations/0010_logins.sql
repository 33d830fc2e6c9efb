-- Logins by a browser that are under way.
CREATE TABLE logins (
    -- By which the page is found, and by which the client asks; both hashed.
    page BYTES PRIMARY KEY,
    done BYTES NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    is_new BOOLEAN NOT NULL,
    begun_at BIGINT NOT NULL,
    -- Who has gone through with it.
    account BIGINT REFERENCES users (id)
);
CREATE INDEX logins_by_time ON logins (begun_at);
