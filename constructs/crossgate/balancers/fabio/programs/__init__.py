"""Programs that run on a balancer's machine, shipped there as text; nothing here imports them."""
