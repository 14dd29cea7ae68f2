"""Custom kinds: what makes a CustomResourceDefinition one that is served, and takes it away again with its objects.

It follows from what is stored alone, so several servers at one store agree.
Never: what a definition may say (`registry/kinds/apiextensions`), or what is done to objects (`registry/custom`).
"""
