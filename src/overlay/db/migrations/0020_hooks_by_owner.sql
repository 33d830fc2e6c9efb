-- Names of users are compared in lower case: by this the hooks about an owner are found.
CREATE INDEX hooks_by_owner ON hooks (mount, about, LOWER(name));
