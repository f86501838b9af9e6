"""The closed forms of the book, one module a topic, in the standard library alone.

The same files run in notebooks, tests and graders, and in a reader's browser. Every function is pure: plain
numbers in SI base units go in, and a plain number or a small named tuple comes out.
"""
