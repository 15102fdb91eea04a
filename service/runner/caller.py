"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from nodexa.v1.admin_pb2 import ApiKey, Limits


# One for all calls of a key that speak for nobody.
@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: the key's organization and rights, and the end user it speaks for (empty: none).

    Limits are None where there are none. `limited` is whether anything limits what it may use, and `told_first` whether
    there is something to tell it before an answer, which for most there isn't.
    """

    org_id: str
    key_id: str
    scopes: frozenset[int] = field(default_factory=frozenset)
    operator: bool = False
    user_id: str = ""
    dialect: int = ApiKey.DIALECT_UNSPECIFIED
    key_limits: Limits | None = None
    org_limits: Limits | None = None
    limited: bool = field(init=False)
    told_first: bool = field(init=False)

    def __post_init__(self) -> None:
        """Looks up once what each call asks."""
        limited = self.key_limits is not None or self.org_limits is not None
        object.__setattr__(self, "limited", limited)
        object.__setattr__(self, "told_first", limited or self.dialect == ApiKey.DIALECT_NODEXA)

    def may_see(self, owner_id: str) -> bool:
        """Whether a thing of the end user `owner_id` is visible; without a user of its own a caller sees all."""
        return not owner_id or not self.user_id or owner_id == self.user_id

    def may_resume(self, key_id: str) -> bool:
        """Whether the stream of a response made with the key `key_id` may be taken up again: an `assistant` key reaches
        what it made itself, since coming back to a stream is part of having started it.
        """
        return ApiKey.SCOPE_FULL_ACCESS in self.scopes or key_id == self.key_id
