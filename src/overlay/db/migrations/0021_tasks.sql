-- What is to be brought up to its upstream. A task that waits is joined by whoever asks for the same.
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    mount TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- JSON.
    wish BYTES NOT NULL,
    -- The task that led to it by dependencies; its own id where somebody or something else asked for it.
    root TEXT NOT NULL,
    depth BIGINT NOT NULL,
    cause TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    -- The lowest is claimed first.
    rank BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- How often it was claimed: with the holder, the fence of what that writes.
    tries BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    begun_at BIGINT,
    ended_at BIGINT,
    holder TEXT,
    held_until BIGINT,
    is_cancelled BOOLEAN NOT NULL,
    -- Lines of its log, and bytes of them.
    lines BIGINT NOT NULL,
    written BIGINT NOT NULL,
    -- Bytes that came from upstream.
    received BIGINT NOT NULL,
    error TEXT,
    -- The task as which it goes on, where somebody had asked anew when it was put back.
    successor TEXT
);
CREATE UNIQUE INDEX tasks_waiting ON tasks (mount, kind, subject) WHERE state = 'waiting';
CREATE INDEX tasks_due ON tasks (rank, due_at, id) WHERE state = 'waiting';
CREATE INDEX tasks_held ON tasks (held_until) WHERE state = 'processing';
CREATE INDEX tasks_running ON tasks (mount, kind, subject) WHERE state = 'processing';
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX tasks_by_root ON tasks (root, id);
CREATE INDEX tasks_by_subject ON tasks (mount, subject, id);

-- What went wrong with versions, or was left out.
CREATE TABLE task_results (
    task TEXT NOT NULL REFERENCES tasks (id),
    version TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (task, version)
);

-- Lines as they were written together, and the number of the first of them.
CREATE TABLE task_logs (
    task TEXT NOT NULL REFERENCES tasks (id),
    first BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, first)
);

-- Which names, in which words, the dependencies below a root have led to.
CREATE TABLE visits (
    root TEXT NOT NULL,
    subject TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (root, subject, spec)
);

-- Nodes that run tasks.
CREATE TABLE workers (
    node TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
