"""Stores of result folders: one contract, a module for each kind of place (docs/stores.md)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from profiling_operator.stores.changing import change_document
from profiling_operator.stores.contract import (
    Document,
    Listed,
    ResultStore,
    StoreConflictError,
    StoredFile,
    StoreRefusedError,
)
from profiling_operator.stores.keys import (
    BadKeyError,
    DocumentName,
    Key,
    check_path,
    check_series,
    problem,
    read_document_name,
    read_key,
)
from profiling_operator.stores.sending import LAST_FILE, fetch_all, insist, put_all

OBJECTS = ("s3", "gs", "az")

__all__ = [
    "LAST_FILE",
    "BadKeyError",
    "Document",
    "DocumentName",
    "Key",
    "Listed",
    "ResultStore",
    "StoreConflictError",
    "StoreRefusedError",
    "StoredFile",
    "change_document",
    "check_path",
    "check_series",
    "fetch_all",
    "insist",
    "open_store",
    "problem",
    "put_all",
    "read_document_name",
    "read_key",
]


def open_store(
    url: str,
    *,
    token_file: str = "",
    token: str = "",
    ca: str = "",
    options: Mapping[str, str] | None = None,
) -> ResultStore:
    """The store at a URL; nothing is asked of it yet.

    `token_file` or `token`: for a results server; `ca`: certificates in PEM that sign the
    server's; `options`: of an object store. Raises StoreRefusedError for what is none of these.
    """
    scheme = urlsplit(url).scheme
    if scheme not in {"file", "http", "https", *OBJECTS}:
        allowed = ", ".join(f"{one}://" for one in ("file", "http", "https", *OBJECTS))
        raise StoreRefusedError(f"{url!r}: a store's URL begins with one of {allowed}")
    if options and scheme not in OBJECTS:
        raise StoreRefusedError(f"{url}: takes no options; there is {', '.join(sorted(options))}")
    # Each kind is imported when it is wanted: the library of object stores is large.
    if scheme == "file":
        from profiling_operator.stores.folder import FolderStore

        return FolderStore(url)
    if scheme in OBJECTS:
        from profiling_operator.stores.objects import ObjectsStore

        return ObjectsStore(url, ca, options)
    from profiling_operator.stores.server import ServerStore

    return ServerStore(url, token_file, token, ca)
