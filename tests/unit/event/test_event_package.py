"""What the package re-exports."""

from __future__ import annotations

import pytest

import vlcp.event


@pytest.mark.parametrize("name", vlcp.event.__all__)
def test_every_name_of_the_package_can_be_imported(name):
    assert getattr(vlcp.event, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        vlcp.event.Nothing  # noqa: B018


def test_both_names_of_the_decorator_are_the_same():
    assert vlcp.event.withIndices is vlcp.event.with_indices
