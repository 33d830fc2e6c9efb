-- What its owner says a token is for.
ALTER TABLE tokens ADD COLUMN description TEXT NOT NULL DEFAULT '';
