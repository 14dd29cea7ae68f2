"""The controllers: one module each, plus the runtime they share. Never: storage, HTTP, or another controller."""
