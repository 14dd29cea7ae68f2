"""What an API object is: schema, kinds, errors, selectors, patches. Pure.

Never: I/O, tasks, or the meaning of one kind.
"""
