"""A small chat, written as the documentation of each peer would write it, to stand beside ours.

Clients join a room. A message of a client goes to all in its room, the sender included.
"""
