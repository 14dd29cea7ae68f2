"""The four ways to change an object by a patch document. Pure functions from (object, patch) to object."""
