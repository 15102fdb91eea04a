"""The OpenAPI document as one HTML page that needs nothing else: no script, no style, font or image from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any, Final

from rest_bridge.openapi import example
from rest_bridge.openapi.document import document
from rest_bridge.openapi.request import told
from rest_bridge.wire.request import Treatment

Json = Mapping[str, Any]
_MARKS: Final = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
)
_SECTIONS: Final[Mapping[str, str]] = {
    "CreateResponse": "Fields of a request",
    "Response": "Fields of a response",
    "Item": "Items",
    "StreamEvent": "Events",
}
"""Components that have a section of their own."""
_TREATMENT: Final = "x-nodexa-treatment"


@functools.cache
def page() -> tuple[bytes, bytes]:
    """The page, and the Content-Security-Policy that allows its own style and nothing else."""
    style = (resources.files(__package__ or "") / "page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return render(document(), style).encode(), f"{policy}; frame-ancestors 'none'".encode()


def render(tree: Json, style: str) -> str:
    """The page of an OpenAPI document."""
    info, schemas = tree["info"], tree["components"]["schemas"]
    head = f"<h1>{escape(info['title'])}</h1><p>{_prose(info['description'])}</p>"
    sections = [
        ("Calling it", "".join(_examples())),
        *_operations(tree),
        (_SECTIONS["CreateResponse"], _treatments() + _members(schemas["CreateResponse"])),
        (_SECTIONS["Response"], _members(schemas["Response"])),
        (_SECTIONS["Item"], _kinds(schemas["Item"])),
        (_SECTIONS["StreamEvent"], _events(tree)),
        ("Errors", _errors(tree)),
    ]
    links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title, _ in sections)
    body = "".join(f'<h2 id="{_anchor(title)}">{escape(title)}</h2>{text}' for title, text in sections)
    version = f'<p class="faint">Version {escape(info["version"])} · <a href="/openapi.json">openapi.json</a></p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{style}</style></head>"
        f"<body><main>{head}{version}<nav>{links}</nav>{body}</main></body></html>\n"
    )


def _examples() -> Iterator[str]:
    yield "<p>Set <code>NODEXA_BASE_URL</code>, <code>NODEXA_API_KEY</code> and <code>NODEXA_ASSISTANT_ID</code>; "
    yield "the first start writes them to <code>quickstart.env</code> in the data directory.</p>"
    for title, text in example.EXAMPLES.items():
        yield f"<h3>{escape(title)}</h3><pre><code>{escape(text)}</code></pre>"


def _operations(tree: Json) -> Iterator[tuple[str, str]]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in tree["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(tree, method, path, operation))
    for tag, shown in by_tag.items():
        yield tag, "".join(shown)


def _operation(tree: Json, method: str, path: str, operation: Json) -> str:
    parameters = [_resolved(tree, parameter) for parameter in operation["parameters"]]
    parts = [
        f"<p>{_prose(operation['description'])}</p>" if "description" in operation else "",
        "" if operation.get("security") == [] else "<p>Needs a key.</p>",
        _rows(_parameter(each) for each in parameters),
        *(f"<h3>{label}</h3>{text}" for label, text in _exchanged(tree, operation)),
    ]
    head = f'<span class="method {method}">{method.upper()}</span><code>{escape(path)}</code>'
    about = f'<span class="faint">{_prose(operation["summary"])}</span>'
    return f'<details id="{operation["operationId"]}"><summary>{head}{about}</summary>{"".join(parts)}</details>'


def _exchanged(tree: Json, operation: Json) -> Iterator[tuple[str, str]]:
    if "requestBody" in operation:
        (media,) = operation["requestBody"]["content"].values()
        yield "Body", f"<p>{_schema(media['schema'])}</p>"
    rows = []
    for status, answer in operation["responses"].items():
        found = _resolved(tree, answer)
        kinds = " or ".join(
            f"{_schema(media['schema'])} <span class='kind'>{escape(name)}</span>"
            for name, media in found.get("content", {}).items()
        )
        says = _prose(found["description"]) if status >= "300" else kinds
        rows.append((f"<code>{status}</code>", f"<p>{says}</p>"))
    yield "Answers", _rows(rows)


def _parameter(parameter: Json) -> tuple[str, str]:
    where = f'<div class="kind">{escape(parameter["in"])}, {_schema(parameter["schema"])}</div>'
    return f"<code>{escape(parameter['name'])}</code>{_tag(parameter)}{where}", f"<p>{_prose(_says(parameter))}</p>"


def _members(schema: Json) -> str:
    return _rows(_member(name, each) for name, each in schema["properties"].items())


def _member(name: str, schema: Json) -> tuple[str, str]:
    kind = f'<div class="kind">{_schema(schema)}</div>'
    return f"<code>{escape(name)}</code>{_tag(schema)}{kind}", f"<p>{_prose(_says(schema))}</p>"


def _treatments() -> str:
    return _rows((_tag({_TREATMENT: each.name.lower()}), f"<p>{_prose(each.value)}</p>") for each in Treatment)


def _tag(value: Json) -> str:
    word = value.get(_TREATMENT, "")
    return f' <span class="tag {word}">{word}</span>' if word else ""


def _says(value: Json) -> str:
    """The description, without the sentence that the tag stands for."""
    word = value.get(_TREATMENT, "")
    text: str = value.get("description", "")
    return text.replace(told(Treatment[word.upper()]), "").strip() if word else text


def _kinds(schema: Json) -> str:
    kinds = (kind for kind in schema["anyOf"] if "const" in kind.get("properties", {}).get("type", {}))
    return _rows(
        (
            f"<code>{escape(kind['properties']['type']['const'])}</code>",
            _described(kind["description"], kind["properties"]),
        )
        for kind in kinds
    )


def _events(tree: Json) -> str:
    schemas = tree["components"]["schemas"]
    names = [place["$ref"].rpartition("/")[2] for place in schemas["StreamEvent"]["oneOf"]]
    says = _prose(schemas["StreamEvent"]["description"])
    frame = "<pre><code>event: response.output_text.delta\ndata: {…}\n</code></pre>"
    end = "<p>After the last event comes <code>data: [DONE]</code>; a line that begins with a colon is a heartbeat.</p>"
    rows = _rows(
        (
            f"<code>{escape(schemas[name]['properties']['type']['const'])}</code>",
            _described(schemas[name].get("description", ""), list(schemas[name]["properties"])[2:]),
        )
        for name in names
    )
    return f"<p>{says}</p>{frame}{end}{rows}"


def _errors(tree: Json) -> str:
    says = "<p>Every error is <code>{&quot;error&quot;: {message, type, param, code}}</code>.</p>"
    headers = _rows(
        (f"<code>{name}</code>", f"<p>{_prose(header['description'])}</p>")
        for name, header in tree["components"]["headers"].items()
        if "description" in header
    )
    statuses = _rows(
        (f"<code>{name.removeprefix('Error')}</code>", f"<p>{_prose(answer['description'])}</p>")
        for name, answer in tree["components"]["responses"].items()
    )
    return says + headers + f"<h3>By status</h3>{statuses}"


def _described(says: str, names: Iterable[str]) -> str:
    return f'<p>{_prose(says)}</p><div class="kind">{escape(", ".join(names))}</div>'


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    shown = "".join(f"<div><div>{left}</div><div>{right}</div></div>" for left, right in rows)
    return f'<div class="rows">{shown}</div>' if shown else ""


def _schema(schema: Json) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{_anchor(_SECTIONS[name])}">{name}</a>' if name in _SECTIONS else name
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_schema(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(escape(str(value)) for value in schema["enum"])
    if "const" in schema:
        return escape(str(schema["const"]))
    if schema.get("type") == "array":
        return f"list of {_schema(schema['items'])}"
    return escape(str(schema.get("type", "anything")))


def _resolved(tree: Json, value: Json) -> Json:
    if "$ref" not in value:
        return value
    found: Any = tree
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return]


def _prose(text: str) -> str:
    shown = escape(text)
    for mark, markup in _MARKS:
        shown = mark.sub(markup, shown)
    return shown


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
