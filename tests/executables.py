"""What XLA compiled, handed out again for a program of the same text.

Many tests define functions that differ in nothing but being other objects, and JAX
knows a program by its function. Tracing and lowering are done again, and counted as
ever; what XLA makes of equal texts, options and devices is the same.
"""

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jax._src import compiler

LIMIT = 1024
"""How many are kept, those that were used last: each takes a quarter of a MiB."""


def keep() -> None:
    """Keeps what this process compiles from now on.

    The function is not one that JAX documents; without it all programs are compiled.
    """
    if hasattr(compiler, "backend_compile_and_load"):
        compiler.backend_compile_and_load = kept(compiler.backend_compile_and_load)


def kept(compile: Callable[..., Any], limit: int = LIMIT) -> Callable[..., Any]:
    """A compiler that compiles equal programs once.

    Programs that call Python back are compiled every time: their text names an object
    that lives no longer than the function that it belongs to.
    """
    found: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    @functools.wraps(compile)
    def compiled(backend, module, devices, options, host_callbacks):
        text = module.operation.get_asm(enable_debug_info=False)
        if host_callbacks or "callback" in text:
            return compile(backend, module, devices, options, host_callbacks)
        digest = hashlib.sha256(text.encode()).digest()
        key = digest, backend, devices, options.SerializeAsString()
        if key not in found:
            found[key] = compile(backend, module, devices, options, host_callbacks)
        found.move_to_end(key)
        if len(found) > limit:
            found.popitem(last=False)
        return found[key]

    return compiled
