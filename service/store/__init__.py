"""The only SQL."""

import sys

if "numpy" not in sys.modules:
    # Where it is installed, sqlite-utils imports NumPy for types that nothing here stores: 0.2 s of a start, and 12 MB.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    import sqlite_utils  # noqa: F401 - so that later imports find it as it is

    del sys.modules["numpy"]
