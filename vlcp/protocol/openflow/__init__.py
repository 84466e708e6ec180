"""OpenFlow protocol and its definitions (manual 5.3.1)."""
