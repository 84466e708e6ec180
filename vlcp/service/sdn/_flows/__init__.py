"""The flow engine: desired rows, what a switch acknowledged, and the difference."""
