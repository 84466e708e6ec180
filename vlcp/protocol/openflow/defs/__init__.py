"""OpenFlow structure and constant tables."""
