"""Calls as events, one after the other: clients that tell calls apart by their order would lose mixed ones. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nodexa.v1.item_pb2 import Item

from service.model.chunk import Chunk, ToolCallDelta
from service.model.custom_input import CustomInput
from service.model.offers import Offer
from service.runner.calls import CALL_KINDS, begun_call, done_event
from service.runner.json_end import JsonEnd
from service.runner.tale import Tale


@dataclass(slots=True)
class _Call:
    """A call in the making: what came of it, and what was told."""

    name: str
    call_id: str
    index: int = -1
    kind: str = ""
    untold: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    end: JsonEnd = field(default_factory=JsonEnd)
    decoder: CustomInput | None = None
    over: bool = False

    def take(self, piece: str) -> None:
        if piece:
            self.untold.append(piece)
            self.unread.append(piece)

    def whole(self) -> bool:
        """Whether its arguments are complete JSON. Each piece is read once, and only where something waits behind."""
        for piece in self.unread:
            self.end.feed(piece)
        self.unread.clear()
        return self.end.whole


class Calling:
    """Tells of calls. While one isn't whole, all that the model wrote after its beginning waits behind it.

    `play` tells of other chunks than calls; `make_way` ends what is open besides.
    """

    def __init__(
        self,
        tale: Tale,
        *,
        offers: Mapping[str, Offer],
        used_call_ids: Iterable[str],
        play: Callable[[Chunk], None],
        make_way: Callable[[], None],
    ) -> None:
        self._tale = tale
        self._offers = offers
        self._call_ids = set(used_call_ids)
        self._play = play
        self._make_way = make_way
        self._calls: dict[int, _Call] = {}
        self._line: deque[_Call | list[Chunk]] = deque()

    @property
    def busy(self) -> bool:
        """Whether a call is open."""
        return bool(self._line)

    def call(self, chunk: ToolCallDelta) -> None:
        """More of a call. What comes after the end of one that was told as whole is dropped."""
        call = self._calls.get(chunk.index)
        if call is None:
            call = self._calls[chunk.index] = _Call(chunk.name, chunk.call_id)
            self._line.append(call)
        if call.over:
            return
        call.take(chunk.arguments)
        if call is self._line[0] or call is self._line[-1]:
            self._go_on()

    def hold(self, chunk: Chunk) -> None:
        """Something else, behind a call that is open: it's told as soon as that one is whole."""
        last = self._line[-1]
        if isinstance(last, list):
            last.append(chunk)
        else:
            self._line.append([chunk])
            self._go_on()

    def close(self, status: Item.Status.ValueType) -> None:
        """Tells all that waits; the calls end with `status`."""
        while self._line:
            first = self._line[0]
            if isinstance(first, _Call):
                self._tell(first)
            self._pass(first, status)

    def _go_on(self) -> None:
        while self._line:
            first = self._line[0]
            if isinstance(first, _Call):
                self._tell(first)
                if len(self._line) == 1 or not first.whole():
                    return
            self._pass(first, Item.STATUS_COMPLETED)

    def _pass(self, first: _Call | list[Chunk], status: Item.Status.ValueType) -> None:
        if isinstance(first, _Call):
            self._end(first, status)
        else:
            for chunk in first:
                self._play(chunk)
        self._line.popleft()

    def _tell(self, call: _Call) -> None:
        if call.index < 0:
            self._begin(call)
        text = "".join(call.untold)
        call.untold.clear()
        self._grow(call, call.decoder.feed(text) if call.decoder else text)

    def _begin(self, call: _Call) -> None:
        self._make_way()
        item = begun_call(call.name, self._call_id(call.call_id), self._offers.get(call.name))
        call.kind = str(item.WhichOneof("kind"))
        item.id = self._tale.new_id(CALL_KINDS[call.kind].prefix)
        if call.kind == "custom_tool_call":
            call.decoder = CustomInput()
        call.index = self._tale.begin(item)

    def _grow(self, call: _Call, text: str) -> None:
        if text:
            call.told.append(text)
            item = self._tale.response.output[call.index]
            piece = {"item_id": item.id, "output_index": call.index, "delta": text}
            self._tale.add(**{CALL_KINDS[call.kind].delta: piece})

    def _end(self, call: _Call, status: Item.Status.ValueType) -> None:
        self._grow(call, call.decoder.rest() if call.decoder else "")
        item = self._tale.response.output[call.index]
        setattr(getattr(item, call.kind), CALL_KINDS[call.kind].text, "".join(call.told))
        self._tale.add(**done_event(item, call.index))
        self._tale.end(call.index, status)
        call.over = True
        call.told.clear()

    def _call_id(self, given: str) -> str:
        call_id = given if given and given not in self._call_ids else self._tale.new_id("call")
        self._call_ids.add(call_id)
        return call_id
