"""What the components are put together by, for a cluster of processes (`cli`) and for one in a test (`testing`) alike.

Here belongs what knows several components and is needed by both. Never here: flags, files and processes of a command.
"""
