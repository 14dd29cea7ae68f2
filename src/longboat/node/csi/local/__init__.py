"""The driver inside the agent: volumes are image files on the node's own disk, used through loop devices."""
