"""Programs that run on every kind of machine, shipped there as text; nothing here imports them."""
