"""The parts of a core, each built from those beneath it; nothing runs yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.assembly.outside import Outside
from service.assembly.runs import Needs, Runs
from service.assembly.stores import Stores
from service.assembly.tools import Tools
from service.keys import load_keyring
from service.knowledge.knowledge import Knowledge
from service.knowledge.meaning import Meanings
from service.rpc.admin import AdminServicer
from service.rpc.admin_models import Models
from service.rpc.caller import Authenticator
from service.rpc.key_maker import KeyMaker
from service.rpc.open_calls import OpenCalls
from service.rpc.user_data import UserDataServicer
from service.rpc.users import UserServicer
from service.runner.assistant_tools import AssistantTools
from service.runner.attachments import Attachments
from service.runner.binder import Binder
from service.runner.catalog import Catalog
from service.runner.chats import Chats
from service.runner.claims import Claims
from service.runner.conversations import Conversations
from service.runner.known import Known
from service.runner.limits import Limiter
from service.runner.memory import Memories
from service.runner.references import References
from service.runner.runner import Runner
from service.runner.takeover import Takeover
from service.runner.tooling import Tooling
from service.runner.upkeep import Upkeep
from service.runner.user_data import UserRights
from service.seal import Seal
from service.settings import Settings, monotonic_ms
from service.store.administration import Administration
from service.store.audit import AuditLog
from service.store.chats import ChatStore
from service.store.database import Database
from service.store.memories import MemoryStore
from service.store.retention import Retention
from service.store.user_data import UserData
from service.tools.egress import Egress

MASTER_KEY = "master.key"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the doors of a core need, and what has to run beside them."""

    administration: Administration
    catalog: Catalog
    conversations: Conversations
    knowledge: Knowledge
    users: UserServicer
    user_data: UserDataServicer
    limiter: Limiter
    runner: Runner
    binder: Binder
    takeover: Takeover
    upkeep: Upkeep
    authenticator: Authenticator
    calls: OpenCalls
    keys: KeyMaker
    admin: AdminServicer
    clients: Sequence[Egress | Meanings]


def assemble(settings: Settings, database: Database, outside: Outside) -> Parts:
    """The parts on an open database. Raises ValueError for a broken master key, SettingsError for nodexa.toml."""
    clock, new_id = outside.clock, outside.new_id
    stores = Stores.on(database, owner=new_id("core"))
    administration = stores.administration
    keyring = load_keyring(settings.data / MASTER_KEY)
    catalog = Catalog(administration, open_model=outside.open_model, from_file=outside.from_file)
    limiter = Limiter(monotonic_ms, stores.working_keys.limits_of)
    conversations = _conversations(stores, outside)
    claims, memories = Claims(stores.claims, clock), Memories(MemoryStore(database), clock, new_id)
    tools = Tools.on(stores, settings, outside)
    knowledge = tools.knowledge
    tooling, attachments = Tooling(tools.toolbox, stores.steps, outside.caps), Attachments(knowledge.uploads)
    known = Known(stores.claims, memories)
    needs = Needs(catalog, conversations, limiter, Seal(keyring), tooling, known, attachments)
    runs = Runs.on(stores, settings, outside, needs)
    rights = UserRights(UserData(database), stores.responses, runs.runner, conversations, claims, memories)
    upkeep = Upkeep(Retention(database), clock=clock, log_retention=settings.log_retention, also=[knowledge.prune])
    authenticator, keys = Authenticator(keyring, administration), KeyMaker(administration, keyring, clock, new_id)
    admin = _admin(stores, outside, tools, catalog=catalog, authenticator=authenticator, keys=keys, upkeep=upkeep)
    return Parts(
        administration=administration,
        catalog=catalog,
        conversations=conversations,
        knowledge=knowledge,
        users=UserServicer(claims, memories, Chats(ChatStore(database), stores.responses, stores.conversations)),
        user_data=UserDataServicer(rights, administration, clock, new_id),
        limiter=limiter,
        runner=runs.runner,
        binder=runs.binder,
        takeover=runs.takeover,
        upkeep=upkeep,
        authenticator=authenticator,
        calls=OpenCalls(stores.working_keys.among, most=settings.max_calls),
        keys=keys,
        admin=admin,
        clients=tools.clients,
    )


def _conversations(stores: Stores, outside: Outside) -> Conversations:
    references = References(stores.responses, stores.conversations)
    return Conversations(store=stores.conversations, references=references, clock=outside.clock, new_id=outside.new_id)


def _admin(
    stores: Stores,
    outside: Outside,
    tools: Tools,
    *,
    catalog: Catalog,
    authenticator: Authenticator,
    keys: KeyMaker,
    upkeep: Upkeep,
) -> AdminServicer:
    return AdminServicer(
        store=stores.administration,
        catalog=catalog,
        authenticator=authenticator,
        keys=keys,
        models=Models(stores.administration, catalog, outside.problem, outside.clock),
        clock=outside.clock,
        new_id=outside.new_id,
        upkeep=upkeep,
        audit=AuditLog(stores.database),
        tools=AssistantTools(tools.toolbox, catalog, outside.clock, outside.new_id),
    )
