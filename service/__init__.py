"""Service: answers attribution queries from an index version, over gRPC or in process."""

import os

# gRPC's own log repeats what clients send, bytes of any kind: lines of it could be forged. Read when gRPC is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
