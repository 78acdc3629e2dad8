"""What a machine is given at birth, as data: users, files, packages, units, commands."""
