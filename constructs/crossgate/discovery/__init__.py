"""Who knows which machines are alive: one folder for each way, siblings are strangers."""
