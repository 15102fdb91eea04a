"""Page sizes and tokens of every list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from service.errors import NodexaError

DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 100


class HasId(Protocol):
    """Anything with an id to page by."""

    @property
    def id(self) -> str:
        """The id."""


T = TypeVar("T", bound=HasId)


def page_size(asked: int, *, most: int = MAX_PAGE, default: int = DEFAULT_PAGE) -> int:
    """The size of a page. Raises NodexaError `invalid_request` outside 0 to `most`; 0 means `default`."""
    if not 0 <= asked <= most:
        raise NodexaError("invalid_request", f"page_size must be between 1 and {most}.", param="page_size")
    return asked or default


def cut_page(found: Sequence[T], size: int) -> tuple[Sequence[T], str]:
    """One page of `found`, which holds one entry more than `size` where more follow; and the token of the next."""
    page = found[:size]
    return page, page[-1].id if len(found) > size else ""


def rest_after(items: Sequence[T], token: str) -> Sequence[T]:
    """What comes after the entry with the id `token`. Raises NodexaError `invalid_request` when there is none."""
    if not token:
        return items
    for place, item in enumerate(items):
        if item.id == token:
            return items[place + 1 :]
    raise NodexaError("invalid_request", "The page token names no entry of this list.", param="page_token")
