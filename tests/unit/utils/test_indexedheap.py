"""The indexed heap against a sorted list."""

from __future__ import annotations

import random

import pytest

from vlcp.utils.indexedheap import IndexedHeap


@pytest.mark.parametrize("seed", range(20))
def test_the_heap_behaves_like_a_sorted_list(seed):
    rng = random.Random(seed)
    heap, model = IndexedHeap(), {}
    for _ in range(500):
        value, priority = rng.randint(0, 30), (rng.randint(0, 1000), rng.random())
        action = rng.choice(["push", "push", "remove", "pop", "set", "poppush", "pushpop", "replace"])
        if action == "push":
            heap.push(value, priority)
            model[value] = priority
        elif action == "remove":
            heap.remove(value)
            model.pop(value, None)
        elif action == "set" and value in model:
            heap.setpriority(value, priority)
            model[value] = priority
        elif action == "replace" and value in model and 99 not in model:
            heap.replace(value, 99)
            model[99] = model.pop(value)
        elif action == "pop" and model:
            smallest = min(model, key=model.get)
            assert heap.pop() == smallest
            del model[smallest]
        elif action == "poppush" and model and value not in model:
            smallest = min(model, key=model.get)
            assert heap.poppush(value, priority) == smallest
            del model[smallest]
            model[value] = priority
        elif action == "pushpop" and value not in model:
            model[value] = priority
            smallest = min(model, key=model.get)
            assert heap.pushpop(value, priority) == smallest
            del model[smallest]
        assert len(heap) == len(model)
        assert (value in heap) == (value in model)
        if model:
            assert heap.top() == min(model, key=model.get)
            assert heap.topPriority() == min(model.values())


def test_an_empty_heap_has_no_top():
    heap = IndexedHeap()
    for method in (heap.top, heap.topPriority, heap.pop):
        with pytest.raises(IndexError):
            method()
    with pytest.raises(KeyError):
        heap.setpriority(1, 1)
    heap.push(1, 1)
    heap.push(2, 2)
    with pytest.raises(ValueError):
        heap.replace(1, 2)
    heap.clear()
    assert len(heap) == 0
