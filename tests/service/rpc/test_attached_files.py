"""Uploaded files that stand in the input by their ids: the model reads what is in them, and nobody else's."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from nodexa.v1 import file_service_pb2
from nodexa.v1.item_pb2 import (
    ContentPart,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Item,
    Message,
)
from nodexa.v1.response_service_pb2 import CompactResponseRequest, CountInputTokensRequest, CreateResponseRequest

from service.model.model import Abilities
from service.model.scripted import ScriptedModel, calls, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.documents import pdf, word
from tests.service.files import files, knowledge_in_days, upload
from tests.service.keys import as_another_organization
from tests.service.refusals import refusal
from tests.service.requests import user, with_tools

PNG = b"\x89PNG\r\n\x1a\n and so on"
SECRET = "canary-of-a-file"


def file_part(file_id: str) -> ContentPart:
    return ContentPart(input_file=InputFile(file_id=file_id))


def message(*parts: ContentPart) -> Item:
    said = [ContentPart(input_text=InputText(text="What is in it?")), *parts]
    return Item(message=Message(role=Message.ROLE_USER, content=said))


async def ask(core: CoreUnderTest, *items: Item, **more: Any) -> str:
    """The id of the answer."""
    request = CreateResponseRequest(assistant_id=core.assistant_id, input=items, **more)
    return (await core.responses.CreateResponse(request, metadata=core.metadata())).id


def read(core: CoreUnderTest, place: int = -1) -> Sequence[ContentPart]:
    """The parts of the last message that the model was told, behind the question."""
    return core.model.prompts[place].items[-1].message.content[1:]


@pytest.mark.parametrize(
    ("filename", "data", "text"),
    [
        ("a.md", b"# Rules\n\nNo dogs.", "File a.md:\n# Rules\n\nNo dogs."),
        ("a.docx", word("One.", "Two."), "File a.docx:\nOne.\nTwo."),
        ("a.pdf", pdf("A page."), "File a.pdf:\nA page."),
        ("long.txt", b"word " * 9000, "File long.txt:\n" + ("word " * 9000).strip()),
    ],
)
async def test_a_model_gets_the_text_of_a_file(core: CoreUnderTest, filename: str, data: bytes, text: str) -> None:
    core.model.add(says("Rules."))
    await ask(core, message(file_part(await upload(core, data, filename=filename))))
    [part] = read(core)
    assert part.input_text.text.split() == text.split()


async def test_a_model_that_reads_pdf_gets_it_whole_and_the_text_of_others(settings: Settings) -> None:
    data = pdf("A page.")
    async with running_core(settings, ScriptedModel([says("A page.")], abilities=Abilities(files=True))) as core:
        named = [await upload(core, data, filename="a.pdf"), await upload(core, "<p>Hi</p>", filename="a.html")]
        await ask(core, message(*map(file_part, named)))
    whole, text = read(core)
    assert whole.input_file.filename == "a.pdf"
    assert whole.input_file.file_data == f"data:application/pdf;base64,{base64.b64encode(data).decode()}"
    assert not whole.input_file.file_id
    assert text.input_text.text == "File a.html:\nHi"


async def test_a_server_that_runs_tools_gets_files_whole_and_keeps_its_own(settings: Settings) -> None:
    model = ScriptedModel([says("Seen.")], abilities=Abilities(files=True, hosted=True))
    async with running_core(settings, model) as core:
        named = [await upload(core, "a,b", filename="a.csv"), "file-of-that-server"]
        await ask(core, message(*map(file_part, named)))
    whole, theirs = read(core)
    assert whole.input_file.file_data == f"data:text/csv;base64,{base64.b64encode(b'a,b').decode()}"
    assert theirs.input_file.file_id == "file-of-that-server"


async def test_an_image_is_shown(core: CoreUnderTest) -> None:
    core.model.add(says("A cat."))
    image = InputImage(file_id=await upload(core, PNG, filename="cat"), detail="low")
    await ask(core, message(ContentPart(input_image=image)))
    [part] = read(core)
    assert part.input_image.image_url == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert (part.input_image.detail, part.input_image.file_id) == ("low", "")


async def test_the_file_stays_in_the_conversation_until_it_is_deleted_and_is_kept_nowhere_else(
    core: CoreUnderTest,
) -> None:
    core.model.add(says("Rules."), says("No dogs."), says("No more."))
    name = await upload(core, f"No dogs. {SECRET}", filename="a.md")
    first = await ask(core, message(file_part(name)))
    second = await ask(core, user("What else?"), previous_response_id=first)
    assert core.model.prompts[-1].items[0].message.content[1].input_text.text == f"File a.md:\nNo dogs. {SECRET}"

    await files(core).DeleteFile(file_service_pb2.DeleteFileRequest(id=name), metadata=core.metadata())
    await ask(core, user("And now?"), previous_response_id=second)
    told = core.model.prompts[-1].items[0].message.content[1].input_text.text
    assert told == "[A file that was given here is not there any more.]"
    await knowledge_in_days(core, 0).prune()
    await core.core.database.alone(lambda db: db.conn.execute("pragma wal_checkpoint(truncate)").fetchall())
    everything = b"".join(path.read_bytes() for path in core.data.rglob("*") if path.is_file())
    assert SECRET.encode() not in everything


async def test_an_output_of_a_function_may_be_a_file(core: CoreUnderTest) -> None:
    core.model.add(calls(("fetch", "{}")), says("It says hello."))
    request = CreateResponseRequest(
        assistant_id=core.assistant_id, input=[user("Fetch it.")], settings=with_tools("fetch")
    )
    asked = await core.responses.CreateResponse(request, metadata=core.metadata())
    output = FunctionCallOutput(call_id=asked.output[0].function_call.call_id)
    output.parts.parts.append(file_part(await upload(core, "Hello.")))
    await ask(core, Item(function_call_output=output), previous_response_id=asked.id)
    [part] = core.model.prompts[-1].items[-1].function_call_output.parts.parts
    assert part.input_text.text == "File a.txt:\nHello."


async def test_a_compaction_keeps_the_id_and_not_the_text(core: CoreUnderTest) -> None:
    core.model.add(says("A summary."), says("Still."))
    name = await upload(core, "No dogs.", filename="a.md")
    rules = message(file_part(name))
    rules.message.role = Message.ROLE_DEVELOPER
    request = CompactResponseRequest(assistant_id=core.assistant_id, input=[rules, user("Hi")])
    compacted = await core.responses.CompactResponse(request, metadata=core.metadata())
    assert core.model.prompts[-1].items[0].message.content[1].input_text.text == "File a.md:\nNo dogs."

    await files(core).DeleteFile(file_service_pb2.DeleteFileRequest(id=name), metadata=core.metadata())
    await ask(core, *compacted.output, user("And now?"))
    assert "No dogs" not in str(core.model.prompts[-1].items)


async def test_tokens_are_counted_with_the_file_in(core: CoreUnderTest) -> None:
    core.model.tokens = 7
    part = file_part(await upload(core, "Hello."))
    request = CountInputTokensRequest(assistant_id=core.assistant_id, input=[message(part)])
    counted = await core.responses.CountInputTokens(request, metadata=core.metadata())
    assert counted.input_tokens == 7
    assert core.model.counted[-1].items[0].message.content[1].input_text.text == "File a.txt:\nHello."


@pytest.mark.parametrize(
    ("part", "file", "reason", "words"),
    [
        ("input_file", ("a.png", PNG), "invalid_request", "can't be read: Only PDF, DOCX"),
        ("input_file", ("a.pdf", pdf("Cut")[:150]), "invalid_request", "is damaged"),
        ("input_image", ("a.txt", b"Hi"), "invalid_request", "is no image"),
        ("input_file", ("a.txt", b"\xc3\xa4 " * 1_300_000), "request_too_large", "file_search"),
    ],
)
async def test_a_file_that_can_t_be_given_is_refused_by_its_place(
    core: CoreUnderTest, part: str, file: tuple[str, bytes], reason: str, words: str
) -> None:
    name = await upload(core, file[1], filename=file[0])
    given: dict[str, Any] = {part: {"file_id": name}}
    answer = await refusal(ask(core, message(ContentPart(**given))))
    assert (answer.reason, answer.param) == (reason, "input[0].content[1].file_id")
    assert words in answer.message


async def test_files_of_others_and_deleted_ones_are_as_unknown_as_none(core: CoreUnderTest) -> None:
    other, _ = await as_another_organization(core)
    gone = await upload(core)
    await files(core).DeleteFile(file_service_pb2.DeleteFileRequest(id=gone), metadata=core.metadata())
    theirs = await upload(other)
    told = []
    for name in (theirs, gone, f"{gone[:-1]}0", "file-x"):
        answer = await refusal(ask(core, message(file_part(name))))
        assert (answer.reason, answer.param) == ("file_not_found", "input[0].content[1].file_id")
        told.append(answer.message.replace(name, "ID"))
    assert len(set(told)) == 1
    assert core.model.prompts == []


async def test_a_file_is_one_thing(core: CoreUnderTest) -> None:
    both = ContentPart(input_file=InputFile(file_id="file_x", file_url="https://a.b/c"))
    image = ContentPart(input_image=InputImage(file_id="file_x", image_url="https://a.b/c"))
    for part in (both, image, ContentPart(input_file=InputFile())):
        answer = await refusal(ask(core, message(part)))
        assert (answer.reason, answer.param) == ("invalid_request", "input[0].content[1]")
