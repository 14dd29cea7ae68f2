"""Where objects live: the storage interface, its backends and the watch cache. Never: HTTP, or what a kind means."""
