"""The API over HTTP: server, request chain, handlers, discovery. Never: what one kind means."""
