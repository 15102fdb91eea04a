"""What assistants remember in tests: the model calls the tool, as it would."""

from __future__ import annotations

import json

from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import UpdateAssistantRequest
from nodexa.v1.user_service_pb2 import ListMemoriesRequest

from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.service.requests import create

SAVE = "save_to_memory"


def noting(text: str) -> str:
    """The arguments of a call that notes a text."""
    return json.dumps({"text": text})


async def with_memory(core: CoreUnderTest, *, on: bool = True) -> None:
    """Lets the first assistant remember its users, or forget to."""
    request = UpdateAssistantRequest(
        assistant=Assistant(id=core.assistant_id, memory=on), update_mask=FieldMask(paths=["memory"])
    )
    await core.admin.UpdateAssistant(request, metadata=core.metadata())


async def remembered(core: CoreUnderTest, user_id: str, text: str = "Likes tea.") -> str:
    """The id of something that the first assistant notes about a user; its memory is off again afterwards."""
    await with_memory(core)
    core.model.add(calls((SAVE, noting(text))), says("Noted"))
    await create(core, user_id=user_id)
    await with_memory(core, on=False)
    listed = await core.users.ListMemories(ListMemoriesRequest(), metadata=core.metadata(x_user_id=user_id))
    return listed.memories[0].id
