"""LoadBalancer addresses: which node answers for each, and making it do so (layer 2)."""
