"""Pod networks: the CNI configuration of a node and the routes between nodes."""
