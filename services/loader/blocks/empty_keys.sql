-- Forget the keys of the block before.
TRUNCATE {keys}
