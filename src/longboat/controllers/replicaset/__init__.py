"""ReplicaSet: so many pods of one template. Belongs: counting, claiming, creating and removing pods of a ReplicaSet."""
