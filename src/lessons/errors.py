"""The error a reader may see: one sentence that names the value, the limit and the remedy."""


class LessonError(Exception):
    """Something a reader can put right.

    The command line prints the message alone, without a traceback. Each message says which value was wrong,
    what the limit is, and what to do.
    """
