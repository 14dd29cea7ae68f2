"""The node agent: makes the pods bound to this node run. Never: a decision about other nodes."""
