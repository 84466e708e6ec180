"""Classes of data objects that go together; the public place is :mod:`vlcp.utils.dataobject`."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from vlcp.utils._keys import split_key


class Relationship:
    """Two classes whose objects live and die together.

    :param left: class of the leading object
    :param right: class of the object that goes with it
    :param joined_key_pairs: pairs (index of left, index of right); every index of ``right`` is named
    """

    __module__ = "vlcp.utils.dataobject"

    def __init__(self, left: Any, right: Any, *joined_key_pairs: Tuple[str, str]) -> None:
        self.left = left
        self.right = right
        self._to_right = {second: first for first, second in joined_key_pairs}
        self._to_left = dict(joined_key_pairs)

    def rightkey(self, leftkey: Any) -> str:
        """Return the key on the right side.

        :param leftkey: key, reference or object of the left class
        :raises ValueError: it is no key of the left class
        """
        return self._convert(leftkey, self.left, self.right, self._to_right)

    def leftkey(self, rightkey: Any) -> str:
        """Return the key on the left side.

        :param rightkey: key, reference or object of the right class
        :raises ValueError: it is no key of the right class
        """
        return self._convert(rightkey, self.right, self.left, self._to_left)

    @staticmethod
    def _convert(key: Any, source: Any, target: Any, names: Dict[str, str]) -> str:
        text = key if isinstance(key, str) else key.getkey()
        values = split_key(source._prefix, len(source._indices), text)
        if values is None:
            raise ValueError("%.200r is no key of a %s" % (text, source.__name__))
        known = dict(zip(source._indices, values))
        return target.default_key(*[known[names[name]] for name in target._indices])
