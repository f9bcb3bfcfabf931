"""Work done ahead of its use, in one thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

__all__ = ["iter_ahead"]

Item = TypeVar("Item")

# How soon the thread notices that nobody wants more.
POLL_S = 0.2


def iter_ahead(items: Iterable[Item], depth: int) -> Generator[Item, None, None]:
    """Yields what `items` yields, in its order, while a thread of its own makes up to `depth` more.

    Closing the generator ends the thread.

    Args:
        items: Endless or not; runs in the thread.
        depth: Items held ready.

    Raises:
        Exception: Whatever `items` raised, in its place.
    """
    ready: queue.Queue[tuple[str, object]] = queue.Queue(depth)
    closed = threading.Event()

    def offer(kind: str, value: object) -> None:
        while not closed.is_set():
            try:
                return ready.put((kind, value), timeout=POLL_S)
            except queue.Full:
                continue

    def fill() -> None:
        try:
            for item in items:
                offer("item", item)
                if closed.is_set():
                    return
            offer("end", None)
        except Exception as error:  # belongs to whoever iterates
            offer("error", error)

    thread = threading.Thread(target=fill, name="codeseek-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value  # type: ignore[misc]
            yield value  # type: ignore[misc]
    finally:
        closed.set()
        thread.join()
