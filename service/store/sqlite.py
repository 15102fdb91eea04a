"""The SQLite in use: the one that is installed beside Nodexa where there is one, else Python's own.

sqlite-utils chooses the same way. Only one may ever open a file in a process: two copies of SQLite break each other's
locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

# Where a value's type has no adapter, the module asks the value for one, and makes an exception of the answer: a
# microsecond for each that is bound.
for kind in (bytes, bool, type(None)):
    sqlite3.register_adapter(kind, lambda value: value)

__all__ = ["sqlite3"]
