"""Work ahead keeps its order, hands on errors and ends its thread."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from codeseek.train.prefetch import iter_ahead


def test_order_is_kept_and_the_end_is_the_end() -> None:
    assert list(iter_ahead(range(50), 3)) == list(range(50))


def test_closing_ends_the_thread_of_an_endless_source() -> None:
    ahead = iter_ahead(itertools.count(), 2)
    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "codeseek-ahead"]


def test_an_error_comes_in_its_place() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    ahead = iter_ahead(broken(), 5)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="two"):
        next(ahead)
