"""Programs that run on a server and end (manual 5.4)."""
