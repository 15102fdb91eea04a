"""Makes API keys: the row that is stored and the secret that is told once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nodexa.v1.admin_pb2 import ApiKey, AuditEvent

from service.ids import NewId
from service.keys import Keyring
from service.settings import Clock
from service.store.administration import Administration


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes keys for any organization."""

    store: Administration
    keyring: Keyring
    clock: Clock
    new_id: NewId

    def noting(self, event: AuditEvent) -> KeyMaker:
        """The same for one key, which `event` is written with."""
        return replace(self, store=self.store.noting(event))

    def mint(
        self,
        org_id: str,
        name: str,
        scopes: list[ApiKey.Scope.ValueType],
        dialect: ApiKey.Dialect.ValueType = ApiKey.DIALECT_UNSPECIFIED,
    ) -> tuple[ApiKey, str]:
        """A key that works once it's kept, and its secret."""
        now = self.clock()
        key = ApiKey(id=self.new_id("key"), name=name, scopes=scopes, dialect=dialect or ApiKey.DIALECT_OPENAI)
        secret = self.keyring.mint(key_id=key.id, org_id=org_id, issued_at=now)
        key.hint = secret[-4:]
        key.create_time.FromMilliseconds(now)
        return key, secret

    async def keep(self, org_id: str, key: ApiKey, secret: str) -> None:
        """Stores a minted key."""
        digest = self.keyring.digest(secret)
        await self.store.add_key(key, org_id=org_id, digest=digest, now=key.create_time.ToMilliseconds())
