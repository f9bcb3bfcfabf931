# ruff: noqa
# fmt: off
"""Sample: what the chunker makes of Python."""

from __future__ import annotations

import functools

LIMIT = 3


# Says when a line is empty.
# Blanks count as nothing.
def is_blank(line: str) -> bool:
    return not line.strip()


@functools.lru_cache(maxsize=None)
def parse_header(text: str) -> dict[str, str]:
    """Parses one header block.

    Unknown fields are kept.
    """
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


class Client:
    """Talks to the server."""

    timeout_s: float = 5.0

    def __init__(self, address: str) -> None:
        self.address = address
        self.open = False

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def close(self):
        self.open = False

    async def fetch(self, path: str) -> bytes:
        """Fetches one page."""

        def retry() -> bytes:
            return b""

        return retry()

    class Error(Exception):
        pass


if __name__ == "__main__":
    print(parse_header("a: b"))
