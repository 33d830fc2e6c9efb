-- What everybody may know of downloads, added up: of the packages that everybody sees, by day.
CREATE TABLE download_sums (
    mount TEXT NOT NULL,
    -- A scope with its `@` and `/`, or `*` for all.
    part TEXT NOT NULL,
    day BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (mount, part, day)
);
INSERT INTO download_sums (mount, part, day, count)
    SELECT downloads.mount, '*', downloads.day, CAST(SUM(downloads.count) AS BIGINT) FROM downloads
    LEFT JOIN packages ON packages.mount = downloads.mount AND packages.name = downloads.package
    WHERE packages.id IS NULL OR NOT (packages.is_restricted
        OR EXISTS (SELECT 1 FROM bindings WHERE bindings.package = packages.id))
    GROUP BY downloads.mount, downloads.day;
-- What stands before the slash: all else is taken away from the right.
INSERT INTO download_sums (mount, part, day, count)
    SELECT downloads.mount, RTRIM(downloads.package, REPLACE(downloads.package, '/', '')) AS part, downloads.day,
        CAST(SUM(downloads.count) AS BIGINT) FROM downloads
    LEFT JOIN packages ON packages.mount = downloads.mount AND packages.name = downloads.package
    WHERE downloads.package LIKE '@%/%' AND (packages.id IS NULL OR NOT (packages.is_restricted
        OR EXISTS (SELECT 1 FROM bindings WHERE bindings.package = packages.id)))
    GROUP BY downloads.mount, part, downloads.day;
DROP INDEX downloads_by_day;
