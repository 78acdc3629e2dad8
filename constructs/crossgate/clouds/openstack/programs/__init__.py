"""Programs that machines in OpenStack run; each is a file of its own there."""
