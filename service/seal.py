"""Content that only this installation can read again, and only for the organization and purpose it was sealed for.

A sealed text is `nxs1_` + base64url(nonce, AES-256-GCM of the content), bound to its organization and a purpose word.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import NodexaError
from service.keys import Keyring

PREFIX: Final = "nxs1_"
_LABEL: Final = b"nodexa sealed content 1"
_NONCE_BYTES: Final = 12


class Seal:
    """Seals with a key derived from the installation's own; what it sealed for one organization no other can open."""

    def __init__(self, keyring: Keyring) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL).derive(keyring.seal)
        self._cipher = AESGCM(key)

    def close(self, content: bytes, *, org_id: str, purpose: str) -> str:
        """The sealed text. No two are alike, not even of the same content."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, content, _bound(org_id, purpose))
        return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, *, org_id: str, purpose: str, param: str) -> bytes:
        """The content, exactly as it was sealed.

        Raises NodexaError `invalid_encrypted_content`, which names the field `param`, for everything else.
        """
        try:
            if not is_sealed(text):
                raise ValueError("without the prefix")
            sealed = base64.b64decode(_padded(text[len(PREFIX) :]), b"-_", validate=True)
            content = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(org_id, purpose))
            # The last character has bits that base64 does not read; they are part of the text all the same.
            if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != text[len(PREFIX) :]:
                raise ValueError("changed")
        except (binascii.Error, InvalidTag, ValueError):
            raise _not_ours(param) from None
        return content


def is_sealed(text: str) -> bool:
    """Whether the text says that a Nodexa sealed it; says nothing about which one, or whether it still opens."""
    return text.startswith(PREFIX)


def _bound(org_id: str, purpose: str) -> bytes:
    return f"{purpose}\0{org_id}".encode()


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _not_ours(param: str) -> NodexaError:
    return NodexaError(
        "invalid_encrypted_content",
        "This encrypted_content can't be read: it was changed or cut, or made by another installation, for another "
        "organization or for an item of another kind. Send it exactly as it was received, or leave the item out.",
        param=param,
    )
