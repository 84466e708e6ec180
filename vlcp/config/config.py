"""Configuration tree and configurable classes (manual 3.1, 4.6, 5.1).

The global :data:`manager` holds what the configuration file says. A class that derives from
:class:`Configurable` declares its settings as ``_default_<name> = value`` and reads them as ``self.<name>``.
"""

from __future__ import annotations

import io
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar

from vlcp.config import _syntax
from vlcp.config._registry import DEFAULT_PREFIX, register

_Class = TypeVar("_Class", bound="Type[Configurable]")
_Any = TypeVar("_Any")


class ConfigTree:
    """A node of the configuration: values and sub-nodes by name.

    Names are reached as attributes and as items; an item name may be a path::

        node['server.limits.connections'] = 42
        assert node.server.limits.connections == 42

    Assigning to a path replaces a value or a sub-tree that stands in its way.
    """

    def __init__(self) -> None:
        object.__setattr__(self, "_children", {})

    def keys(self) -> Any:
        """Return the names of all children of this node, sub-nodes and values."""
        return self._children.keys()

    def items(self) -> Any:
        """Return ``(name, child)`` of all children of this node, sub-nodes and values."""
        return self._children.items()

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def config_keys(self, sortkey: bool = False) -> Iterator[str]:
        """Return the paths of all values in this node and below it.

        :param sortkey: True sorts the names of each node
        """
        return (key for key, _ in self.config_items(sortkey))

    def config_items(self, sortkey: bool = False) -> Iterator[Tuple[str, Any]]:
        """Return ``(path, value)`` of all values in this node and below it.

        :param sortkey: True sorts the names of each node
        """
        for name, child in self._listed(sortkey):
            if isinstance(child, ConfigTree):
                for path, value in child.config_items(sortkey):
                    yield f"{name}.{path}", value
            else:
                yield name, child

    def config_value_keys(self, sortkey: bool = False) -> Iterator[str]:
        """Return the names of the values stored in this node itself.

        :param sortkey: True sorts the names
        """
        return (name for name, _ in self.config_value_items(sortkey))

    def config_value_items(self, sortkey: bool = False) -> Iterator[Tuple[str, Any]]:
        """Return ``(name, value)`` of the values stored in this node itself.

        :param sortkey: True sorts the names
        """
        return ((name, child) for name, child in self._listed(sortkey) if not isinstance(child, ConfigTree))

    def loadconfig(self, keysuffix: str, obj: Any) -> None:
        """Copy the sub-tree at a path into attributes of an object.

        A sub-node is copied into the attribute of its name when there is one that is not a tree itself;
        otherwise the node becomes the attribute.

        :param keysuffix: path of the sub-tree; nothing happens when there is none
        :param obj: object that gets the attributes
        """
        tree = self.gettree(keysuffix)
        if tree is None:
            return
        for name, child in tree.items():
            target = getattr(obj, name, None)
            if isinstance(child, ConfigTree) and target is not None and not isinstance(target, ConfigTree):
                tree.loadconfig(name, target)
            else:
                setattr(obj, name, child)

    def withconfig(self, keysuffix: str) -> Callable[[_Any], _Any]:
        """Return a decorator that copies the sub-tree at a path into the decorated class or function.

        :param keysuffix: path of the sub-tree, as in :meth:`loadconfig`
        """

        def decorate(obj: _Any) -> _Any:
            self.loadconfig(keysuffix, obj)
            return obj

        return decorate

    def gettree(self, key: str, create: bool = False) -> Optional[ConfigTree]:
        """Return the sub-node at a path.

        :param key: names from this node down, joined by dots
        :param create: True makes missing nodes; a value in the way is replaced
        :return: the node, or None when there is none at this path
        """
        node: ConfigTree = self
        for name in key.split("."):
            if not create and not isinstance(node._children.get(name), ConfigTree):
                return None
            node = node._child(name)
        return node

    def _child(self, name: str) -> ConfigTree:
        """Return the sub-node of a name; it is made if there is none."""
        child = self._children.get(name)
        if not isinstance(child, ConfigTree):
            child = self._children[name] = ConfigTree()
        return child

    def __getitem__(self, key: str) -> Any:
        node, name = self._parent(key)
        if node is None or name not in node._children:
            raise KeyError(key)
        return node._children[name]

    def __setitem__(self, key: str, value: Any) -> None:
        *parents, name = key.split(".")
        node: ConfigTree = self
        for parent in parents:
            node = node._child(parent)
        node._children[name] = value

    def __delitem__(self, key: str) -> None:
        node, name = self._parent(key)
        if node is None or name not in node._children:
            raise KeyError(key)
        del node._children[name]

    def __contains__(self, key: object) -> bool:
        node, name = self._parent(str(key))
        return node is not None and name in node._children

    def __getattr__(self, name: str) -> Any:
        try:
            return self._children[name]
        except KeyError:
            raise AttributeError(f"no configuration {name!r} in this node") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._children:
            raise AttributeError(f"no configuration {name!r} in this node")
        del self._children[name]

    def get(self, key: str, defaultvalue: Any = None) -> Any:
        """Return the value or sub-node at a path.

        :param key: names from this node down, joined by dots
        :param defaultvalue: returned when there is nothing
        """
        node, name = self._parent(key)
        return defaultvalue if node is None else node._children.get(name, defaultvalue)

    def setdefault(self, key: str, defaultvalue: Any = None) -> Any:
        """Return the value at a path; store ``defaultvalue`` there first when there is none."""
        if key not in self:
            self[key] = defaultvalue
        return self[key]

    def clear(self) -> None:
        """Remove all children of this node."""
        self._children.clear()

    def todict(self) -> Dict[str, Any]:
        """Return this node as a dictionary of values and dictionaries."""
        return {k: v.todict() if isinstance(v, ConfigTree) else v for k, v in self._children.items()}

    def _parent(self, key: str) -> Tuple[Optional[ConfigTree], str]:
        parent, _, name = key.rpartition(".")
        return (self.gettree(parent) if parent else self), name

    def _listed(self, sortkey: bool) -> Iterable[Tuple[str, Any]]:
        listed = list(self._children.items())
        return sorted(listed, key=lambda item: item[0]) if sortkey else listed


