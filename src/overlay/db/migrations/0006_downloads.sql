-- Days are counted since 1970, in UTC.
CREATE TABLE downloads (
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    day BIGINT NOT NULL,
    version TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (mount, package, day, version)
);
CREATE INDEX downloads_by_day ON downloads (mount, day);
