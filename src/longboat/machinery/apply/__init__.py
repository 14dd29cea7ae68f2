"""Who owns which fields of an object, and server-side apply (KEP-555). Pure: no I/O, no clock, no kinds.

Belongs here: sets of fields, how types merge, and what updates and applies make of the entries of
metadata.managedFields. Never: what a request is, or where objects are stored.
"""
