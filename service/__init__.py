"""The Nodexa core: gRPC in, models out, SQLite beneath."""

import os

# Read by gRPC when it is imported. Children are started by exec, so it need not prepare for a fork or complain of one.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
