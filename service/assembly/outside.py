"""What a core is given by the program that starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.ids import NewId
from service.runner.catalog import OpenModel
from service.runner.hands import Caps
from service.settings import Clock
from service.tools.tool import Kind


@dataclass(frozen=True, slots=True)
class Outside:
    """What a core is given.

    `problem` says why a model can't answer now; `from_file` are the operator's own models; `kinds` are kinds of tools
    beside the core's own, and `caps` is what a response may do with any.
    """

    open_model: OpenModel
    problem: Callable[[ModelConfig], str]
    clock: Clock
    new_id: NewId
    from_file: Mapping[str, ModelConfig]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)