class Manager(ConfigTree):
    """Root of a configuration, which can be read from and written to text (manual 3.1.1).

    Reading adds to what is there; call :meth:`clear` first to start anew. A text with an error changes nothing.
    """

    def loadfromfile(self, filelike: Iterable[str]) -> None:
        """Read from a file object or any other iterable of lines.

        :param filelike: lines; its ``name``, if any, is used in error messages
        :raises ValueError: a line is wrong; the message names file, line and key
        """
        source = str(getattr(filelike, "name", "<config>"))
        try:
            pairs = _syntax.parse(filelike, source)
        except UnicodeDecodeError as exc:
            raise ValueError(f"{source}: not UTF-8 text: {exc.reason} at byte {exc.start}") from exc
        for key, value in pairs:
            self[key] = value

    def loadfrom(self, path: str) -> None:
        """Read from the file at ``path``.

        :raises OSError: the file cannot be read
        :raises ValueError: a line is wrong; the message names file, line and key
        """
        with open(path, encoding="utf-8") as stream:
            self.loadfromfile(stream)

    def loadfromstr(self, string: str) -> None:
        """Read from a string.

        :raises ValueError: a line is wrong; the message names line and key
        """
        self.loadfromfile(io.StringIO(string))

    def save(self, sortkey: bool = True) -> List[str]:
        """Return the configuration as lines ``key=value`` without line ends.

        :param sortkey: True sorts by name
        """
        return [f"{key}={value!r}" for key, value in self.config_items(sortkey)]

    def savetostr(self, sortkey: bool = True) -> str:
        """Return the configuration as one string with a line end after each line."""
        return "".join(line + "\n" for line in self.save(sortkey))

    def savetofile(self, filelike: Any, sortkey: bool = True) -> None:
        """Write the configuration to an object with ``writelines``."""
        filelike.writelines(line + "\n" for line in self.save(sortkey))

    def saveto(self, path: str, sortkey: bool = True) -> None:
        """Write the configuration to the file at ``path``.

        :raises OSError: the file cannot be written
        """
        with open(path, "w", encoding="utf-8") as stream:
            self.savetofile(stream, sortkey)


manager = Manager()
"The configuration of this process."


