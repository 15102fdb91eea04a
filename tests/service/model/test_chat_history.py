"""What was translated of a thread before is said in the same words as when all of it is translated anew."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message, Reasoning

from service.model.chat_history import chat_history
from service.model.chat_messages import chat_messages
from service.model.thread import Continued, Said, Thread
from tests.service.requests import call, output, user


def spoken(role: Message.Role.ValueType, text: str = "Yes") -> Item:
    return Item(message=Message(role=role, content=[ContentPart(input_text=InputText(text=text))]))


PIECES = {
    "user": lambda n: [user(f"question {n}")],
    "assistant": lambda n: [spoken(Message.ROLE_ASSISTANT, f"answer {n}")],
    "system": lambda n: [spoken(Message.ROLE_SYSTEM, f"rule {n}")],
    "developer": lambda n: [spoken(Message.ROLE_DEVELOPER, f"order {n}")],
    "calls": lambda n: [call(f"a{n}"), call(f"b{n}"), output(f"b{n}", "2"), output(f"a{n}", "1")],
    "late": lambda n: [call(f"c{n}"), user("meanwhile"), output(f"c{n}", "3")],
    "thought": lambda n: [Item(reasoning=Reasoning())],
}
turns = st.lists(st.lists(st.sampled_from(sorted(PIECES)), max_size=4), max_size=12)


def messages_of(instructions: str, items: Sequence[Item]) -> list[object]:
    return list(orjson.loads(chat_history(instructions, items)))


@settings(max_examples=50)
@given(turns, st.sampled_from(["", "Be brief."]), st.data())
def test_a_thread_is_told_as_if_it_had_been_told_for_the_first_time(
    told: list[list[str]], instructions: str, data: st.DataObject
) -> None:
    said, before = Said(Thread()), [Said(Thread())]
    for number, kinds in enumerate(told):
        items = [item for place, kind in enumerate(kinds) for item in PIECES[kind](f"{number}.{place}")]
        said = said.open().add(items, [])
        before.append(said)
        asked = user("And now?")
        assert messages_of(instructions, Continued(said, [asked])) == chat_messages(instructions, [*said, asked])
    earlier = data.draw(st.sampled_from(before))

    branch = earlier.open().add([user("Another way")], [])

    assert messages_of(instructions, Continued(earlier, [])) == chat_messages(instructions, earlier.items)
    assert messages_of(instructions, Continued(branch, [])) == chat_messages(instructions, branch.items)
    assert list(branch) == branch.items == [*earlier, user("Another way")]


def test_a_long_thread_that_is_told_at_once_can_be_gone_on_from_anywhere() -> None:
    items = [item for n in range(100) for item in (user(f"{n}"), spoken(Message.ROLE_ASSISTANT, f"{n}!"))]
    whole = Thread().add(items, [])
    chat_history("", Continued(whole, []))

    for length in range(0, 200, 7):
        part = Said(whole.thread, length)
        assert messages_of("Hi", Continued(part, [])) == chat_messages("Hi", items[:length])


def test_a_copy_of_a_prompt_s_items_is_told_item_by_item() -> None:
    said = Thread().add([user("1"), spoken(Message.ROLE_ASSISTANT, "2"), user("3")], [])

    assert type([*Continued(said, [])]) is list
    assert messages_of("", [*Continued(said, [user("4")])][2:]) == chat_messages("", [user("3"), user("4")])
