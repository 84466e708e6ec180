"""Helpers and data models shared by modules (manual 5.7)."""
