"""Docker network plugin."""
