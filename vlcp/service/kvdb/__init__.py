"""ObjectDB and the proxies of the key-value stores (manual 4.4)."""
