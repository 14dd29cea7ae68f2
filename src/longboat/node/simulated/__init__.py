"""What containers that are only imagined do: rules as data, and what follows from them. No I/O, and nothing that a node
with containers needs. How one data type is filled (annotations, rule files, a test) is for those who fill it."""
