"""Which node a pod runs on: queue, snapshot, cycle. Never: what runs on the node."""
