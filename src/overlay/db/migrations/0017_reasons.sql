-- Why a package was blocked.
ALTER TABLE changes ADD COLUMN reason TEXT;
