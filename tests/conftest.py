"""One profile for property tests: reproducible, and patient with the first call, which may compile."""

from hypothesis import settings

settings.register_profile("book", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("book")
