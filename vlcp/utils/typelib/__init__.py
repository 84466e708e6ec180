"""Types of API parameters, and the check of an API call against a function's annotations (manual 3.2.4, 5.7.20).

Annotations are written in a small vocabulary:

=========================  =================================================================================
``str`` ``int`` ``bool``   the plain types; ``int`` also takes a decimal string
:class:`TypeCheck`         a converted value, like :data:`MacAddress`
``[T]``                    a list of T; a single T counts as a list with one element
``(A, B, None)``           one of several types
``Pair(A, B)``             a list or tuple of two
``{'key': A, '?key': B}``  a dict; ``?`` marks optional keys. Further keys are kept, and must be storable as JSON
=========================  =================================================================================

They are compiled into pydantic types, which find the path of a wrong value; pydantic types themselves may be used as
annotations too. Other annotations (generic aliases, arbitrary classes) are described, but not checked.
"""

from __future__ import annotations

import inspect
import re
import reprlib
from functools import cached_property
from typing import Annotated, Any, Callable, List, Optional, Tuple, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from vlcp.utils.exceptions import APIParameterException, TypeMismatchException
from vlcp.utils.typelib import _conversions
from vlcp.utils.typelib._conversions import Mismatch, integer, ipv4_number, ipv4_text
from vlcp.utils.typelib._schema import property_schema

__all__ = [
    "ApiSignature",
    "DhcpOptions",
    "IPv4Address",
    "IPv4Destination",
    "IPv4Network",
    "Identifier",
    "Integer",
    "LeaseTime",
    "MacAddress",
    "Mismatch",
    "Mtu",
    "Name",
    "NumberRanges",
    "Pair",
    "Routes",
    "Storable",
    "Text",
    "TypeCheck",
    "VlanTag",
    "Vni",
    "autoint",
    "compile_type",
    "describe_type",
    "integer",
    "ipv4_number",
    "ipv4_text",
]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3
_SHORT.maxlong = 40


class TypeCheck:
    """A type whose values are converted and checked by a function.

    :param convert: takes the value, returns the value to use; raises
                    :class:`~vlcp.utils.typelib.Mismatch` or ValueError
    :param base: pydantic type of the result
    :param described: what ``discover`` prints for it
    """

    def __init__(self, convert: Callable[[Any], Any], base: Any = str, described: Any = "extra(<class 'str'>)") -> None:
        self.convert = convert
        self.described = described
        self.pydantic_type = Annotated[base, BeforeValidator(convert)]

    def __repr__(self) -> str:
        return str(self.described)


class Pair:
    """A list or tuple of exactly two values.

    :param first: type of the first value
    :param second: type of the second value
    """

    def __init__(self, first: Any, second: Any) -> None:
        self.types = (first, second)

    def __repr__(self) -> str:
        return f"tuple_(({_printed(self.types[0])}, {_printed(self.types[1])}))"


_INT_OR_TEXT = ["<class 'int'>", "extra(<class 'str'>)"]

Text = TypeCheck(_conversions.text, described="<class 'str'>")
Name = TypeCheck(_conversions.name, described="<class 'str'>")
Identifier = TypeCheck(_conversions.identifier, described="<class 'str'>")
Integer = TypeCheck(_conversions.integer, int, _INT_OR_TEXT)
VlanTag = TypeCheck(_conversions.bounded(1, 4095, "a VLAN tag"), int, _INT_OR_TEXT)
Vni = TypeCheck(_conversions.bounded(1, (1 << 24) - 1, "a VNI"), int, _INT_OR_TEXT)
Mtu = TypeCheck(_conversions.bounded(1, 65535, "an MTU"), int, _INT_OR_TEXT)
MacAddress = TypeCheck(_conversions.mac_address)
IPv4Address = TypeCheck(_conversions.ipv4)
IPv4Network = TypeCheck(_conversions.ipv4_network)
IPv4Destination = TypeCheck(_conversions.ipv4_destination)
LeaseTime = TypeCheck(_conversions.lease_time, Union[int, str, None], [_INT_OR_TEXT, "extra(<class 'str'>)", None])
DhcpOptions = TypeCheck(
    _conversions.dhcp_options, dict, "extra([tuple_(((<class 'int'>, extra(<class 'str'>)), <class 'object'>))])"
)
Storable = TypeCheck(_conversions.storable, Any, "<class 'object'>")
NumberRanges = [Pair(int, int)]
Routes = [Pair(IPv4Destination, IPv4Address)]
autoint = Integer

_PLAIN_TYPES = {
    str: Text,
    int: TypeCheck(_conversions.integer, int, "<class 'int'>"),
    bool: TypeCheck(_conversions.strict_bool, bool, "<class 'bool'>"),
    float: TypeCheck(_conversions.number, float, "<class 'float'>"),
}


