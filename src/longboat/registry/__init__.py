"""What each kind means: one strategy per kind over one generic store. Never: HTTP, users' rights, or connections."""
