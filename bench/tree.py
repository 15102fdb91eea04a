"""`python -m bench.tree < raw`: what py-spy saw (`--format raw`) as a small tree of text, in per cent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

LEAST: Final = 0.02
OURS: Final = ("service/", "rest_bridge/", "bridge_link/", "single_process/")
ENTRY: Final = ("<module>", "main")
_PLACE: Final = re.compile(r"^(\S+) \((.*?)(?::\d+)?\)$")


@dataclass(slots=True)
class Node:
    """How many samples were in a function, and in those that it called."""

    samples: int = 0
    below: dict[str, Node] = field(default_factory=dict)


def grown(lines: Iterable[str]) -> Node:
    """The tree of stacks: our own functions in their order, and last what of others' they were waiting for."""
    top = Node()
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        node = top
        node.samples += int(count)
        for name in _names(stack.split(";")):
            node = node.below.setdefault(name, Node())
            node.samples += int(count)
    return top


def own_paths(frames: list[str]) -> list[str]:
    """The files of our own functions in a stack, the outermost first."""
    found = [_PLACE.match(frame) for frame in frames]
    return [match[2] for match in found if match and match[2].startswith(OURS)]


def _names(frames: list[str]) -> list[str]:
    found = [_PLACE.match(frame) for frame in frames]
    places = [(match[1], match[2]) for match in found if match]
    own = [number for number, (_, path) in enumerate(places) if path.startswith(OURS)]
    last = own[-1] if own else -1
    names = [f"{path}: {name}" for number, (name, path) in enumerate(places) if number in own and name not in ENTRY]
    if last < len(places) - 1:
        name, path = places[last + 1]
        names.append(f"{path.rpartition('site-packages/')[2].rpartition('lib/')[2]}: {name}")
    return names


def told(top: Node) -> Iterator[str]:
    """A line for each node that is worth one."""

    def below(node: Node, depth: int) -> Iterator[str]:
        for name, child in sorted(node.below.items(), key=lambda pair: -pair[1].samples):
            share = child.samples / top.samples
            if share >= LEAST:
                yield f"{share:5.0%} {'  ' * depth}{name}"
                yield from below(child, depth + 1)

    return below(top, 0)


if __name__ == "__main__":
    print("\n".join(told(grown(sys.stdin))))
