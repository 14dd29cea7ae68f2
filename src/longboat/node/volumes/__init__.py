"""One module per volume type: set up and tear down a directory for a pod."""
