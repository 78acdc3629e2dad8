"""Programs that machines in AWS run; each is a file of its own there."""
