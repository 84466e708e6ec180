"""JSON Schemas of parameters (JSON Schema 2020-12, as OpenAPI 3.1 uses it)."""

from __future__ import annotations

from typing import Any, Optional

from pydantic import TypeAdapter


def property_schema(compiled: Optional[Any], default: Any) -> dict:
    """Return the JSON Schema of one parameter.

    :param compiled: its pydantic type; None allows anything
    :param default: its default value; shown when it is a string, a number or a truth value
    """
    schema: dict = {}
    if compiled is not None:
        schema = TypeAdapter(compiled).json_schema()
        schema = _inlined(schema, schema.pop("$defs", {}))
    if isinstance(default, (str, int, float, bool)):
        schema["default"] = default
    return schema


def _inlined(schema: Any, definitions: dict) -> Any:
    """Return a schema with its references replaced by what they refer to; API types do not refer to themselves."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}
