"""The calls of one bridge, each before the same gate and servicers as a plain one, however its parts get here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import grpc

from bridge_link.parts import CREDIT, END, OPEN, Say, credit_in, end, read_opening
from service.rpc.hop_call import BridgeCall, Handler, Line, Metadata, Refusal, said, too_large

AtOnce = Callable[[BridgeCall, bytes], bool]
"""Plays a call with its request and no task; whether it does. Where it doesn't, it has done nothing."""
_UNKNOWN: Final = (grpc.StatusCode.UNIMPLEMENTED, "There is no such RPC.")


class Calls:
    """The calls of one bridge; `say` takes what there is to say about them.

    `rpcs` may be called, with messages of `largest` bytes, at most `most` at a time; for some there is a way to play
    them `at_once`. `over` is set when no more calls are taken and none is left.
    """

    def __init__(
        self, rpcs: Mapping[str, Handler], say: Say, *, largest: int, most: int, at_once: Mapping[str, AtOnce]
    ) -> None:
        self.over = asyncio.Event()
        self._rpcs = rpcs
        self._at_once = at_once
        self._say = say
        self._largest = largest
        self._most = most
        self._open: dict[int, BridgeCall] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._retiring = False
        self._line = Line(say, self._forget, largest, asyncio.get_running_loop())

    def take(self, call: int, kind: int, data: bytes) -> None:
        """Takes what the bridge says. Raises ValueError where that can't be understood."""
        if kind == OPEN:
            self._begin(call, *read_opening(data))
        elif (opened := self._open.get(call)) is None:
            return  # It has ended meanwhile.
        elif kind == CREDIT:
            opened.credit(credit_in(data))
        else:
            # Forgotten at once: a task that never began can't say that it ended, and would keep its call for ever.
            self._forget(call)
            self._stop(opened)

    def retire(self) -> None:
        """Takes no more calls."""
        self._retiring = True
        if not self._open:
            self.over.set()

    def lose(self) -> None:
        """The bridge is gone: takes no more calls, and ends those that are open."""
        for call in list(self._open.values()):
            self._stop(call)
        self._open.clear()
        self.retire()

    async def close(self) -> None:
        """Takes no more calls, and ends those that are open."""
        self.lose()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self, number: int, method: str, metadata: Metadata, request: bytes) -> None:
        handler = self._rpcs.get(method)
        refusal = self._refusal(number, len(request)) if handler is not None else _UNKNOWN
        if handler is None or refusal is not None:
            self._say(number, END, end(*said(*(refusal or _UNKNOWN))))
            return
        call = self._open[number] = BridgeCall(number, method, metadata, self._line)
        at_once = self._at_once.get(method)
        if at_once is None or not at_once(call, request):
            call.begin(handler, request)

    def _stop(self, call: BridgeCall) -> None:
        task = call.stop()
        if task is not None:
            # A task of which only its call knows may be thrown away: this one has to be waited for, too.
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _refusal(self, number: int, size: int) -> Refusal | None:
        if self._retiring:
            return grpc.StatusCode.UNAVAILABLE, "The core is going down."
        if number in self._open or len(self._open) >= self._most:
            return grpc.StatusCode.RESOURCE_EXHAUSTED, "The bridge has too many calls open."
        return too_large("request", self._largest) if size > self._largest else None

    def _forget(self, number: int) -> None:
        self._open.pop(number, None)
        if self._retiring and not self._open:
            self.over.set()
