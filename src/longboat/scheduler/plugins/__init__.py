"""One module per scheduling plugin: filter, score, or both."""
