"""A core that has no SQLite but Python's own: it finds no other installed."""

from __future__ import annotations

import sys
from typing import cast

if __name__ == "__main__":
    # What is None there can't be imported.
    cast(dict[str, object], sys.modules)["pysqlite3"] = None
    from service.__main__ import main

    sys.exit(main(sys.argv[1:]))
