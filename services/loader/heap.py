"""Keep the memory of a loader small: what a load has freed goes back to the kernel, or to the next block.

Glibc gives each thread a heap of its own, and each load reads in a thread of its own: memory that one thread has freed
stayed with its heap, while the next one grew another.
"""

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_ONE = 1


def share_one_heap() -> None:
    """Let all threads of this process, and of those forked from it, share one heap; call it before they start."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:  # another C library has no such heaps
        set_option(_ARENA_MAX, _ONE)
