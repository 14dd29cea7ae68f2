"""Types that come while the server runs: what a structural schema says, in the shapes that the build's types have.

Never: what any one kind means, or who serves it.
"""
