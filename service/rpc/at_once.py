"""A bridge's call for a response that needs no task: it's begun by a call, and told by calls what becomes of its run.

What isn't as it nearly always is, every refusal among it, is left to the gate and to the servicer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from service.errors import NodexaError
from service.rpc.access import SCOPES
from service.rpc.gate import Context, Gate, refuse
from service.rpc.hop_call import BridgeCall
from service.rpc.open_calls import ENDED, OpenCall
from service.runner.flow import Flow
from service.runner.run import Run
from service.runner.runner import Runner

CREATE: Final = "/nodexa.v1.ResponseService/CreateResponse"
STREAM: Final = "/nodexa.v1.ResponseService/StreamResponse"
_SCOPES: Final = SCOPES[CREATE] & SCOPES[STREAM]


class CallsAtOnce:
    """Begins such calls, for callers who called a moment ago; those of who reads before the end if `streaming`."""

    def __init__(self, gate: Gate, runner: Runner, *, streaming: bool) -> None:
        self._streaming = streaming
        self.gate = gate
        self.runner = runner
        self._calls = gate.calls
        self._authenticator = gate.authenticator

    def begin(self, call: BridgeCall, request: bytes) -> bool:
        """Whether the call is on its way; where it isn't, nothing was done."""
        if self._calls.full:
            return False
        caller = self._authenticator.at_hand(call.invocation_metadata())
        if caller is None or caller.told_first or _SCOPES.isdisjoint(caller.scopes):
            return False
        streaming = self._streaming
        try:
            run = self.runner.start_at_once(CreateResponseRequest.FromString(request), caller, streaming=streaming)
        except (DecodeError, NodexaError):
            return False
        if run is None:
            return False
        (_Streaming if streaming else _Waiting)(self, call, run, key_id=caller.key_id).begin()
        return True


class _Waiting:
    """A call whose run is on its way: one of the open calls, and a reader of the run."""

    ends = False
    writing = False
    _over = False

    def __init__(self, at_once: CallsAtOnce, call: BridgeCall, run: Run, *, key_id: str) -> None:
        self.key_id = key_id
        self._call = call
        self._run = run
        self._calls = at_once.gate.calls
        self._telling = at_once.runner.telling
        self._gate = at_once.gate

    def begin(self) -> None:
        """Waits for the end of the run, or of the call."""
        self._run.count_reader(1)
        self._calls.open.add(self)
        self._call.left = self._leave
        self._run.log.when_closed(self._answer)

    def cut(self) -> None:
        """Ends the call, whose key stopped working."""
        if not self._over:
            self._leave()
            self._tell(self._refused)

    def _answer(self) -> None:
        if self._over:
            return
        self._over = True
        self._calls.open.discard(self)
        result = self._telling.good_result(self._run)
        if result is not None:
            self._call.answer(result)
        else:
            self._tell(self._rest)

    def _leave(self) -> None:
        self._over = True
        self._calls.open.discard(self)
        self._run.count_reader(-1)

    def _tell(self, rest: Callable[[], Awaitable[bytes]]) -> None:
        """Has a task tell how the call ends."""

        async def answer(_: bytes, context: Context) -> bytes:
            request_id = self._gate.request_id(context)
            try:
                return await rest()
            except Exception as error:  # noqa: BLE001 - each becomes what may be told of it
                await refuse(error, CREATE, context, request_id)

        self._call.begin(grpc.unary_unary_rpc_method_handler(answer, None, bytes), b"")

    async def _rest(self) -> bytes:
        with OpenCall(self._calls, self.key_id):
            return await self._telling.result(self._run)

    async def _refused(self) -> bytes:
        raise NodexaError("invalid_api_key", ENDED)


class _Streaming(_Waiting):
    """The same for a call that is told what its run says as it comes."""

    _flow: Flow

    def begin(self) -> None:
        self._run.count_reader(1)
        self._calls.open.add(self)
        self._call.left = self._leave
        self._flow = self._telling.flow(self._run)
        self._call.pass_at_once(self._flow, self._answer)

    def _answer(self) -> None:
        self._over = True
        self._calls.open.discard(self)
        if self._run.refusal is None and not self._run.lost:
            self._call.end()
        else:
            self._call.begin(grpc.unary_stream_rpc_method_handler(self._behind, None, bytes), b"")

    def _leave(self) -> None:
        super()._leave()
        self._flow.leave()

    async def _behind(self, _: bytes, context: Context) -> AsyncGenerator[bytes, None]:
        request_id = self._gate.request_id(context)
        try:
            with OpenCall(self._calls, self.key_id):
                async with aclosing(self._telling.behind(self._run, self._flow)) as messages:
                    async for message in messages:
                        yield message
        except Exception as error:  # noqa: BLE001 - each becomes what may be told of it
            await refuse(error, STREAM, context, request_id)
