"""Parsers and writers without input or output: bytes in, values out."""
