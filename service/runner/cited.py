"""What a model's text cites of what tools found, as annotations before each message ends."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from service.model.chunk import Annotation, Chunk, Status, TextDelta, TextRun, text_of
from service.tools.citations import citations

_WITHIN: Final = (TextDelta, TextRun, Annotation, Status)
"""What comes within a message; all else ends it."""


def with_citations(
    written: AsyncGenerator[Sequence[Chunk], None], cited: Sequence[Mapping[str, str]]
) -> AsyncGenerator[Sequence[Chunk], None]:
    """What is written, with the annotations of its text; `cited[0]` is the source that `[1]` names."""
    return _annotated(written, cited) if cited else written


async def _annotated(
    written: AsyncGenerator[Sequence[Chunk], None], cited: Sequence[Mapping[str, str]]
) -> AsyncGenerator[Sequence[Chunk], None]:
    text: list[Chunk] = []
    async with aclosing(written) as batches:
        async for batch in batches:
            shown: list[Chunk] = []
            for chunk in batch:
                if not isinstance(chunk, _WITHIN):
                    shown += _annotations(text, cited)
                    text.clear()
                elif isinstance(chunk, (TextDelta, TextRun)):
                    text.append(chunk)
                shown.append(chunk)
            yield shown
    if rest := _annotations(text, cited):
        yield rest


def _annotations(text: Sequence[Chunk], cited: Sequence[Mapping[str, str]]) -> list[Annotation]:
    return [Annotation(json.dumps(each, ensure_ascii=False)) for each in citations(text_of(text), cited)]