def describe_type(spec: Any) -> Any:
    """Return what ``discover`` shows for an annotation: strings, lists, dicts and None.

    Lists stand for lists and, as in the original's output, for alternatives.
    """
    if spec is None or spec is type(None):
        return None
    if isinstance(spec, TypeCheck):
        return spec.described
    if isinstance(spec, (list, tuple)):
        return [describe_type(item) for item in spec]
    if isinstance(spec, dict):
        return {key: describe_type(item) for key, item in spec.items()}
    return repr(spec)


def _printed(spec: Any) -> str:
    described = describe_type(spec)
    if isinstance(spec, tuple):
        return "(" + ", ".join(_printed(item) for item in spec) + ")"
    return described if isinstance(described, str) else repr(described)


def compile_type(spec: Any) -> Any:
    """Return the pydantic type of an annotation, or None when the annotation is of a kind that is not checked.

    :param spec: see the head of the module
    """
    if spec is None or spec is type(None):
        return type(None)
    if isinstance(spec, type) and spec in _PLAIN_TYPES:
        spec = _PLAIN_TYPES[spec]
    if isinstance(spec, TypeCheck):
        return spec.pydantic_type
    if isinstance(spec, Pair):
        return _pair_type(spec)
    if isinstance(spec, list):
        return _list_type(spec)
    if isinstance(spec, tuple):
        return _alternatives([compile_type(item) for item in spec])
    if isinstance(spec, dict):
        return Annotated[_dict_type(spec), AfterValidator(_unknown_keys_check(spec))]
    if hasattr(spec, "__metadata__") or isinstance(spec, type(BaseModel)):
        return spec
    return None


def _pair_type(spec: Pair) -> Any:
    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise Mismatch("expected a pair")
        return tuple(value)

    first, second = (compile_type(item) for item in spec.types)
    return Annotated[Tuple[first, second], BeforeValidator(check), AfterValidator(list)]


