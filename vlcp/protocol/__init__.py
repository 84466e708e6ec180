"""Protocols: byte streams to events and back (manual 4.2.3, 5.3)."""
