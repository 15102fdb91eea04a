"""Which clients are told `completed` where the truth is `requires_action`. Nothing else knows of it."""

from __future__ import annotations

from collections.abc import Mapping

from nodexa.v1.response_pb2 import ResponseSettings


def hides_requires_action(headers: Mapping[str, str], settings: ResponseSettings) -> bool:
    """Whether this client would lose data by the status `requires_action`.

    The Node SDK's stream helper and its parsing of strict tools and schemas leave out what is not `completed`
    (openai-node 7.57, `parseResponse`; the helpers send the header). The first Python SDKs with responses take an event
    with a status that they don't know for one of another kind (openai-python 1.66.0 to 1.66.4, `construct_type`).
    `headers` have lowercase names.
    """
    if "x-stainless-helper-method" in headers:
        return True
    language = headers.get("x-stainless-lang")
    if language == "python":
        return headers.get("x-stainless-package-version", "").startswith("1.66.")
    if language != "js":
        return False
    return settings.text.format.HasField("json_schema") or any(tool.function.strict for tool in settings.tools.tools)
