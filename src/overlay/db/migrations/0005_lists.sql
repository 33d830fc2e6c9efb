CREATE INDEX changes_by_package ON changes (mount, package, at);
CREATE INDEX changes_by_time ON changes (mount, at);
CREATE INDEX releases_by_time ON releases (published_at);

-- What searches do not find.
CREATE TABLE unlisted (
    mount TEXT NOT NULL,
    package TEXT NOT NULL,
    PRIMARY KEY (mount, package)
);
