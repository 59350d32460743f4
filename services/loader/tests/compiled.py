"""Look at what has been compiled in this process."""

import sys

from numba.core.dispatcher import Dispatcher


def compiled_signatures() -> dict[str, frozenset[str]]:
    """Return what each function that is kept once compiled was compiled for, by its name."""
    return {
        f"{function.py_func.__module__}.{function.py_func.__name__}": frozenset(
            map(str, function.signatures)
        )
        for name, module in list(sys.modules.items())
        if name.startswith(("libs.", "services."))
        for function in vars(module).values()
        if isinstance(function, Dispatcher) and function.stats.cache_path is not None
    }
