-- Which directories of mirrors of binaries were listed, and when; and when all that they listed was last fetched. The root
-- is empty text; all others end in a slash.
CREATE TABLE binary_directories (
    mirror TEXT NOT NULL,
    directory TEXT NOT NULL,
    listed_at BIGINT NOT NULL,
    walked_at BIGINT,
    PRIMARY KEY (mirror, directory)
);

-- What they held then. A date is RFC 3339 with milliseconds in UTC, or empty; a place is below the tree of files that the
-- bytes come from. What is not certain was worked out, and nobody has seen it.
CREATE TABLE binaries (
    mirror TEXT NOT NULL,
    directory TEXT NOT NULL,
    name TEXT NOT NULL,
    is_directory BOOLEAN NOT NULL,
    size BIGINT,
    date TEXT NOT NULL,
    place TEXT NOT NULL,
    is_certain BOOLEAN NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (mirror, directory, name)
);
CREATE INDEX binaries_by_date ON binaries (mirror, directory, date, name);
