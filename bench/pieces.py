"""What the code is for, by path: the pieces that the time of a request or an event is divided into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.tree import own_paths

LOOP: Final = "the event loop: sockets, tasks, gRPC's messages"
SYSTEM: Final = "the system's calls of the event loop"
OTHERS: Final = "other threads, gRPC's most of all"
_STORE: Final = "store: SQL, transactions, the log"
# What a thread does without the interpreter, by what it does most with it.
WITHOUT: Final = {_STORE: _STORE}
_THREAD: Final = re.compile(r"\d+")
# A stack belongs to the innermost function of ours; the first beginning that its path has says to which piece.
PIECES: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "core": (
        ("service/__main__", LOOP),
        ("service/store/", _STORE),
        ("service/model/http_", "model server: sockets and HTTP"),
        ("service/model/outbox.py", "model server: sockets and HTTP"),
        ("service/model/sse", "model server: taking its stream apart"),
        ("service/model/chat_reply", "model server: reading its answer into chunks"),
        ("service/model/chat_template", "model server: reading its answer into chunks"),
        ("service/model/", "model server: the request, its messages"),
        ("service/runner/emit", "events: making and numbering them"),
        ("service/runner/writing", "events: making and numbering them"),
        ("service/runner/parts", "events: making and numbering them"),
        ("service/runner/runs", "events: making and numbering them"),
        ("service/runner/tale", "events: making and numbering them"),
        ("service/runner/teller", "events: making and numbering them"),
        ("service/runner/whole", "events: making and numbering them"),
        ("service/runner/fold", "events: making and numbering them"),
        ("service/runner/passing", "events: making and numbering them"),
        ("service/runner/step_log", "log: batches to the store, waking readers"),
        ("service/runner/log", "log: batches to the store, waking readers"),
        ("service/runner/flow", "log: batches to the store, waking readers"),
        ("service/runner/tail", "log: batches to the store, waking readers"),
        ("service/runner/pen", "log: batches to the store, waking readers"),
        ("service/runner/run", "run: start, driving, end"),
        ("service/runner/turn", "run: start, driving, end"),
        ("service/runner/lone", "events: making and numbering them"),
        ("service/runner/early", "run: start, driving, end"),
        ("service/runner/unread", "run: start, driving, end"),
        ("service/runner/truncation", "run: start, driving, end"),
        ("service/runner/", "admission: assistant, settings, history, checks"),
        ("service/rpc/hop", "hop: frames to and from the bridge"),
        ("bridge_link/", "hop: frames to and from the bridge"),
        ("service/rpc/", "gate: key, rights, limits, servicer"),
        ("service/", "ids, keys, errors, logging"),
    ),
    "bridge": (
        ("rest_bridge/__main__", LOOP),
        ("rest_bridge/wire/event", "rendering: events"),
        ("rest_bridge/wire/request", "request: JSON to message"),
        ("rest_bridge/wire/", "rendering: response, items, JSON"),
        ("rest_bridge/sse", "stream: batches to the client's socket"),
        ("rest_bridge/routes/streaming", "stream: batches to the client's socket"),
        ("rest_bridge/follow", "stream: batches to the client's socket"),
        ("rest_bridge/hop", "hop: frames to and from the core"),
        ("bridge_link/", "hop: frames to and from the core"),
        ("rest_bridge/core", "hop: frames to and from the core"),
        ("rest_bridge/body", "request: its body"),
        ("rest_bridge/protocol", "HTTP: parsing, writing"),
        ("rest_bridge/presence", "HTTP: parsing, writing"),
        ("rest_bridge/reply", "HTTP: parsing, writing"),
        ("rest_bridge/app", "routing, headers, sending"),
        ("rest_bridge/", "routing, headers, sending"),
    ),
}


def shares(lines: Iterable[str], process: str, cpu: Mapping[int, float], sample: float) -> dict[str, float]:
    """How much of a process's CPU each piece had, the largest first.

    `lines` are what py-spy saw of the holders of the interpreter (`--gil --threads --format raw`), a sample every so
    many seconds; `cpu` is what each thread has used, in seconds. What it used without the interpreter has no stack.
    """
    seen: dict[int, dict[str, float]] = {}
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        thread, *frames = stack.split(";")
        pieces = seen.setdefault(int(_THREAD.findall(thread)[0]), {})
        name = piece(own_paths(frames), process)
        pieces[name] = pieces.get(name, 0) + int(count) * sample
    found: dict[str, float] = {}
    for thread_id, used in cpu.items():
        pieces = seen.get(thread_id, {})
        held = sum(pieces.values())
        most = next((name for name, _ in sorted(pieces.items(), key=lambda pair: -pair[1])), "")
        rest = WITHOUT.get(most, SYSTEM if most else OTHERS)
        pieces[rest] = pieces.get(rest, 0) + max(0.0, used - held)
        for name, seconds in pieces.items():
            found[name] = found.get(name, 0) + seconds * used / max(used, held)
    total = sum(found.values())
    return {name: seconds / total for name, seconds in sorted(found.items(), key=lambda pair: -pair[1])}


def piece(paths: Sequence[str], process: str) -> str:
    """Of a stack's paths, the outermost first."""
    inner = paths[-1] if paths else ""
    return next((name for start, name in PIECES[process] if inner.startswith(start)), LOOP)
