"""Configuration: the tree of keys, the file syntax and configurable classes (manual 4.6, 5.1)."""
