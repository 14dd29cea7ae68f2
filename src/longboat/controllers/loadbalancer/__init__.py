"""Services of type LoadBalancer: which address each gets. Answering there is the nodes' (network.loadbalancer)."""
