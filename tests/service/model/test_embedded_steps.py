"""What an embedded model is asked: one constrained step after the other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import ContentPart, FunctionCall, FunctionCallOutput, InputText, Item, Message
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.chat_request import functions
from service.model.embedded_steps import answering, calling, choosing, offered
from service.model.model import Prompt

TOOLS = {
    "tools": [
        {"function": {"name": "weather", "description": "Tells it.", "parametersJson": '{"properties": {"city": {}}}'}},
        {"function": {"name": "now"}},
    ]
}
USER = Item(message=Message(role=Message.ROLE_USER, content=[ContentPart(input_text=InputText(text="Hi"))]))
CALL = Item(function_call=FunctionCall(call_id="a", name="now"))
OUTPUT = Item(function_call_output=FunctionCallOutput(call_id="a", text="noon"))


def prompt(*items: Item, **settings: Any) -> Prompt:
    return Prompt("Be brief.", items or [USER], ParseDict({"tools": TOOLS, **settings}, ResponseSettings()))


@pytest.mark.parametrize(
    ("items", "choice", "names"),
    [
        ([USER], {"mode": "MODE_AUTO"}, ["weather", "now"]),
        ([USER], {"mode": "MODE_NONE"}, []),
        ([USER], {"function": {"name": "now"}}, ["now"]),
        ([USER, CALL, OUTPUT], {"mode": "MODE_AUTO"}, []),
        ([USER, CALL, OUTPUT, USER], {"mode": "MODE_AUTO"}, ["weather", "now"]),
        ([USER, CALL, OUTPUT], {"mode": "MODE_REQUIRED"}, ["weather", "now"]),
    ],
)
def test_functions_are_offered_until_the_model_called_enough(
    items: list[Item], choice: dict[str, Any], names: list[str]
) -> None:
    assert [tool.name for tool in offered(prompt(*items, toolChoice=choice), most_calls=1)] == names


def test_the_choice_is_held_to_the_names_and_to_words_where_they_will_do() -> None:
    def grammar(**settings: Any) -> str:
        asked = prompt(**settings)
        value: str = orjson.loads(choosing(asked, functions(asked.settings), limit=None))["grammar"]
        return value

    assert grammar() == 'root ::= "weather" | "now" | "answer in words"'
    assert grammar(toolChoice={"mode": "MODE_REQUIRED"}) == 'root ::= "weather" | "now"'


def test_the_functions_are_told_behind_the_instructions() -> None:
    asked = prompt()
    messages = orjson.loads(choosing(asked, functions(asked.settings), limit=9))["messages"]
    assert messages[0] == {
        "role": "system",
        "content": "Be brief.\n\nYou can call these functions:\n- weather: Tells it. Arguments: city\n"
        "- now:  Arguments: none\n- answer in words: No function is needed.",
    }
    assert messages[-1]["role"] == "assistant"


def test_arguments_are_held_to_the_schema_and_asked_for_in_the_last_user_message() -> None:
    asked = prompt(temperature=0.7, stop=["x"])
    tools = functions(asked.settings)
    body = orjson.loads(calling(asked, tools, tools[0], limit=30))
    assert body["response_format"]["json_schema"]["schema"] == {"properties": {"city": {}}}
    assert body["messages"][-1] == {"role": "user", "content": "Hi\n\nWrite the arguments of weather as JSON."}
    assert (body["temperature"], body["max_tokens"]) == (0.7, 30)
    assert "stop" not in body


def test_prose_is_kept_from_repeating_itself_and_json_is_not() -> None:
    prose = orjson.loads(answering(prompt(), limit=None, defaults={"temperature": 0.2}))
    assert (prose["repeat_penalty"], prose["temperature"]) == (1.1, 0.2)
    assert "max_tokens" not in prose
    asked = prompt(temperature=1.0, text={"format": {"jsonObject": {}}})
    json = orjson.loads(answering(asked, limit=None, defaults={"temperature": 0.2}))
    assert json["temperature"] == 1.0
    assert "repeat_penalty" not in json
