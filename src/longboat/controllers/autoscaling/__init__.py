"""The horizontal pod autoscaler: as many replicas as there is work for."""
