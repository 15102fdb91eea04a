"""What the document says of files and vector stores: their operations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.method import BYTES, FORM, JSON, Operation

FILES, STORES = "Files", "Vector stores"
_BODY: Final = (408, 413, 415)
_PAGE: Final = ("limit", "after", "order")
_FILE: Final = ("vector_store_id", "store_file_id")
_BATCH: Final = ("vector_store_id", "batch_id")

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = MappingProxyType(
    {
        ("POST", "/v1/files"): Operation(
            "createFile", FILES, "Upload a file", body="NewFile", media=FORM, answer={JSON: "File"}, refusals=_BODY
        ),
        ("GET", "/v1/files"): Operation(
            "listFiles", FILES, "List the files", parameters=(*_PAGE, "purpose"), answer={JSON: "FileList"}
        ),
        ("GET", "/v1/files/{id}"): Operation(
            "getFile", FILES, "Show a file", parameters=("file_id",), answer={JSON: "File"}, refusals=(404,)
        ),
        ("DELETE", "/v1/files/{id}"): Operation(
            "deleteFile",
            FILES,
            "Delete a file, and take it out of every vector store",
            parameters=("file_id",),
            answer={JSON: "DeletedFile"},
            refusals=(404,),
        ),
        ("GET", "/v1/files/{id}/content"): Operation(
            "getFileContent",
            FILES,
            "Give a file back as it was uploaded",
            parameters=("file_id",),
            answer={BYTES: "FileContent"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores"): Operation(
            "createVectorStore",
            STORES,
            "Make a vector store",
            body="NewVectorStore",
            answer={JSON: "VectorStore"},
            refusals=(404, *_BODY),
        ),
        ("GET", "/v1/vector_stores"): Operation(
            "listVectorStores", STORES, "List the vector stores", parameters=_PAGE, answer={JSON: "VectorStoreList"}
        ),
        ("GET", "/v1/vector_stores/{id}"): Operation(
            "getVectorStore",
            STORES,
            "Show a vector store",
            parameters=("vector_store_id",),
            answer={JSON: "VectorStore"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores/{id}"): Operation(
            "updateVectorStore",
            STORES,
            "Change a vector store",
            parameters=("vector_store_id",),
            body="VectorStoreUpdate",
            answer={JSON: "VectorStore"},
            refusals=(404, *_BODY),
        ),
        ("DELETE", "/v1/vector_stores/{id}"): Operation(
            "deleteVectorStore",
            STORES,
            "Delete a vector store; its files stay",
            parameters=("vector_store_id",),
            answer={JSON: "DeletedVectorStore"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores/{id}/search"): Operation(
            "searchVectorStore",
            STORES,
            "Find passages, the best first",
            parameters=("vector_store_id",),
            body="VectorStoreSearch",
            answer={JSON: "SearchResults"},
            refusals=(404, *_BODY),
        ),
        ("POST", "/v1/vector_stores/{id}/files"): Operation(
            "createVectorStoreFile",
            STORES,
            "Add a file, which is read in the background",
            parameters=("vector_store_id",),
            body="NewVectorStoreFile",
            answer={JSON: "VectorStoreFile"},
            refusals=(404, *_BODY),
        ),
        ("GET", "/v1/vector_stores/{id}/files"): Operation(
            "listVectorStoreFiles",
            STORES,
            "List the files of a vector store",
            parameters=("vector_store_id", *_PAGE, "filter"),
            answer={JSON: "VectorStoreFileList"},
            refusals=(404,),
        ),
        ("GET", "/v1/vector_stores/{id}/files/{file_id}"): Operation(
            "getVectorStoreFile",
            STORES,
            "Show how a file of a vector store stands",
            parameters=_FILE,
            answer={JSON: "VectorStoreFile"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores/{id}/files/{file_id}"): Operation(
            "updateVectorStoreFile",
            STORES,
            "Replace what is noted of a file",
            parameters=_FILE,
            body="VectorStoreFileUpdate",
            answer={JSON: "VectorStoreFile"},
            refusals=(404, *_BODY),
        ),
        ("DELETE", "/v1/vector_stores/{id}/files/{file_id}"): Operation(
            "deleteVectorStoreFile",
            STORES,
            "Take a file out of a vector store; the file stays",
            parameters=_FILE,
            answer={JSON: "DeletedVectorStoreFile"},
            refusals=(404,),
        ),
        ("GET", "/v1/vector_stores/{id}/files/{file_id}/content"): Operation(
            "getVectorStoreFileContent",
            STORES,
            "Show the text that was found in a file, passage by passage",
            parameters=_FILE,
            answer={JSON: "FileTexts"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores/{id}/file_batches"): Operation(
            "createVectorStoreFileBatch",
            STORES,
            "Add several files at once",
            parameters=("vector_store_id",),
            body="NewFileBatch",
            answer={JSON: "FileBatch"},
            refusals=(404, *_BODY),
        ),
        ("GET", "/v1/vector_stores/{id}/file_batches/{batch_id}"): Operation(
            "getVectorStoreFileBatch",
            STORES,
            "Show how the files of a batch stand",
            parameters=_BATCH,
            answer={JSON: "FileBatch"},
            refusals=(404,),
        ),
        ("POST", "/v1/vector_stores/{id}/file_batches/{batch_id}/cancel"): Operation(
            "cancelVectorStoreFileBatch",
            STORES,
            "Give up the files of a batch that were not read yet",
            parameters=_BATCH,
            answer={JSON: "FileBatch"},
            refusals=(404,),
        ),
        ("GET", "/v1/vector_stores/{id}/file_batches/{batch_id}/files"): Operation(
            "listFilesInVectorStoreBatch",
            STORES,
            "List the files of a batch",
            parameters=(*_BATCH, *_PAGE, "filter"),
            answer={JSON: "VectorStoreFileList"},
            refusals=(404,),
        ),
    }
)
"""Method and path → what the document says of it."""
