-- What a release was whose other bytes an operator accepts, and by which write: every node drops what it keeps of it.
CREATE TABLE accepted (
    release TEXT PRIMARY KEY,
    digest BYTES NOT NULL,
    write BIGINT NOT NULL
);
CREATE INDEX accepted_by_write ON accepted (write);
