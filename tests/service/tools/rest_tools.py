"""REST tools as administrators write them."""

from __future__ import annotations

TEXT = {"type": "string"}
ORDER = {
    "type": "rest",
    "name": "order",
    "description": "An order.",
    "url": "https://api.example/orders/{id}?version=2",
    "parameters": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Its number."},
            "fields": {"type": "array", "items": TEXT},
            "trace": {"type": "string", "in": "header", "as": "X-Trace"},
        },
        "required": ["id"],
    },
}
MAKE = {
    "type": "rest",
    "name": "make_order",
    "method": "POST",
    "url": "https://api.example/orders",
    "parameters": {
        "properties": {"item": TEXT, "count": {"type": "integer", "as": "n"}, "dry": {"type": "boolean", "in": "query"}}
    },
}
