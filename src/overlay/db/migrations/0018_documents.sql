-- What a dialect remembers of a version beside its manifest, in its own form: gone with the version.
ALTER TABLE releases ADD COLUMN document BYTES;
-- There was one for the whole package, which the version has that shows it. It stays for programs before
-- this, which may run beside. Nobody else reads it.
UPDATE releases SET document = (SELECT packages.document FROM packages WHERE packages.id = releases.package)
    WHERE removed_at IS NULL AND EXISTS (SELECT 1 FROM tags WHERE tags.package = releases.package
        AND tags.tag = 'latest' AND tags.version = releases.version);
