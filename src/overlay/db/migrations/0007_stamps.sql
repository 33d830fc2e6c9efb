-- Drawn anew by every write to a package: of a database that was restored, a revision that comes again is another state.
ALTER TABLE packages ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;
