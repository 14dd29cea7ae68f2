"""One module per verb: request in, store call, response out."""
