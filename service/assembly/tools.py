"""What makes the tools that the platform runs, and what organizations know, which one of them searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.assembly.outside import Outside
from service.assembly.stores import Stores
from service.knowledge.knowledge import Knowledge
from service.knowledge.meaning import Meanings
from service.knowledge.tool import file_search
from service.model.directory import open_embedder
from service.settings import Settings, monotonic_ms, read_egress, read_embeddings, read_mcp, read_web_search
from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.mcp import Mcp
from service.tools.mcp_operator import operator_servers
from service.tools.rest import Rest
from service.tools.tool import Kind
from service.tools.toolbox import Toolbox
from service.tools.web_search import TYPES as SEARCHES
from service.tools.web_search import WebSearch, search_engine


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools, what can be searched, and the clients that both call with, which have to be closed."""

    toolbox: Toolbox
    knowledge: Knowledge
    clients: Sequence[Egress | Meanings]

    @classmethod
    def on(cls, stores: Stores, settings: Settings, outside: Outside) -> Tools:
        """All of it on the stores of a core. Raises SettingsError for nodexa.toml."""
        meanings = _meanings(settings)
        knowledge = Knowledge.on(
            stores.database,
            owner=stores.owner,
            clock=outside.clock,
            new_id=outside.new_id,
            shared=settings.shared,
            meanings=meanings,
        )
        toolbox, clients = _toolbox(settings, outside, knowledge)
        return cls(toolbox, knowledge, [*clients, meanings] if meanings else clients)


def _meanings(settings: Settings) -> Meanings | None:
    found = read_embeddings(settings.data)
    if found is None:
        return None
    return Meanings(open_embedder(found, environment=settings.environment), clock=monotonic_ms)


def _toolbox(settings: Settings, outside: Outside, knowledge: Knowledge) -> tuple[Toolbox, Sequence[Egress]]:
    """The tools by their `type` words on the HTTP wire, and the clients that they call with."""
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
