"""Service: answers attribution queries from an index version, over gRPC or in process."""
