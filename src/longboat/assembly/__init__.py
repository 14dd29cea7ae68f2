"""What components are put together by: control planes, real and simulated nodes, for `cli` and `testing` alike.

Here belongs what knows several components. Never here: flags, and what only a command does on its machine.
"""
