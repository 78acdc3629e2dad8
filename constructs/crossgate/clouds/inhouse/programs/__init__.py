"""Programs that hosts run; each is a file of its own there."""
