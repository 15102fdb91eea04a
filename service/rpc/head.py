"""What a caller is told before the answer: initial metadata, which a call has once."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nodexa.v1.admin_pb2 import ApiKey

from service.rpc.rates import told
from service.runner.caller import Caller
from service.runner.limits import Standing

if TYPE_CHECKING:
    import grpc

_DIALECT: Final = (("x-nodexa-dialect", "nodexa"),)
_UNLIMITED: Final[Standing] = MappingProxyType({})


async def send_head(
    context: grpc.aio.ServicerContext[Any, Any], caller: Caller, standing: Standing = _UNLIMITED
) -> None:
    """Tells which dialect the key was made for, and how its limits stand; most callers are told nothing."""
    head = (*(_DIALECT if caller.dialect == ApiKey.DIALECT_NODEXA else ()), *told(standing))
    if head:
        await context.send_initial_metadata(head)
