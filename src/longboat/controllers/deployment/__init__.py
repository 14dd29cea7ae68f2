"""Deployment: rolls pods from one ReplicaSet to the next. Pure planning in `rolling`, `revisions`, `status`."""
