"""CSI on the node: drivers that register here, volumes staged and published through them, and a driver built in.

What a pod's volumes are made of in general belongs to `node/volumes`; which volumes are made, attached and deleted is
decided by controllers.
"""
