"""The OpenAPI 3.1 document of the Web API, from what the modules say of their APIs. No I/O."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

from vlcp import __version__

_PARAM = re.compile(r"^\s*:param\s+(?:\w+\s+)?(\w+):\s*(.*?)(?=^\s*:|\Z)", re.M | re.S)
_FIELDS = re.compile(r"^\s*:(?:param|return|raises)\b", re.M)
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def document(modules: Mapping[str, Mapping[str, Tuple[str, dict]]], rootpath: str, with_tokens: bool) -> Dict[str, Any]:
    """Return the document.

    :param modules: ``{module: {API: (text, JSON schema of the parameters)}}``
    :param rootpath: path that the APIs are below
    :param with_tokens: True when calls need a token
    """
    root = "/" + rootpath.strip("/") + "/" if rootpath.strip("/") else "/"
    result: Dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "VLCP", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "tags": [{"name": module} for module in sorted(modules)],
        "paths": {
            f"{root}{module}/{name}": _path_item(module, name, *apis[name])
            for module, apis in sorted(modules.items())
            for name in sorted(apis)
        },
        "components": {"schemas": {"Error": _ERROR}},
    }
    if with_tokens:
        result["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        result["security"] = [{"token": []}]
    return result


def _path_item(module: str, name: str, text: str, schema: dict) -> Dict[str, Any]:
    texts = {found.group(1): " ".join(found.group(2).split()) for found in _PARAM.finditer(text)}
    properties = {
        key: {**one, "description": texts[key]} if key in texts else one for key, one in schema.get("properties", {}).items()
    }
    described = {**schema, "properties": properties} if properties else schema
    common = {"tags": [module], "summary": text.partition("\n")[0], "description": _plain(text), "responses": _responses()}
    body = {"application/json": {"schema": described}}
    return {
        "get": {**common, "operationId": f"get_{module}_{name}", "parameters": _query(properties, schema)},
        "post": {**common, "operationId": f"post_{module}_{name}", "requestBody": {"content": body}},
    }


def _plain(text: str) -> str:
    """Return a docstring without its fields."""
    found = _FIELDS.search(text)
    return (text[: found.start()] if found else text).strip()


def _query(properties: Mapping[str, dict], schema: dict) -> List[Dict[str, Any]]:
    required = schema.get("required", ())
    return [{"name": key, "in": "query", "required": key in required, "schema": _text(one)} for key, one in properties.items()]


def _text(schema: dict) -> dict:
    """Return the schema of a value in a query: lists and objects are written as a literal."""
    if schema.get("type") not in ("array", "object"):
        return schema
    described = " ".join((schema.get("description", ""), "A Python literal between back-quotes.")).strip()
    return {"type": "string", "description": described}


def _responses() -> Dict[str, Any]:
    result = {"type": "object", "properties": {"result": {}}, "required": ["result"]}
    return {
        "200": {"description": "The result", "content": {"application/json": {"schema": result}}},
        "default": {
            "description": "4xx: the request is wrong; 5xx: it could not be carried out",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        },
    }
