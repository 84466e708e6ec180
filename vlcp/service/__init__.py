"""Modules that a server loads (manual 5.6)."""
