-- How far upstreams' feeds were read, and which node reads them.
CREATE TABLE feeds (
    mount TEXT NOT NULL,
    name TEXT NOT NULL,
    -- In the feed's own words; nothing before it was asked for the first time.
    cursor TEXT,
    memory BYTES,
    -- How often the cursor was set: with the holder, the fence of what that writes.
    moves BIGINT NOT NULL,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    read_at BIGINT,
    -- When it was read to its end.
    caught_up_at BIGINT,
    -- How old the last of what was read was then, in milliseconds, where the feed says so.
    behind BIGINT,
    failures BIGINT NOT NULL,
    error TEXT,
    PRIMARY KEY (mount, name)
);

-- When schedules made their tasks.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    fired_at BIGINT NOT NULL
);
