"""Generated protobuf and gRPC code of `attridex.v1`; see `attribution.proto` and `admin.proto`."""
