"""Settings that are checked once are as good as new for everybody who asks for the same."""

from __future__ import annotations

import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.response_pb2 import ResponseSettings

from service.errors import NodexaError
from service.model.scripted import ScriptedModel
from service.runner.settling import Settling
from service.tools.toolbox import Toolbox

MODEL = ScriptedModel()


async def test_what_one_adds_to_the_settings_the_next_does_not_see() -> None:
    settling, assistant = Settling(Toolbox()), Assistant(model="m")
    first = await settling.settle(ResponseSettings(seed=1), assistant, MODEL)

    own = first.own(["input[0]"])
    own.settings.seed = 2

    again = await settling.settle(ResponseSettings(seed=1), assistant, MODEL)
    assert again.settings == ResponseSettings.FromString(again.shown) == ResponseSettings(seed=1)
    assert ResponseSettings.FromString(own.shown) == ResponseSettings(seed=1, ignored=["input[0]"])


async def test_a_changed_assistant_is_heeded_at_once() -> None:
    settling, asked = Settling(Toolbox()), ResponseSettings()
    before = await settling.settle(asked, Assistant(defaults=ResponseSettings(seed=1)), MODEL)

    after = await settling.settle(asked, Assistant(defaults=ResponseSettings(seed=2)), MODEL)

    assert (before.settings.seed, after.settings.seed) == (1, 2)


async def test_what_was_refused_is_refused_again() -> None:
    settling, assistant = Settling(Toolbox()), Assistant()
    for _ in range(2):
        with pytest.raises(NodexaError) as refused:
            await settling.settle(ResponseSettings(temperature=3), assistant, MODEL)
        assert refused.value.param == "temperature"
