"""Server, modules and their loader (manual 3.2, 5.5)."""
