"""The parts of a core, each built from those beneath it; nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.ids import NewId
from service.keys import load_keyring
from service.knowledge.knowledge import Knowledge
from service.knowledge.meaning import Meanings
from service.knowledge.tool import file_search
from service.model.directory import open_embedder
from service.rpc.admin import AdminServicer
from service.rpc.caller import Authenticator
from service.rpc.key_maker import KeyMaker
from service.rpc.open_calls import OpenCalls
from service.rpc.user_data import UserDataServicer
from service.rpc.users import UserServicer
from service.runner.admission import Admission
from service.runner.assistant_tools import AssistantTools
from service.runner.attachments import Attachments
from service.runner.binder import Binder
from service.runner.catalog import Catalog, OpenModel
from service.runner.chats import Chats
from service.runner.claims import Claims
from service.runner.conversations import Conversations
from service.runner.hands import Caps
from service.runner.history import CACHE_BYTES, History
from service.runner.known import Known
from service.runner.limits import Limiter
from service.runner.memory import Memories
from service.runner.reading import Reading
from service.runner.references import References
from service.runner.runner import Runner
from service.runner.takeover import Takeover
from service.runner.tooling import Tooling
from service.runner.upkeep import Upkeep
from service.runner.user_data import UserRights
from service.seal import Seal
from service.settings import (
    Clock,
    Settings,
    monotonic_ms,
    read_egress,
    read_embeddings,
    read_mcp,
    read_web_search,
)
from service.store.administration import Administration
from service.store.audit import AuditLog
from service.store.chapters import ChapterStore
from service.store.chats import ChatStore
from service.store.claims import ClaimStore
from service.store.conversations import ConversationStore
from service.store.database import Database
from service.store.memories import MemoryStore
from service.store.ownership import Ownership
from service.store.requests import RequestStore
from service.store.responses import ResponseStore
from service.store.retention import Retention
from service.store.steps import StepStore
from service.store.user_data import UserData
from service.store.working_keys import WorkingKeys
from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.mcp import Mcp
from service.tools.mcp_operator import operator_servers
from service.tools.rest import Rest
from service.tools.tool import Kind
from service.tools.toolbox import Toolbox
from service.tools.web_search import TYPES as SEARCHES
from service.tools.web_search import WebSearch, search_engine

MASTER_KEY = "master.key"


@dataclass(frozen=True, slots=True)
class Outside:
    """What a core is given.

    `problem` says why a model can't answer now; `from_file` are the operator's own models; `kinds` are kinds of tools
    beside those of `_toolbox`, and `caps` is what a response may do with any.
    """

    open_model: OpenModel
    problem: Callable[[ModelConfig], str]
    clock: Clock
    new_id: NewId
    from_file: Mapping[str, ModelConfig]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)


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
    clock, new_id, core_id = outside.clock, outside.new_id, outside.new_id("core")
    store, administration = ResponseStore(database, owner=core_id), Administration(database)
    keyring = load_keyring(settings.data / MASTER_KEY)
    catalog = Catalog(administration, open_model=outside.open_model, from_file=outside.from_file)
    kept, working = ConversationStore(database), WorkingKeys(database)
    limiter = Limiter(monotonic_ms, working.limits_of)
    conversations = Conversations(store=kept, references=References(store, kept), clock=clock, new_id=new_id)
    claims, memories = Claims(ClaimStore(database), clock), Memories(MemoryStore(database), clock, new_id)
    meanings = _meanings(settings)
    knowledge = _knowledge(settings, outside, database, owner=core_id, meanings=meanings)
    toolbox, clients = _toolbox(settings, outside, knowledge)
    steps = StepStore(database, owner=core_id)
    history, binder = _history(settings, store, database)
    runner = _runner(
        settings,
        outside,
        kept=(store, RequestStore(database), history),
        catalog=catalog,
        conversations=conversations,
        limiter=limiter,
        seal=Seal(keyring),
        tooling=Tooling(toolbox, steps, outside.caps),
        known=Known(ClaimStore(database), memories),
        attachments=Attachments(knowledge.uploads),
    )
    rights = UserRights(UserData(database), store, runner, conversations, claims, memories)
    takeover = _takeover(
        settings, outside, ownership=Ownership(database, core_id), store=store, steps=steps, runner=runner
    )
    upkeep = Upkeep(Retention(database), clock=clock, log_retention=settings.log_retention, also=[knowledge.prune])
    authenticator, keys = Authenticator(keyring, administration), KeyMaker(administration, keyring, clock, new_id)
    return Parts(
        administration=administration,
        catalog=catalog,
        conversations=conversations,
        knowledge=knowledge,
        users=UserServicer(claims, memories, Chats(ChatStore(database), store, kept)),
        user_data=UserDataServicer(rights, administration, clock, new_id),
        limiter=limiter,
        runner=runner,
        binder=binder,
        takeover=takeover,
        upkeep=upkeep,
        authenticator=authenticator,
        calls=OpenCalls(working.among, most=settings.max_calls),
        keys=keys,
        admin=_admin(
            outside,
            database,
            store=administration,
            catalog=catalog,
            authenticator=authenticator,
            keys=keys,
            upkeep=upkeep,
            tools=AssistantTools(toolbox, catalog, clock, new_id),
        ),
        clients=[*clients, meanings] if meanings else clients,
    )


def _admin(
    outside: Outside,
    database: Database,
    *,
    store: Administration,
    catalog: Catalog,
    authenticator: Authenticator,
    keys: KeyMaker,
    upkeep: Upkeep,
    tools: AssistantTools,
) -> AdminServicer:
    return AdminServicer(
        store=store,
        catalog=catalog,
        authenticator=authenticator,
        keys=keys,
        problem=outside.problem,
        clock=outside.clock,
        new_id=outside.new_id,
        upkeep=upkeep,
        audit=AuditLog(database),
        tools=tools,
    )


def _history(settings: Settings, store: ResponseStore, database: Database) -> tuple[History, Binder]:
    binder = Binder(store, ChapterStore(database))
    # What another core deletes must not be continued from this one's memory.
    return History(store, binder=binder, cache_bytes=0 if settings.shared else CACHE_BYTES), binder


def _meanings(settings: Settings) -> Meanings | None:
    found = read_embeddings(settings.data)
    if found is None:
        return None
    return Meanings(open_embedder(found, environment=settings.environment), clock=monotonic_ms)


def _knowledge(
    settings: Settings, outside: Outside, database: Database, *, owner: str, meanings: Meanings | None
) -> Knowledge:
    return Knowledge.on(
        database,
        owner=owner,
        clock=outside.clock,
        new_id=outside.new_id,
        shared=settings.shared,
        meanings=meanings,
    )


def _toolbox(settings: Settings, outside: Outside, knowledge: Knowledge) -> tuple[Toolbox, Sequence[Egress]]:
    """The tools that the platform runs, by their `type` words on the HTTP wire, and the clients that they call with."""
    egress, environment = Egress(Allowance.of(read_egress(settings.data))), settings.environment
    servers = operator_servers(read_mcp(settings.data))
    kinds: dict[str, Kind] = {
        "mcp": Mcp(egress, operator=servers, environment=environment, clock=monotonic_ms),
        "rest": Rest(egress, environment),
        "file_search": file_search(knowledge.search),
    }
    clients = [egress]
    if found := read_web_search(settings.data):
        search = search_engine(found, egress, environment)
        kinds |= dict.fromkeys(SEARCHES, WebSearch(search))
        clients.append(search.egress)
    return Toolbox({**kinds, **outside.kinds}), clients


def _takeover(
    settings: Settings,
    outside: Outside,
    *,
    ownership: Ownership,
    store: ResponseStore,
    steps: StepStore,
    runner: Runner,
) -> Takeover:
    return Takeover(
        ownership=ownership,
        store=store,
        steps=steps,
        revive=runner.revive,
        clock=outside.clock,
        new_id=outside.new_id,
        lease=settings.lease,
    )


def _runner(
    settings: Settings,
    outside: Outside,
    *,
    kept: tuple[ResponseStore, RequestStore, History],
    catalog: Catalog,
    conversations: Conversations,
    limiter: Limiter,
    seal: Seal,
    tooling: Tooling,
    known: Known,
    attachments: Attachments,
) -> Runner:
    store, requests, history = kept
    reading = Reading(
        catalog=catalog,
        history=history,
        conversations=conversations,
        references=conversations.references,
        known=known,
        seal=seal,
        toolbox=tooling.toolbox,
        attachments=attachments,
        new_id=outside.new_id,
    )
    admission = Admission(
        store=store,
        history=history,
        reading=reading,
        tooling=tooling,
        seal=seal,
        clock=outside.clock,
        new_id=outside.new_id,
        grace=settings.grace,
        retention=settings.retention,
    )
    return Runner(
        store=store,
        requests=requests,
        admission=admission,
        history=history,
        limiter=limiter,
        drain=settings.drain,
    )
