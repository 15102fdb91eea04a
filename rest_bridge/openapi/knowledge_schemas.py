"""The schemas of files and vector stores."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.method import BYTES
from rest_bridge.openapi.request import METADATA
from rest_bridge.openapi.schema import Schema, constant, items, members, nullable, of, one_of, ref, whole, word
from rest_bridge.wire import store_file, vector_store
from rest_bridge.wire.file import PURPOSES

_TEXT: Final = of("string")
_COUNT: Final = of("integer", minimum=0)
_TIME: Final = of("integer", "Seconds since 1970.")
_DELETED: Final[Schema] = {"const": True}
_WORD: Final = one_of(of("string", maxLength=512), of("number"), of("boolean"))
_ATTRIBUTES: Final = of(
    "object",
    "What is noted of the file, for filters.",
    maxProperties=16,
    propertyNames=of("string", minLength=1, maxLength=64),
    additionalProperties=_WORD,
)
_CHUNKING: Final = one_of(
    members({"type": constant("auto")}, ("type",)),
    members(
        {
            "type": constant("static"),
            "static": whole(
                {
                    "max_chunk_size_tokens": of("integer", minimum=100, maximum=4096),
                    "chunk_overlap_tokens": of("integer", "At most half of that.", minimum=0, maximum=2048),
                }
            ),
        },
        ("type", "static"),
    ),
    says="How the text is cut; words and marks are counted. auto: 800 and 400.",
)
_FILTER: Final = of(
    "object", "A comparison (eq, ne, gt, gte, lt, lte, in, nin) of an attribute, or and, or of filters."
)
_EXPIRY: Final = whole({"anchor": constant("last_active_at"), "days": of("integer", minimum=1, maximum=365)})
_COUNTS: Final = whole(dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), _COUNT))
_NEW_FILE: Final[Mapping[str, Schema]] = {
    "file_id": _TEXT,
    "attributes": nullable(_ATTRIBUTES),
    "chunking_strategy": nullable(_CHUNKING),
}
_NOTED: Final = whole({"ignored": items(_TEXT, "Every field of the request that had no effect.")})


_PROGRESS: Final = members(
    {
        "passages": of("integer", "Those that were written so far.", minimum=0),
        "embedded_passages": of("integer", "Those of them that are found by their meaning.", minimum=0),
        "ignored": items(_TEXT, "Every field of the request that had no effect."),
    },
    ("passages", "embedded_passages"),
)


def _shown(properties: Mapping[str, Schema], says: str = "") -> Schema:
    """An object that always has these members, and says what was ignored where anything was."""
    return members({**properties, "nodexa": _NOTED}, properties, says)


def _list(name: str) -> Schema:
    texts = {"first_id": _TEXT, "last_id": of("string", "The `after` of the next page.")}
    return whole({"object": constant("list"), "data": items(ref(name)), **texts, "has_more": of("boolean")})


def _deleted(kind: str) -> Schema:
    return whole({"id": _TEXT, "object": constant(kind), "deleted": _DELETED})


def _page(kind: str, entry: Schema, **more: Schema) -> Schema:
    ends = {"has_more": of("boolean"), "next_page": nullable(_TEXT)}
    return _shown({"object": constant(kind), **more, "data": items(entry), **ends})


_WEIGHT: Final = of("number", minimum=0)
_RANKING: Final = members(
    {
        "score_threshold": nullable(of("number", minimum=0, maximum=1)),
        "ranker": nullable(word(*vector_store.RANKERS, says="There is one here.")),
        "hybrid_search": nullable(
            members(
                {"embedding_weight": _WEIGHT, "text_weight": _WEIGHT},
                ("embedding_weight", "text_weight"),
                "How much the rankings by meaning and by words count. Refused where nothing is embedded.",
            )
        ),
    }
)
_PART: Final = whole({"type": constant("text"), "text": _TEXT})

SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "NewFile": members(
            {
                "file": of("string", "The file. Its name says what it is.", contentMediaType=BYTES),
                "purpose": word(*PURPOSES, says="What for. assistants and user_data can be searched."),
                "expires_after[anchor]": constant("created_at"),
                "expires_after[seconds]": of("integer", minimum=3600, maximum=2_592_000),
            },
            ("file", "purpose"),
        ),
        "File": _shown(
            {
                "id": of("string", "file_ and a UUID."),
                "object": constant("file"),
                "bytes": _COUNT,
                "created_at": _TIME,
                "expires_at": nullable(_TIME),
                "filename": _TEXT,
                "purpose": word(*PURPOSES),
                "status": constant("processed"),
                "status_details": {"type": "null"},
            }
        ),
        "FileList": _list("File"),
        "FileContent": of("string", "The bytes.", contentMediaType=BYTES),
        "DeletedFile": _deleted("file"),
        "NewVectorStore": members(
            {
                "name": nullable(of("string", maxLength=256)),
                "description": nullable(of("string", maxLength=1024)),
                "metadata": nullable(METADATA),
                "expires_after": nullable(_EXPIRY),
                "file_ids": nullable(items(_TEXT, maxItems=2000)),
                "chunking_strategy": nullable(_CHUNKING),
            }
        ),
        "VectorStoreUpdate": members(
            {
                "name": nullable(of("string", maxLength=256)),
                "metadata": nullable(METADATA),
                "expires_after": nullable(_EXPIRY),
            }
        ),
        "VectorStore": _shown(
            {
                "id": of("string", "vs_ and a UUID."),
                "object": constant("vector_store"),
                "created_at": _TIME,
                "name": _TEXT,
                "description": nullable(_TEXT),
                "usage_bytes": _COUNT,
                "file_counts": _COUNTS,
                "status": word(*vector_store.STATUS_WORDS.values()),
                "expires_after": nullable(_EXPIRY),
                "expires_at": nullable(_TIME),
                "last_active_at": _TIME,
                "metadata": METADATA,
            }
        ),
        "VectorStoreList": _list("VectorStore"),
        "DeletedVectorStore": _deleted("vector_store.deleted"),
        "VectorStoreSearch": members(
            {
                "query": one_of(_TEXT, items(_TEXT, minItems=1, maxItems=16), says="In any words."),
                "filters": nullable(_FILTER),
                "max_num_results": nullable(of("integer", minimum=1, maximum=50)),
                "ranking_options": nullable(_RANKING),
                "rewrite_query": {},
            },
            ("query",),
        ),
        "SearchResults": _page(
            "vector_store.search_results.page",
            whole(
                {
                    "file_id": _TEXT,
                    "filename": _TEXT,
                    "score": of("number", minimum=0, maximum=1),
                    "attributes": _ATTRIBUTES,
                    "content": items(_PART),
                }
            ),
            search_query=items(_TEXT),
        ),
        "NewVectorStoreFile": members(_NEW_FILE, ("file_id",)),
        "VectorStoreFileUpdate": members({"attributes": nullable(_ATTRIBUTES)}, ("attributes",)),
        "VectorStoreFile": members(
            {
                "id": of("string", "The file's."),
                "object": constant("vector_store.file"),
                "created_at": _TIME,
                "usage_bytes": _COUNT,
                "vector_store_id": _TEXT,
                "status": word(*store_file.STATUS_WORDS.values()),
                "last_error": nullable(
                    whole({"code": word("unsupported_file", "invalid_file", "server_error"), "message": _TEXT})
                ),
                "chunking_strategy": _CHUNKING,
                "attributes": _ATTRIBUTES,
                "nodexa": _PROGRESS,
            },
            (
                *("id", "object", "created_at", "usage_bytes", "vector_store_id", "status", "last_error"),
                *("chunking_strategy", "attributes", "nodexa"),
            ),
        ),
        "VectorStoreFileList": _list("VectorStoreFile"),
        "DeletedVectorStoreFile": _deleted("vector_store.file.deleted"),
        "FileTexts": _page("vector_store.file_content.page", _PART),
        "NewFileBatch": one_of(
            members(
                {**_NEW_FILE, "file_id": {"type": "null"}, "file_ids": items(_TEXT, minItems=1, maxItems=2000)},
                ("file_ids",),
                "Files that share the rest.",
            ),
            members(
                {"files": items(ref("NewVectorStoreFile"), minItems=1, maxItems=2000)},
                ("files",),
                "Files that each have their own.",
            ),
        ),
        "FileBatch": _shown(
            {
                "id": of("string", "vsfb_ and a UUID."),
                "object": constant("vector_store.files_batch"),
                "created_at": _TIME,
                "vector_store_id": _TEXT,
                "status": word(*store_file.STATUS_WORDS.values()),
                "file_counts": _COUNTS,
            }
        ),
    }
)
"""The components of what is sent and answered."""
