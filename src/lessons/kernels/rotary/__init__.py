"""The rotation of queries and keys by their position.

It is inlined into compiled passes, between a product and the cache that takes its outputs: see ``rotary.cpu.rotate``.
A call of its own would cost more than the rotation.
"""
