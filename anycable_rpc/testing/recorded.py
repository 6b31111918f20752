"""Lists of what was recorded. A failed comparison, and an item that is missing, show what else there was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Recorded"]


class Recorded(list[Any]):
    """A list with a context: what pytest shows below a comparison that has failed.

    Args:
        items: the items.
        context: returns the lines.
    """

    def __init__(self, items: Iterable[Any], context: Callable[[], list[str]]) -> None:
        super().__init__(items)
        self._context = context

    def __getitem__(self, index: Any) -> Any:
        try:
            return super().__getitem__(index)
        except IndexError:
            counted = f"list index {index} out of range: there are {len(self)} items"
            raise IndexError("\n".join([counted, *self.context()])) from None

    def context(self) -> list[str]:
        """Return the lines."""
        return self._context()

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """Let a copy be a plain list."""
        return list, (list(self),)
