"""The only SQL."""

import sys
from types import ModuleType
from typing import Any

# What sqlite-utils imports for types that nothing here stores, and for commands that nothing here gives: NumPy, where
# it is installed, is 0.2 s of a start and 12 MB; dateutil's parser, a twentieth of all other imports.
_UNUSED: dict[str, Any] = {"numpy": None, "dateutil.parser": ModuleType("dateutil.parser")}
_hidden = {name: module for name, module in _UNUSED.items() if name not in sys.modules}
sys.modules.update(_hidden)
import sqlite_utils  # noqa: E402, F401 - so that later imports find it as it is

for _name in _hidden:
    del sys.modules[_name]