class Configurable:
    """Base of classes whose missing attributes are looked up in the configuration (manual 4.6.2).

    An attribute that neither the instance nor the class has is searched along the method resolution order:
    for each class first ``<configkey>.<name>`` in :data:`manager`, if the class has a configkey of its own, then
    ``_default_<name>`` of the same class. What is found is kept on the instance. Names that begin with ``_``
    are never looked up.

    :cvar configkey: path of this class in the configuration, set by the decorators
    :cvar configbase: path that subclasses put their names below, set by the decorators
    :cvar _extra_config: names of settings without a default; a name that ends with a dot allows all below it
    """

    _extra_config: Tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        default = DEFAULT_PREFIX + name
        for cls in type(self).__mro__:
            own = cls.__dict__
            if "configkey" in own:
                value = manager.get(f"{own['configkey']}.{name}", _MISSING)
                if value is not _MISSING:
                    break
            if default in own:
                value = own[default]
                break
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute or setting {name!r}")
        self.__dict__[name] = value
        return value

    @classmethod
    def getConfigurableParent(cls) -> Optional[type]:
        """Return the class whose settings this class inherits, None if there is none."""
        for parent in cls.__mro__[1:]:
            if "configkey" in parent.__dict__:
                return parent
        return None

    @classmethod
    def getConfigRoot(cls, create: bool = False) -> Optional[ConfigTree]:
        """Return the node of this class in the configuration.

        :param create: True makes the node if it is missing
        :return: the node; None if it is missing, or if the class is not mapped
        """
        key = getattr(cls, "configkey", None)
        return None if key is None else manager.gettree(key, create)

    @classmethod
    def plain_setting(cls, name: str) -> str:
        """Return the setting that a path below the class's node stands for; subclasses with nested nodes override it.

        :param name: path below ``configkey``
        """
        return name

    def config_value_keys(self, sortkey: bool = False) -> List[str]:
        """Return the names of all settings that this object can look up.

        :param sortkey: True sorts them
        """
        names: Dict[str, None] = {}
        for cls in type(self).__mro__:
            tree = manager.gettree(cls.__dict__["configkey"]) if "configkey" in cls.__dict__ else None
            if tree is not None:
                names.update(dict.fromkeys(tree.config_value_keys()))
            names.update((n[len(DEFAULT_PREFIX) :], None) for n in cls.__dict__ if n.startswith(DEFAULT_PREFIX))
        return sorted(names) if sortkey else list(names)

    def config_value_items(self, sortkey: bool = False) -> List[Tuple[str, Any]]:
        """Return ``(name, value)`` of all settings that this object can look up.

        :param sortkey: True sorts them
        """
        return [(name, getattr(self, name)) for name in self.config_value_keys(sortkey)]


_MISSING = object()


def _parent_base(cls: Type[Configurable]) -> Optional[str]:
    parent = cls.getConfigurableParent()
    return None if parent is None else getattr(parent, "configbase", None)


def _below(base: Optional[str], key: str) -> str:
    return key if base is None else f"{base}.{key}"


def configbase(key: str) -> Callable[[_Class], _Class]:
    """Make the decorated class the base of a type of configurable classes.

    :param key: name of the type; the class's own settings are ``<parentbase>.<key>.default.<name>``, those of its
        subclasses ``<parentbase>.<key>.<subclass>.<name>``
    """

    def decorate(cls: _Class) -> _Class:
        cls.configbase = _below(_parent_base(cls), key)  # type: ignore[attr-defined]
        cls.configkey = cls.configbase + ".default"  # type: ignore[attr-defined]
        return register(cls)

    return decorate


def config(key: str) -> Callable[[_Class], _Class]:
    """Map the decorated class to one node of the configuration.

    :param key: the node is ``<parentbase>.<key>``; subclasses put their names below it
    """

    def decorate(cls: _Class) -> _Class:
        cls.configbase = _below(_parent_base(cls), key)  # type: ignore[attr-defined]
        cls.configkey = cls.configbase  # type: ignore[attr-defined]
        return register(cls)

    return decorate


def defaultconfig(cls: _Class) -> _Class:
    """Map the decorated class by its lower-case name.

    With a parent that has a configbase the settings are ``<parentbase>.<name>.*``; without one the class becomes
    a base like with :func:`configbase`.
    """
    name = cls.__name__.lower()
    base = _parent_base(cls)
    if base is None:
        return configbase(name)(cls)
    cls.configbase = base  # type: ignore[attr-defined]
    cls.configkey = f"{base}.{name}"  # type: ignore[attr-defined]
    return register(cls)
