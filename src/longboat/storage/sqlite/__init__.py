"""The SQLite backend: a store process that owns the database, and the client that speaks to it."""
