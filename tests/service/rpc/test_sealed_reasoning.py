"""Thinking goes out sealed and comes back whole: by the hand of its client, and through the store."""

from __future__ import annotations

from nodexa.v1.item_pb2 import ContentPart, Item, Reasoning, ReasoningText, SummaryText
from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.model.chunk import Chunk, ReasoningDelta, ReasoningEnd, SummaryDelta, TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, create, stream, user

WANTED = "reasoning.encrypted_content"


def thinks(text: str, *, back: str = "") -> list[list[Chunk]]:
    return [
        [ReasoningDelta(text), SummaryDelta("In short."), ReasoningEnd(back)],
        [TextDelta("Done."), STOP],
    ]


def sealed_only(response: Response) -> Item:
    """The thinking as a client sends it that kept nothing but the sealed text."""
    (item,) = (item for item in response.output if item.HasField("reasoning"))
    return Item(id=item.id, reasoning=Reasoning(encrypted_content=item.reasoning.encrypted_content))


def thought(core: CoreUnderTest) -> list[tuple[str, str, str]]:
    """What the model's last prompt has of thinking: the content, the summary, and what it once gave itself."""
    return [
        (
            "".join(part.reasoning_text.text for part in item.reasoning.content),
            "".join(part.summary_text.text for part in item.reasoning.summary),
            item.reasoning.encrypted_content,
        )
        for item in core.model.prompts[-1].items
        if item.HasField("reasoning")
    ]


async def test_thinking_that_only_its_client_kept_comes_back_to_the_model_whole(core: CoreUnderTest) -> None:
    core.model.add(thinks("A long way round."), says("Yes"))
    settings = ResponseSettings(store=False, include=[WANTED])
    first = await create(core, "Hello", settings=settings)

    second = await create(core, "Hello", sealed_only(first), "Go on", settings=settings)

    assert thought(core) == [("A long way round.", "In short.", "")]
    assert not first.settings.ignored
    assert not second.settings.ignored


async def test_a_stream_says_the_sealed_text_where_the_item_ends(core: CoreUnderTest) -> None:
    core.model.add(thinks("A long way round."))

    events = await stream(core, settings=ResponseSettings(include=[WANTED]))

    items = [event.output_item_done.item for event in events if event.HasField("output_item_done")]
    assert items[0].reasoning.encrypted_content.startswith("nxs1_")
    assert items[0] == events[-1].completed.response.output[0]


async def test_thinking_is_sealed_only_where_somebody_wants_it_back(core: CoreUnderTest) -> None:
    core.model.add(thinks("For nobody."), thinks("For its model.", back="model:1"))

    plain, needed = await create(core), await create(core)

    assert not plain.output[0].reasoning.HasField("encrypted_content")
    assert needed.output[0].reasoning.encrypted_content.startswith("nxs1_")
    assert "model:1" not in needed.output[0].reasoning.encrypted_content


async def test_what_a_model_wants_back_comes_back_through_the_store(core: CoreUnderTest) -> None:
    core.model.add(thinks("A long way round.", back="model:1"), says("Yes"))
    first = await create(core, settings=ResponseSettings(include=[WANTED]))

    await create(core, "Go on", previous_response_id=first.id)

    assert thought(core) == [("A long way round.", "In short.", "model:1")]


async def test_what_stands_beside_a_sealed_text_does_not_count(core: CoreUnderTest) -> None:
    core.model.add(thinks("The truth."), says("Yes"))
    item = sealed_only(await create(core, settings=ResponseSettings(include=[WANTED])))
    item.reasoning.content.append(ContentPart(reasoning_text=ReasoningText(text="A lie.")))

    await create(core, "Hello", item, "Go on")

    assert thought(core) == [("The truth.", "In short.", "")]


async def test_thinking_that_others_sealed_is_kept_and_noted_and_not_shown(core: CoreUnderTest) -> None:
    core.model.add(says("One"), says("Two"))
    summary = [ContentPart(summary_text=SummaryText(text="In short."))]
    empty = Item(reasoning=Reasoning(encrypted_content="gAAAAABforeign"))
    readable = Item(reasoning=Reasoning(summary=summary, encrypted_content="gAAAAABforeign"))

    first = await create(core, "Hello", empty, "And?", readable, "Go on")
    await create(core, "More", previous_response_id=first.id)

    assert thought(core) == [("", "In short.", "")]
    assert list(first.settings.ignored) == ["input[1].encrypted_content", "input[3].encrypted_content"]


async def test_a_sealed_text_that_was_changed_is_refused_by_its_place(core: CoreUnderTest) -> None:
    core.model.add(thinks("A long way round."))
    item = sealed_only(await create(core, settings=ResponseSettings(include=[WANTED])))
    text = item.reasoning.encrypted_content
    item.reasoning.encrypted_content = text[:-9] + ("A" if text[-9] != "A" else "B") + text[-8:]

    call = core.responses.CreateResponse(asking(core, user("Hello"), item, user("Go on")), metadata=core.metadata())
    answer = await refusal(call)

    assert (answer.status, answer.reason) == ("INVALID_ARGUMENT", "invalid_encrypted_content")
    assert answer.param == "input[1].encrypted_content"
