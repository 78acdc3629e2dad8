"""Programs that members of Consul run; each is a file of its own there."""
