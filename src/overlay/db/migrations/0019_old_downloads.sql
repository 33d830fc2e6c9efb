-- By this the counts of versions are found that are old enough to be added up.
CREATE INDEX downloads_by_age ON downloads (day) WHERE version <> '';
