"""The one language of types: shapes, what is read and written by them, and how structural schemas become them.

A type comes from the build or from a CustomResourceDefinition; only `schema.Schema` knows which.
Never: what any one kind means, or who serves it.
"""
