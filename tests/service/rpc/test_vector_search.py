"""What files of vector stores say is found by its words, and by what is noted of them."""

from __future__ import annotations

import json

import pytest
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import AttributeValue, VectorStore

from tests.conftest import CoreUnderTest
from tests.documents import pdf, word
from tests.service.files import read, search, store, stores, upload
from tests.service.keys import as_another_organization


async def test_every_kind_of_file_is_found_by_its_words(core: CoreUnderTest) -> None:
    uploaded = [
        await upload(core, "Parrots eat seeds and fruit.", filename="parrots.txt"),
        await upload(core, "# Cats\n\nCats sleep sixteen hours.", filename="cats.md"),
        await upload(core, "<h1>Dogs</h1><p>Dogs bark at night.</p>", filename="dogs.html"),
        await upload(core, pdf("Whales sing in the ocean."), filename="whales.pdf"),
        await upload(core, word("Bees dance for flowers."), filename="bees.docx"),
    ]
    made = await store(core, *uploaded, name="Animals")

    shown = await read(core, made)
    assert (shown.status, shown.file_counts.completed, shown.name) == (VectorStore.STATUS_COMPLETED, 5, "Animals")
    assert shown.usage_bytes > 100
    for question, filename in (
        ("What do parrots eat?", "parrots.txt"),
        ("sleeping cats", "cats.md"),
        ("Do dogs BARK?", "dogs.html"),
        ("singing whales", "whales.pdf"),
        ("flower", "bees.docx"),
    ):
        (first, *_) = await search(core, made, question)
        assert (first[0], 0 < first[2] <= 1) == (filename, True)
    assert await search(core, made, "quantum chromodynamics") == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "question",
    [
        '"',
        "'",
        'a" OR "b',
        "text:x",
        "NEAR(a b)",
        "* ^ - +",
        "a AND NOT b",
        "()",
        "\0",
        "\ud7ff",
        "drop table; --",
        "x" * 20_000,
    ],
)
async def test_any_text_is_a_question(shared: CoreUnderTest, question: str) -> None:
    made = await store(shared, await upload(shared, "Nothing of that."))
    assert isinstance(await search(shared, made, question), list)


async def test_words_of_scripts_without_spaces_are_found(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, "東京都の天気は晴れです。"), await upload(core, "大阪の食べ物"))
    assert (await search(core, made, "東京の天気"))[0][1] == "東京都の天気は晴れです。"
    assert [text for _, text, _ in await search(core, made, "大阪")] == ["大阪の食べ物"]


async def test_rare_words_count_more_and_a_threshold_cuts(core: CoreUnderTest) -> None:
    texts = ["The policy of the office.", "The policy of the refund.", "The policy of the garden."]
    made = await store(core, *[await upload(core, text) for text in texts])

    found = await search(core, made, "the refund policy")

    assert found[0][1:] == ("The policy of the refund.", 1.0)
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    assert len(await search(core, made, "the refund policy", score_threshold=0.9)) == 1
    assert len(await search(core, made, "the refund policy", max_results=2)) == 2
    both = await search(core, made, "garden", "office")
    assert {text for _, text, _ in both} == {texts[0], texts[2]}


async def test_what_is_noted_of_files_filters_them(core: CoreUnderTest) -> None:
    made = await store(core)
    names = {year: await upload(core, f"Report of {year}") for year in (2023, 2024)}
    for year, name in names.items():
        file = pb.NewVectorStoreFile(
            file_id=name,
            attributes={"year": AttributeValue(number=year), "final": AttributeValue(flag=True)},
        )
        await stores(core).CreateVectorStoreFile(
            pb.CreateVectorStoreFileRequest(vector_store_id=made, file=file), metadata=core.metadata()
        )
    await read(core, made)
    newer = json.dumps({"type": "gt", "key": "year", "value": 2023})

    assert len(await search(core, made, "report")) == 2
    assert [text for _, text, _ in await search(core, made, "report", filters_json=newer)] == ["Report of 2024"]

    request = pb.UpdateVectorStoreFileRequest(
        vector_store_id=made, file_id=names[2024], attributes={"year": AttributeValue(number=1999)}
    )
    updated = await stores(core).UpdateVectorStoreFile(request, metadata=core.metadata())
    assert updated.attributes["year"].number == 1999
    assert await search(core, made, "report", filters_json=newer) == []


async def test_scores_say_nothing_of_other_organizations(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, "Secret plans."), await upload(core, "Other plans."))
    before = await search(core, made, "secret plans")
    other, _ = await as_another_organization(core)
    theirs = await store(other, *[await upload(other, "Secret secret secret.") for _ in range(5)])

    assert await search(core, made, "secret plans") == before
    assert len(await search(other, theirs, "plans")) == 0
