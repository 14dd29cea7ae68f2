"""One package per API group, one module per kind: defaults, validation, columns. Never: a second CRUD path."""
