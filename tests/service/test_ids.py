"""Ids look like any UUID and stand in the order of their making."""

from __future__ import annotations

import uuid

from service.ids import ASSISTANT_ID, new_id


def test_an_id_is_its_kind_and_a_uuid_of_version_7() -> None:
    kind, _, digits = new_id("resp").partition("_")

    assert kind == "resp"
    parsed = uuid.UUID(digits)
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, digits)


def test_later_ids_come_later_and_none_twice() -> None:
    made = [new_id("resp") for _ in range(10_000)]

    assert len(set(made)) == len(made)
    stamps = [one[:18] for one in made]
    assert stamps == sorted(stamps)


def test_an_assistant_s_id_is_known_by_its_form() -> None:
    made = new_id("asst")

    assert ASSISTANT_ID.fullmatch(made)
    assert ASSISTANT_ID.fullmatch("asst_" + str(uuid.uuid4()).upper())
    for other in (made[:-1], made + "0", made.replace("asst", "resp"), made.replace("-", ""), "asst_", ""):
        assert not ASSISTANT_ID.fullmatch(other)
