"""The container runtime behind one interface: CRI over gRPC, and an in-memory runtime."""
