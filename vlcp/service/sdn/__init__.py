"""Modules that program Open vSwitch (manual 4.5)."""
