"""What a node does when it runs short. Belongs: seeing it, making room, choosing who has to go; ending pods is theirs
who run them, removing images and containers is garbage collection's."""
