"""The options and words of limits, which keys and organizations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click
from nodexa.v1.admin_pb2 import Limits

F = TypeVar("F", bound=Callable[..., Any])

NONE: Final = "none"
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "requests_per_minute": ("requests/min", "Requests in a minute"),
    "tokens_per_minute": ("tokens/min", "Tokens in a minute, input and output"),
    "concurrent_runs": ("at a time", "Responses that run at the same time"),
}
"""Each field of Limits: its word in a table, and its help."""


class _Limit(click.ParamType[int]):
    name = f"N|{NONE}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; 0 for none."""
        if value == NONE:
            return 0
        if isinstance(value, int):
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a number from 1 on nor {NONE!r}.", param, ctx)
        return int(value)


def limit_options(command: F) -> F:
    """Adds an option for each limit; its value is 0 for none, and None where it isn't given."""
    for name, (_, says) in [*_WORDS.items()][::-1]:
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, name, type=_Limit(), help=f"{says}; {NONE!r} takes the limit away.")(command)
    return command


def given_limits(values: Mapping[str, Any]) -> tuple[Limits, list[str]]:
    """The limits that the options set, and the paths of all that they change."""
    given = {name: values[name] for name in _WORDS if values[name] is not None}
    return Limits(**{name: limit for name, limit in given.items() if limit}), [f"limits.{name}" for name in given]


def limits_text(limits: Limits) -> str:
    """The limits in a line: `60 requests/min, 2 at a time`; empty without any."""
    return ", ".join(f"{getattr(limits, field.name)} {_WORDS[field.name][0]}" for field, _ in limits.ListFields())
