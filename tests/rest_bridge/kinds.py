"""An example of every kind of input item and of every kind of tool that the official SDK can send."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_CALL: Final = {"call_id": "call_1", "status": "completed"}
_CODE: Final = {"type": "exec", "command": ["ls"], "env": {"A": "1"}}

WRITTEN: Final[tuple[Json, ...]] = (
    {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "a\u2028\x00b"}]},
    {"type": "message", "id": "msg_2", "role": "developer", "content": [{"type": "input_text", "text": "Be."}]},
    {"type": "message", "id": "msg_3", "role": "assistant", "status": "incomplete", "phase": "commentary",
     "content": [{"type": "output_text", "text": "A", "annotations": [], "logprobs": []},
                 {"type": "refusal", "refusal": "No"}]},
    {"type": "function_call", "id": "fc_1", "name": "f", "arguments": '{"a": 1.50}', **_CALL},
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "f", "input": "ls\n"},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}],
     "content": [{"type": "reasoning_text", "text": "t"}]},
)  # fmt: skip
"""Those that the platform reads, apart from outputs of calls, references and compactions, which refer to something."""

OPAQUE: Final[tuple[Json, ...]] = (
    {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed", "results": None},
    {"type": "computer_call", "id": "cu_1", "call_id": "call_1", "pending_safety_checks": [], "status": "completed",
     "action": {"type": "click", "button": "left", "x": 1, "y": 2}},
    {"type": "computer_call_output", "id": "cuo_1", "call_id": "call_1",
     "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="}, "status": "completed"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "tool_search_call", "id": "ts_1", "arguments": {"q": 1.5}, "execution": "client", **_CALL},
    {"type": "tool_search_output", "id": "tso_1", "execution": "client", "tools": [{"type": "web_search"}], **_CALL},
    {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [{"type": "web_search"}]},
    {"type": "configuration_update", "id": "cf_1", "reasoning": {"effort": "low"}},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AA=="},
    {"type": "code_interpreter_call", "id": "ci_1", "container_id": "c", "status": "completed", "code": "1",
     "outputs": [{"type": "logs", "logs": "x"}]},
    {"type": "local_shell_call", "id": "ls_1", "action": _CODE, **_CALL},
    {"type": "local_shell_call_output", "id": "lso_1", "call_id": "call_1", "output": "{}", "status": "completed"},
    {"type": "shell_call", "id": "sh_1", "environment": {"type": "local"},
     "action": {"commands": ["ls"], "timeout_ms": 9007199254740993, "max_output_length": 9}, **_CALL},
    {"type": "shell_call_output", "id": "sho_1", "max_output_length": 9, **_CALL,
     "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    {"type": "apply_patch_call", "id": "ap_1",
     "operation": {"type": "update_file", "path": "a", "diff": "+b"}, **_CALL},
    {"type": "apply_patch_call_output", "id": "apo_1", "output": "done", **_CALL},
    {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": [{"name": "t", "input_schema": {"a": 1}}]},
    {"type": "mcp_approval_request", "id": "mcpr_1", "arguments": "{}", "name": "t", "server_label": "s"},
    {"type": "mcp_approval_response", "id": "mcpa_1", "approval_request_id": "mcpr_1", "request_id": "mcpr_1",
     "approve": True},
    {"type": "mcp_call", "id": "mcp_1", "arguments": "{}", "name": "t", "server_label": "s", "output": "o"},
    {"type": "program", "id": "pr_1", "call_id": "call_1", "code": "1", "fingerprint": "f"},
    {"type": "program_output", "id": "pro_1", "call_id": "call_1", "result": "1", "status": "completed"},
    {"type": "premonition_call", "id": "tc_1", "depth": 1.50, "big": 9007199254740993},
)  # fmt: skip
"""Those that only go through; the last is none that anybody knows yet.

They have what the documents ask of an item in a list, which is more than clients must send: they come back as they
came.
"""

REFERRING: Final = frozenset(
    {"function_call_output", "custom_tool_call_output", "item_reference", "compaction", "compaction_trigger"}
)
"""Those that are about something else that has to be there, and have tests of their own."""

_SCHEMA: Final = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9007199254740993}}}

ACTED_UPON: Final[tuple[Json, ...]] = (
    {"type": "function", "name": "f", "description": "d", "parameters": _SCHEMA, "strict": False},
    {"type": "custom", "name": "f", "description": "d",
     "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}},
    {"type": "namespace", "name": "n", "description": "d",
     "tools": [{"type": "function", "name": "f", "description": "d", "parameters": _SCHEMA, "strict": False}]},
)  # fmt: skip
"""Tools that any model which knows functions can call."""

HOSTED: Final[tuple[Json, ...]] = (
    {"type": "file_search", "vector_store_ids": ["vs_1"], "filters": {"type": "eq", "key": "k", "value": 1.5}},
    {"type": "computer"},
    {"type": "computer_use_preview", "display_height": 1, "display_width": 1, "environment": "browser"},
    {"type": "web_search", "search_context_size": "low", "user_location": None},
    {"type": "web_search_2025_08_26"},
    {"type": "mcp", "server_label": "s", "server_url": "https://example.com/mcp", "require_approval": "never"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "programmatic_tool_calling"},
    {"type": "image_generation", "size": "auto"},
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "tool_search"},
    {"type": "web_search_preview"},
    {"type": "web_search_preview_2025_03_11"},
    {"type": "apply_patch"},
)
"""Tools that some model servers run themselves."""
