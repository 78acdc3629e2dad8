"""Where machines run: one folder for each cloud, siblings are strangers."""
