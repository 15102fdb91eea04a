"""What a request comes to, before anything is made of it: every check, the effective settings, the whole prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CountInputTokensRequest, CreateResponseRequest

from service.errors import NodexaError
from service.ids import NewId
from service.model.attached import NOTHING
from service.model.model import Abilities, Model, Prompt
from service.model.past_calls import told
from service.model.thread import Continued
from service.runner.attachments import Attachments
from service.runner.caller import Caller
from service.runner.catalog import Catalog
from service.runner.conversations import FIELD, Conversations, Joined, check_new
from service.runner.held import Held, approved, brought, with_tokens
from service.runner.history import History
from service.runner.input_check import check_assistant_id, check_items, check_readable, with_ids
from service.runner.known import Known
from service.runner.matching import answers_first, match_calls, match_waiting
from service.runner.past import Past, is_plain
from service.runner.references import References
from service.runner.sealed import Sealed, sealed_elsewhere
from service.runner.settings_merge import system_prompt
from service.runner.settling import Settled, Settling
from service.seal import Seal
from service.store.conversation_rows import Seen
from service.tools.toolbox import Toolbox, Wanted

_NO_PAST: Final = Past()
"""Where a conversation begins: nothing is ever added to it."""


# Not frozen, though nobody changes it: one is made for each request.
@dataclass(slots=True)
class Read:
    """What a request comes to: the model to ask, all that it is told, the conversation that the answer goes to.

    `settled` has the settings of the prompt. `past` is what was said before, and `asked` the input;
    `wanted` are the tools that the platform runs for it, and `held` the calls that can be made now.
    """

    model: Model
    prompt: Prompt
    joined: Joined | None
    past: Past
    asked: Sequence[Item]
    wanted: Sequence[Wanted]
    held: Sequence[Held]
    settled: Settled


class Reading:
    """Reads requests for whoever answers, counts or compacts."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        history: History,
        conversations: Conversations,
        references: References,
        known: Known,
        seal: Seal,
        toolbox: Toolbox,
        attachments: Attachments,
        new_id: NewId,
    ) -> None:
        self._catalog = catalog
        self._toolbox = toolbox
        self._settling = Settling(toolbox)
        self._history = history
        self._conversations = conversations
        self._references = references
        self._known = known
        self._seal = seal
        self._attachments = attachments
        self._new_id = new_id

    def at_hand(
        self, request: CreateResponseRequest, asked: Sequence[Item], caller: Caller, *, streaming: bool
    ) -> Read | None:
        """`read` of an input, `asked`, that is `only_words`, where all that it takes is at hand; None where it isn't.

        What goes on from something, has tools or speaks for a user is for `read`.
        """
        if caller.user_id or request.previous_response_id or request.conversation_id:
            return None
        assistant = self._catalog.at_hand(caller.org_id, request.assistant_id)
        model = self._catalog.open_at_hand(assistant.model) if assistant is not None else None
        if assistant is None or model is None:
            return None
        given = request.settings
        settled = self._settling.at_hand(given, assistant, model)
        if settled is None or not settled.plain:
            return None
        asked = with_ids(asked, self._new_id)
        prompt = Prompt(system_prompt(assistant, given), asked, settled.settings, streaming, (), NOTHING)
        return Read(model, prompt, None, _NO_PAST, asked, (), (), settled)

    async def read(
        self,
        request: CreateResponseRequest | CountInputTokensRequest,
        caller: Caller,
        *,
        words: bool,
        streaming: bool,
        open_end: bool = False,
    ) -> Read:
        """What the request comes to; `words` says whether its input is `only_words`.

        The input gets its ids. With `open_end` nobody is to answer: calls may wait for their outputs, and there may be
        nothing new. Raises NodexaError for every refusal.
        """
        # Longer than a function should be: of several refusals the first is told, and here is their order.
        assistant = self._catalog.at_hand(caller.org_id, request.assistant_id)
        if assistant is None:  # One that is at hand has an id.
            check_assistant_id(request.assistant_id)
        given, tokens = request.settings, request.user_tokens
        goes_on = request.previous_response_id or request.conversation_id
        if not words and (request.input or not (request.previous_response_id and (open_end or tokens))):
            check_items(request.input)
        if assistant is None:
            assistant = await self._catalog.assistant(caller.org_id, request.assistant_id)
        model, settled = await self._settled(given, assistant, caller)
        hosted = model.abilities.hosted
        past, seen = await self._recall(request, caller) if goes_on else (_NO_PAST, None)
        unread = [] if words else _unread(request.input, model, assistant)
        if seen:
            unread += _unread_there(past, request.input, model, assistant)
        # A threshold may come to nothing, and what says so is the request's own.
        if unread or settled.compacts:
            settled = settled.own(unread)
        if not words:
            await self._references.look_up(request, past.said, caller)
        asked = with_ids(request.input, self._new_id)
        plain = past.plain and (words or all(map(is_plain, asked)))
        held: list[Held] = []
        items: Sequence[Item] = asked
        if goes_on or not words:
            held = _held(past, asked, tokens, plain=plain, hosted=hosted, open_end=open_end)
            items = self._told(past, asked, caller, there=bool(seen), plain=plain, hosted=hosted, open_end=open_end)
        attached = NOTHING
        if not plain:
            attached = await self._attachments.of(asked, items, caller.org_id, abilities=model.abilities)
        prompt = Prompt(
            instructions=system_prompt(assistant, given),
            items=items,
            settings=settled.settings,
            streaming=streaming or settled.background,
            known=await self._known.of(caller, assistant, [*islice(past.said, 1), *asked]) if caller.user_id else (),
            attached=attached,
        )
        joined = Joined(seen, answers_first(asked, past.waiting)) if seen else None
        wanted = self._wanted(given, assistant, settled, caller, abilities=model.abilities, held=bool(held))
        return Read(model, prompt, joined, past, asked, wanted, held, settled)

    async def _settled(self, given: ResponseSettings, assistant: Assistant, caller: Caller) -> tuple[Model, Settled]:
        """The model to ask and what it is asked with. Raises NodexaError for settings and tools that can't be had."""
        model = self._catalog.open_at_hand(assistant.model) or await self._catalog.model(assistant.model)
        settling = self._settling
        settled = settling.at_hand(given, assistant, model) or await settling.settle(given, assistant, model)
        if settled.tools and given.tools.tools:
            tools, hosted = settled.settings.tools.tools, model.abilities.hosted
            await self._toolbox.check(tools, org_id=caller.org_id, own=False, hosted=hosted)
        return model, settled

    def _wanted(
        self,
        given: ResponseSettings,
        assistant: Assistant,
        settled: Settled,
        caller: Caller,
        *,
        abilities: Abilities,
        held: bool,
    ) -> list[Wanted]:
        """The tools that are to be found for the model. Raises as `Known.tools` does."""
        settings, silent = settled.settings, settled.silent and not held
        wanted: list[Wanted] = []
        if settled.tools and not silent:
            wanted += self._toolbox.wanted(settings.tools.tools, hosted=abilities.hosted)
        if caller.user_id and abilities.tools and not held:
            wanted += self._known.tools(caller, assistant, given, settings)
        return wanted

    async def _recall(
        self, request: CreateResponseRequest | CountInputTokensRequest, caller: Caller
    ) -> tuple[Past, Seen | None]:
        """What was said before, and the conversation that it stands in, if it is one."""
        if not request.conversation_id:
            return await self._history.recall(request.previous_response_id, caller), None
        if request.previous_response_id:
            raise NodexaError(
                "invalid_request",
                "Both conversation and previous_response_id say what came before: send one of them.",
                param=FIELD,
            )
        return await self._conversations.recall(request.conversation_id, caller)

    def _told(
        self,
        past: Past,
        asked: Sequence[Item],
        caller: Caller,
        *,
        there: bool,
        plain: bool,
        hosted: bool,
        open_end: bool,
    ) -> list[Item]:
        """What a model reads of the past (`there`: in a conversation) and of the input; as it stands if `plain`."""
        if plain:
            new = match_waiting(past.waiting, past.said, asked, open_end=open_end)
            return Continued(past.said, new) if past.turns else [*past.said, *new]
        before = FIELD if there else "previous_response_id"
        opened, fresh, sent = Sealed(self._seal, caller.org_id).opened(past.said.items, asked, before=before)
        said, _ = told(opened, hosted=hosted)
        read, origins = told(fresh, opened, hosted=hosted)
        return [*said, *match_calls(said, read, places=[sent[origin] for origin in origins], open_end=open_end)]


def _unread(items: Sequence[Item], model: Model, assistant: Assistant) -> list[str]:
    return [*check_readable(items, abilities=model.abilities, model=assistant.model), *sealed_elsewhere(items)]


def _unread_there(past: Past, items: Sequence[Item], model: Model, assistant: Assistant) -> Iterator[str]:
    """What the model won't be told of a conversation, where the input is to be added. Raises as `check_new`."""
    yield from check_readable(past.said.items, abilities=model.abilities, model=assistant.model, name=FIELD)
    check_new(past.said, items)


def _held(
    past: Past, asked: Sequence[Item], tokens: Mapping[str, str], *, plain: bool, hosted: bool, open_end: bool
) -> list[Held]:
    """The calls of the past that can be made now. Raises as `approved`, and where there is nothing new at all."""
    waiting = brought(past.said.items, tokens) if tokens and not past.plain else []
    if not (asked or waiting or open_end):
        check_items(asked)
    if plain:
        return []
    return [*with_tokens(waiting), *approved(past.said.items, asked, hosted=hosted)]
