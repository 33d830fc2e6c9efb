-- Who was made an owner, or likes it.
ALTER TABLE changes ADD COLUMN account BIGINT;
