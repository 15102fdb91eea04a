"""Where we differ on purpose from what judges us, and what each judge has never heard of; all of it, with reasons.

The judges are the official SDK's types (`sdk`) and the documents `openai` and `openresponses`. Whatever is not in these
tables must be as all of them say.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

_OUR_REASONS: Final = frozenset({"max_tool_calls", "max_tool_rounds", "max_tool_seconds"})


@dataclass(frozen=True, slots=True)
class Substitution:
    """`mend` puts into a response what `judges` would have there. It says nothing about any other place."""

    judges: frozenset[str]
    mend: Callable[[Json], None]
    reason: str


def _standard_status(response: Json) -> None:
    if response.get("status") == "requires_action":
        response["status"] = "completed"


def _standard_code(response: Json) -> None:
    if response.get("error"):
        response["error"]["code"] = "server_error"


def _standard_reason(response: Json) -> None:
    if (response.get("incomplete_details") or {}).get("reason") in _OUR_REASONS:
        response["incomplete_details"]["reason"] = "max_output_tokens"


def _without_nulls(response: Json) -> None:
    for name, holder in (("usage", response), ("user", response), ("description", _format(response))):
        if holder.get(name, "") is None:
            del holder[name]


def _schema_unsaid(response: Json) -> None:
    if _format(response).get("type") == "json_schema":
        _format(response)["schema"] = None
        _format(response)["strict"] = bool(_format(response)["strict"])


def _format(response: Json) -> Json:
    found: Json = response.get("text", {}).get("format", {})
    return found


SUBSTITUTIONS: Final = (
    Substitution(
        frozenset({"sdk", "openai"}),
        _standard_status,
        "`requires_action` is our own word for a response that waits for function results; `completed` has its shape.",
    ),
    Substitution(
        frozenset({"sdk", "openai"}),
        _standard_code,
        "Our codes say what happened; the list of codes is one of OpenAI's own causes, and no client checks it.",
    ),
    Substitution(
        frozenset({"sdk", "openai"}),
        _standard_reason,
        "Nobody else tells which limit of the tools was reached; SDKs and clients pass the word on.",
    ),
    Substitution(
        frozenset({"openai"}),
        _without_nulls,
        "OpenAI's API and SDK have null there and Open Responses asks for it, but OpenAI's document has no null.",
    ),
    Substitution(
        frozenset({"openresponses"}),
        _schema_unsaid,
        "Of a schema's echo its document knows only null, and no `strict` that was left out; SDKs read both.",
    ),
)

UNKNOWN_EVENTS: Final[Mapping[str, frozenset[str]]] = {
    "openai": frozenset({"response.compaction"}),
    "openresponses": frozenset(
        {
            "response.audio",
            "response.audio.transcript",
            "response.code_interpreter_call",
            "response.code_interpreter_call_code",
            "response.compaction",
            "response.custom_tool_call_input",
            "response.file_search_call",
            "response.image_generation_call",
            "response.mcp_call",
            "response.mcp_call_arguments",
            "response.mcp_list_tools",
            # It calls them `response.reasoning.delta` and `.done`; SDKs and OpenAI have the longer name.
            "response.reasoning_text",
            "response.shell_call_command",
            "response.shell_call_output_content",
            "response.web_search_call",
        }
    ),
}
"""By judge, what the names of the events begin with that it doesn't know, and that others do."""

# What our own dialect alone has, a kind of input that neither the SDK nor the documents have in lists, and a kind of
# tomorrow that tests made up.
_NOBODY_LISTS: Final = frozenset({"configuration_update", "oauth_required", "premonition_call"})

UNKNOWN_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "sdk": _NOBODY_LISTS,
    "openai": _NOBODY_LISTS,
    "openresponses": _NOBODY_LISTS
    | frozenset(
        {
            # items
            "additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call",
            "computer_call", "computer_call_output", "custom_tool_call", "custom_tool_call_output",
            "file_search_call", "image_generation_call", "local_shell_call", "local_shell_call_output",
            "mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools", "program",
            "program_output", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output",
            "web_search_call",
            # tools, and choices of them
            "apply_patch", "code_interpreter", "computer", "computer_use", "computer_use_preview", "custom",
            "file_search", "image_generation", "local_shell", "mcp", "namespace", "programmatic_tool_calling",
            "shell", "tool_search", "web_search", "web_search_2025_08_26", "web_search_preview",
            "web_search_preview_2025_03_11",
            # annotations and parts
            "container_file_citation", "file_citation", "file_path",
        }
    ),
}  # fmt: skip
"""By judge, the `type` words of things within events and answers that it doesn't know. It is told of none of them."""

OUR_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "response": frozenset({"nodexa"}),
    "conversation": frozenset({"nodexa"}),
    "list of conversation items": frozenset({"nodexa"}),
    "response.compaction": frozenset({"nodexa"}),
    "response.input_tokens": frozenset({"nodexa"}),
    "model": frozenset({"name"}),
    # The SDKs' types have it; the documents don't.
    "response.function_call_arguments.done": frozenset({"call_id"}),
}
"""What we say beside what the documents know, by what it is said of: more members break no client."""

# What stands for one of those where it is not in a list.
_STAND_INS: Final[Mapping[str, object]] = {"item": None, "annotation": None, "tool_choice": "auto"}


def knows_event(judge: str, word: str) -> bool:
    """Whether it has heard of such events."""
    return word.rpartition(".")[0] not in UNKNOWN_EVENTS.get(judge, ())


def as_judged_by(judge: str, value: Json) -> Json:
    """A copy of an event or an answer as this judge would have it: the tables above, applied."""
    told: Json = _known(copy.deepcopy(value), UNKNOWN_KINDS.get(judge, frozenset()))
    for response in _responses(told):
        for each in SUBSTITUTIONS:
            if judge in each.judges:
                each.mend(response)
    return told


def _responses(told: Json) -> Iterator[Json]:
    listed = told["data"] if told.get("object") == "list" else []
    for found in (told, told.get("response"), *listed):
        if isinstance(found, dict) and found.get("object") == "response" and "deleted" not in found:
            yield found


def _known(value: Any, unknown: frozenset[str]) -> Any:
    """The value without things of unknown kinds."""
    if isinstance(value, list):
        return [_known(member, unknown) for member in value if not _is_one_of(member, unknown)]
    if isinstance(value, dict):
        return {
            name: _STAND_INS[name] if name in _STAND_INS and _is_one_of(member, unknown) else _known(member, unknown)
            for name, member in value.items()
        }
    return value


def _is_one_of(value: object, kinds: frozenset[str]) -> bool:
    return isinstance(value, dict) and value.get("type") in kinds
