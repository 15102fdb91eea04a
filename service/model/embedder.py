"""The model that embeds texts, behind any server that speaks `/v1/embeddings`."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.model.chat_errors import garbled, told
from service.model.chat_upstream import Upstream
from service.model.deadlines import Deadlines
from service.model.http_client import parse_address
from service.settings import EmbeddingsSettings

SECONDS: Final = 90.0
"""What one request may take, tries included."""
ANSWER_BYTES: Final = 64 * 1024 * 1024
_BYTES: Final = 4


class Embedder:
    """One model on one server. `api_key` and the `options` are those of Upstream.

    `name` stands for everything that vectors depend on: those of two names can't be compared. Raises ValueError when
    the base_url is none.
    """

    def __init__(self, settings: EmbeddingsSettings, *, api_key: Callable[[], str], **options: Any) -> None:
        self.name = f"{settings.model}@{settings.dimensions}" if settings.dimensions else settings.model
        self.batch = settings.batch
        self._settings = settings
        self._upstream = Upstream(
            settings.model,
            parse_address(settings.base_url, "/embeddings"),
            api_key=api_key,
            deadlines=Deadlines(total=SECONDS, reply=SECONDS),
            **options,
        )

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text: numbers of 4 bytes, as this machine writes them. Raises NodexaError.

        It is `context_length_exceeded` where one of them is longer than the model reads.
        """
        # Half the bytes of numbers as text, and the form that OpenAI's SDKs ask for; who doesn't know it sends numbers.
        body: dict[str, Any] = {"model": self._settings.model, "input": list(texts), "encoding_format": "base64"}
        if self._settings.dimensions:
            body["dimensions"] = self._settings.dimensions
        answer = await self._upstream.whole(orjson.dumps(body), most=ANSWER_BYTES)
        return read_vectors(answer, model=self._settings.model, count=len(texts), dimensions=self._settings.dimensions)

    def close(self) -> None:
        """Closes every connection; what is under way fails."""
        self._upstream.close()


def read_vectors(answer: bytes, *, model: str, count: int, dimensions: int = 0) -> list[bytes]:
    """The vectors in a server's answer, in the order of the texts; pure. Raises NodexaError for what is none."""
    try:
        said = orjson.loads(answer)
        if "error" in said:
            raise told(said["error"], model=model)
        rows = sorted(said["data"], key=lambda row: int(row["index"]))
        vectors = [_vector(row["embedding"]) for row in rows]
        whole = [row["index"] for row in rows] == list(range(count))
    except NodexaError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError):
        raise _garbled(model) from None
    sizes = {len(vector) for vector in vectors}
    if not whole or len(sizes) != 1 or (dimensions and sizes != {dimensions * _BYTES}):
        raise _garbled(model)
    return vectors


def _vector(given: object) -> bytes:
    if isinstance(given, str):
        numbers = array("f", base64.b64decode(given, validate=True))
    elif isinstance(given, list):
        numbers = array("f", given)
    else:
        raise TypeError("neither text nor numbers")
    if not numbers or not math.isfinite(sum(numbers)):
        raise ValueError("no vector")
    return numbers.tobytes()


def _garbled(model: str) -> NodexaError:
    return garbled(model, "something else than one embedding for each text, all of them with the same dimensions")
