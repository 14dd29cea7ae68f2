"""The controller side of CSI drivers whose service is reached through a node: make, delete, attach, grow volumes."""