def _list_type(spec: list) -> Any:
    of_pairs = isinstance(spec[0], Pair)

    def as_list(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return [value]
        if of_pairs and len(value) == 2 and not any(isinstance(item, (list, tuple)) for item in value):
            return [value]
        return value

    return Annotated[List[compile_type(spec[0])], BeforeValidator(as_list)]


def _alternatives(types: list) -> Any:
    plain = [item for item in types if item is not type(None)]
    result = plain[0] if len(plain) == 1 else Annotated[Union[tuple(plain)], Field(union_mode="left_to_right")]
    return result if len(plain) == len(types) else Optional[result]


def _dict_type(spec: dict) -> Any:
    fields = {}
    for key, item in spec.items():
        compiled = compile_type(item)
        fields[key.lstrip("?")] = NotRequired[compiled] if key.startswith("?") else compiled
    result = TypedDict("Parameters", fields)  # type: ignore[operator]
    result.__pydantic_config__ = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    return result


def _unknown_keys_check(spec: dict) -> Callable[[dict], dict]:
    known = {key.lstrip("?") for key in spec}

    def check(value: dict) -> dict:
        for key in value:
            if key not in known:
                _check_attribute(key, value[key])
        return value

    return check


def _check_attribute(key: str, value: Any) -> None:
    try:
        _conversions.identifier(key)
        if key.startswith(("_", "kvdb_")):
            raise Mismatch("expected the name of an attribute")
    except Mismatch as exc:
        raise Mismatch(f"{exc} as a key", _key_path(key), key) from None
    try:
        _conversions.storable(value)
    except Mismatch as exc:
        raise Mismatch(str(exc), _key_path(key) + exc.path, exc.value if exc.path else value) from None


def _key_path(key: Any) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN_KEY.match(key) else f"[{_SHORT.repr(key)}]"


def _one_line(error: ValidationError) -> str:
    """Return the first error of a pydantic error as ``path: expected ..., got ...``."""
    first = error.errors(include_url=False)[0]
    path = "".join(_key_path(key) for key in first["loc"]).lstrip(".")
    if first["type"] == "missing":
        return f"{path}: this key is missing"
    cause = first.get("ctx", {}).get("error")
    value = first["input"]
    message = str(cause) if cause is not None else first["msg"].replace("Input should be ", "expected ")
    if isinstance(cause, Mismatch) and cause.path:
        path, value = (path + cause.path).lstrip("."), cause.value
    return f"{path}: {message}, got {_SHORT.repr(value)}".replace("\n", " ")


def _annotation(function: Callable, name: str) -> Any:
    """Return one annotation of a function, evaluated when it is a string; :data:`inspect.Parameter.empty` if it
    cannot be evaluated, for then the name exists only for type checkers."""
    found = getattr(function, "__annotations__", {}).get(name, inspect.Parameter.empty)
    if isinstance(found, str):
        try:
            return eval(found, getattr(function, "__globals__", {}))  # the module's own source text, never a caller's
        except (NameError, TypeError, AttributeError, SyntaxError):
            return inspect.Parameter.empty
    return found


class ApiSignature:
    """What an API function takes: the check of each call, and its description for ``discover``.

    :param func: function, bound method or partial; parameters without an annotation get a presence check only
    :param criteria: None, or the function that decides whether a public API answers a call; see :meth:`accepts`
    """

    def __init__(self, func: Callable, criteria: Optional[Callable] = None) -> None:
        self.criteria = criteria
        self._criteria_signature = None if criteria is None else inspect.signature(criteria)
        self.name = getattr(func, "__name__", None) or getattr(getattr(func, "func", None), "__name__", repr(func))
        self._function = inspect.unwrap(getattr(func, "__func__", getattr(func, "func", func)))
        parameters = inspect.signature(func).parameters.values()
        kinds = inspect.Parameter
        self._parameters = [p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
        self._names = {p.name for p in self._parameters}
        self._extra = next((p.name for p in parameters if p.kind == kinds.VAR_KEYWORD), None)
        self._types = {p.name: _annotation(self._function, p.name) for p in self._parameters}
        extra_type = _annotation(self._function, self._extra) if self._extra else None
        self._extra_type = extra_type if isinstance(extra_type, dict) else None

    def accepts(self, params: dict) -> bool:
        """Return whether the criteria take a call with these parameters; True without criteria.

        Criteria that cannot be called with these parameters take no call with them.
        """
        if self.criteria is None or self._criteria_signature is None:
            return True
        try:
            self._criteria_signature.bind(**params)
        except TypeError:
            return False
        return bool(self.criteria(**params))

    def check(self, params: dict) -> dict:
        """Return the parameters of a call, converted to the annotated types.

        :param params: ``{name: value}``; it is not changed
        :raises APIParameterException: a parameter is missing or the function takes none of that name
        :raises TypeMismatchException: a value is of the wrong type; the message begins with its path
        """
        self._check_presence(params)
        adapter = self._adapter
        if adapter is None:
            return dict(params)
        try:
            return adapter.validate_python(dict(params))
        except ValidationError as error:
            raise TypeMismatchException(_one_line(error)) from None

    def _check_presence(self, params: dict) -> None:
        missing = [p.name for p in self._parameters if p.default is p.empty and p.name not in params]
        missing += [key for key in self._extra_type or () if not key.startswith("?") and key not in params]
        if missing:
            raise APIParameterException(f"{self.name}: parameter {missing[0]!r} is missing")
        if self._extra is None:
            unexpected = [name for name in params if name not in self._names]
            if unexpected:
                raise APIParameterException(f"{self.name}: unexpected parameter {_SHORT.repr(unexpected[0])}")

    @cached_property
    def _adapter(self) -> Optional[TypeAdapter]:
        spec = {}
        for parameter in self._parameters:
            annotation = self._types[parameter.name]
            if annotation is not parameter.empty and compile_type(annotation) is not None:
                spec["?" + parameter.name] = annotation
        spec.update(self._extra_type or {})
        if not spec:
            return None
        checked = _dict_type(spec)
        if self._extra_type is None:
            return TypeAdapter(checked)
        known = dict.fromkeys(self._names, None)
        return TypeAdapter(Annotated[checked, AfterValidator(_unknown_keys_check({**known, **spec}))])

    def describe(self) -> dict:
        """Return the members ``parameters``, ``extraparameters``, ``extraparameters_type`` and ``return_type`` of the
        answer of ``discover``; the last two only when annotated.

        A function with ``**kwargs`` annotated as ``{}`` takes anything that can be stored, and shows no type for it.
        """
        result: dict = {"parameters": [self._describe_parameter(p) for p in self._parameters]}
        result["extraparameters"] = self._extra is not None
        if self._extra_type:
            result["extraparameters_type"] = describe_type(self._extra_type)
        return_type = _annotation(self._function, "return")
        if return_type is not inspect.Parameter.empty:
            result["return_type"] = describe_type(return_type)
        return result

    def json_schema(self) -> dict:
        """Return the JSON Schema of an object with the parameters of a call; types that are not checked allow anything."""
        properties = {p.name: self._property(self._types[p.name], p.default) for p in self._parameters}
        properties.update((key.lstrip("?"), self._property(spec, None)) for key, spec in (self._extra_type or {}).items())
        required = [p.name for p in self._parameters if p.default is p.empty]
        required += [key for key in self._extra_type or () if not key.startswith("?")]
        schema: dict = {"type": "object", "properties": properties, "additionalProperties": self._extra is not None}
        return {**schema, "required": required} if required else schema

    @staticmethod
    def _property(annotation: Any, default: Any) -> dict:
        compiled = None if annotation is inspect.Parameter.empty else compile_type(annotation)
        return property_schema(compiled, default)

    def _describe_parameter(self, parameter: inspect.Parameter) -> dict:
        result: dict = {"name": parameter.name, "optional": parameter.default is not parameter.empty}
        if result["optional"]:
            result["default"] = parameter.default
        if self._types[parameter.name] is not parameter.empty:
            result["type"] = describe_type(self._types[parameter.name])
        return result
