"""Keep Python's search for cycles away from what a process keeps for as long as it lives."""

import gc

_NEW_OBJECTS = 200_000


def settle_heap() -> None:
    """Take what is there by now out of every search, and search seldom; call it once all is imported and made.

    Looking through it again and again takes time, and memory that children share. Tasks and requests make many objects
    and few cycles: looking for these after every 700 was a fifth of the time of a file with bad rows, and 0.2 s of
    every tenth overview of many datasets.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)
