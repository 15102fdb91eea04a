"""API keys: made, checked for form, and digested. No look-ups here: the truth about a key is its row.

A key is `nxk_` + base64url(AES-256-GCM of key id, organization and issue time) + `_` + six characters of checksum, so
that secret scanners recognize it and most garbage is refused without touching the database.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX: Final = "nxk_"
_NONCE_BYTES: Final = 12
_CHECKSUM_CHARACTERS: Final = 6


@dataclass(frozen=True, slots=True)
class Keyring:
    """The installation's own secrets: what seals keys, and the pepper of their digests."""

    seal: bytes
    pepper: bytes

    def __repr__(self) -> str:
        return "Keyring(…)"

    def mint(self, *, key_id: str, org_id: str, issued_at: int) -> str:
        """A new secret for the key `key_id`; `issued_at` is in milliseconds since 1970. No two are alike."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        claims = json.dumps([key_id, org_id, issued_at], separators=(",", ":")).encode()
        sealed = nonce + AESGCM(self.seal).encrypt(nonce, claims, PREFIX.encode())
        body = PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        return f"{body}_{_checksum(body)}"

    def is_genuine(self, secret: str) -> bool:
        """Whether the secret was made with this keyring; says nothing about whether it still works."""
        body, _, checksum = secret.rpartition("_")
        if not body.startswith(PREFIX) or not hmac.compare_digest(_checksum(body).encode(), checksum.encode()):
            return False
        try:
            sealed = base64.b64decode(body[len(PREFIX) :] + "=" * (-len(body[len(PREFIX) :]) % 4), b"-_", validate=True)
            AESGCM(self.seal).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], PREFIX.encode())
        except (binascii.Error, InvalidTag, ValueError):
            return False
        return True

    def digest(self, secret: str) -> bytes:
        """What is stored in place of the secret: 32 bytes of HMAC-SHA256. A 256-bit random key needs no slow hash."""
        return hmac.digest(self.pepper, secret.encode(), "sha256")


def load_keyring(path: Path) -> Keyring:
    """Reads the master key at `path`, or makes it (mode 600) where there is none."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        master = path.read_bytes()
    else:
        master = secrets.token_bytes(32)
        with os.fdopen(descriptor, "wb") as file:
            file.write(master)
            file.flush()
            os.fsync(file.fileno())
    if len(master) != 32:
        raise ValueError(f"{path} must hold exactly 32 bytes; restore it from a backup: no API key works without it")
    return Keyring(
        seal=hmac.digest(master, b"nodexa api key seal 1", "sha256"),
        pepper=hmac.digest(master, b"nodexa api key pepper 1", "sha256"),
    )


def _checksum(body: str) -> str:
    return base64.b32encode(hashlib.sha256(body.encode()).digest()).decode().lower()[:_CHECKSUM_CHARACTERS]
