"""Sealed content opens for whom and what it was sealed, whole and unchanged, and for nothing else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from service.errors import NodexaError
from service.keys import Keyring
from service.seal import PREFIX, Seal, is_sealed

SEAL = Seal(Keyring(seal=b"s" * 32, pepper=b"p" * 32))
FOR: dict[str, Any] = {"org_id": "org_1", "purpose": "reasoning"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def opened(text: str, seal: Seal = SEAL, **other: str) -> bytes:
    return seal.open(text, **{**FOR, "param": "input[3].encrypted_content", **other})


def refused(text: str, seal: Seal = SEAL, **other: str) -> NodexaError:
    with pytest.raises(NodexaError) as refusal:
        opened(text, seal, **other)
    assert (refusal.value.code, refusal.value.param) == ("invalid_encrypted_content", "input[3].encrypted_content")
    return refusal.value


@given(st.binary(max_size=2_000))
def test_what_was_sealed_opens_unchanged(content: bytes) -> None:
    sealed = SEAL.close(content, **FOR)
    assert opened(sealed) == content
    assert is_sealed(sealed)
    assert set(sealed.removeprefix(PREFIX)) <= set(LETTERS)


def test_nothing_of_the_content_shows_and_no_two_seals_are_alike() -> None:
    sealed = [SEAL.close(b"a secret thought", **FOR) for _ in range(3)]
    assert len(set(sealed)) == 3
    assert not any("secret" in each for each in sealed)


def test_every_change_of_one_character_is_found() -> None:
    sealed = SEAL.close(b"think", **FOR)
    for place, letter in enumerate(sealed):
        # Also the neighbor, whose last bits alone differ.
        for other in {LETTERS[LETTERS.find(letter) ^ 1], "A" if letter != "A" else "B", "%", "é"}:
            refused(sealed[:place] + other + sealed[place + 1 :])


def test_every_cut_and_every_addition_is_found() -> None:
    sealed = SEAL.close(b"think", **FOR)
    for length in range(len(sealed)):
        refused(sealed[:length])
    for more in ("A", "AAAA", "=", " ", "\n"):
        refused(sealed + more)


@given(st.text(max_size=200))
def test_no_other_text_opens(text: str) -> None:
    refused(text)
    refused(PREFIX + text)


@pytest.mark.parametrize(
    ("seal", "other"),
    [
        (SEAL, {"org_id": "org_2"}),
        (SEAL, {"purpose": "compaction"}),
        (Seal(Keyring(seal=b"t" * 32, pepper=b"p" * 32)), {}),
    ],
    ids=["another organization", "another purpose", "another installation"],
)
def test_nobody_else_opens_it(seal: Seal, other: dict[str, str]) -> None:
    refusal = refused(SEAL.close(b"think", **FOR), seal, **other)
    assert "leave the item out" in refusal.message


def test_the_key_of_the_seal_is_not_the_key_of_api_keys() -> None:
    nonce, key = b"n" * 12, b"s" * 32
    forged = nonce + AESGCM(key).encrypt(nonce, b"think", b"reasoning\0org_1")
    refused(PREFIX + base64.urlsafe_b64encode(forged).rstrip(b"=").decode())
