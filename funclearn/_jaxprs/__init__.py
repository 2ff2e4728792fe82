"""What the library knows of JAX's inside, and the only place that does.

A jaxpr is JAX's record of a traced function: equations, each a primitive applied to
variables and literals, some of them holding further jaxprs. All that JAX has for
extensions, as an experiment or undocumented is imported here, and what differs between
its versions ends here:

- before 0.11 a jaxpr that holds its constants is a class of its own, `ClosedJaxpr`, and
  the jaxprs of some equations are not closed; since then there is one class;
- since 0.12 some operations with rules of their own, as `custom_root`, hold an object
  where others hold a jaxpr;
- since 0.11 the calls that are not `jax.jit` are one primitive, `eval_jaxpr`, and the
  parameters of a scan no longer count its operands.

What needs `jax.extend` is imported when asked for: that takes 30 ms, which whoever only
trains need not pay.
"""

from typing import TYPE_CHECKING

from funclearn import _lazy
from funclearn._jaxprs._text import text_of
from funclearn._jaxprs._tracing import (
    ShapedArray,
    Tracer,
    eval_jaxpr,
    hoisted,
    is_key,
    marked,
    split_constants,
)
from funclearn._jaxprs._varying import filled, vary, vary_as, varying_axes

if TYPE_CHECKING:
    from jax.extend.core import (
        ClosedJaxpr,
        DropVar,
        JaxprEqn,
        Literal,
        Var,
        jaxpr_as_fun,
        primitives,
        valid_jaxtype,
    )

    from funclearn._jaxprs._cache import is_whole, kept_in, reset_cache
    from funclearn._jaxprs._clusters import (
        backends_exist,
        detected,
        process_of,
    )
    from funclearn._jaxprs._dependence import carried, depends, leading
    from funclearn._jaxprs._equations import (
        argument_names,
        called,
        close,
        frames,
        function_name,
        has_rule,
        inner_jaxprs,
        literal,
        reads,
    )
    from funclearn._jaxprs._evaluation import apply, bind, interpret, single
    from funclearn._jaxprs._forward import one_way
    from funclearn._jaxprs._loops import (
        Scan,
        While,
        linear_solver,
        scan_of,
        while_of,
    )
    from funclearn._jaxprs._segments import in_segments
    from funclearn._jaxprs._sharing import without_repetition
    from funclearn._jaxprs._tangents import TangentLoop, tangent_loop

__all__ = [
    "ClosedJaxpr",
    "DropVar",
    "JaxprEqn",
    "Literal",
    "Scan",
    "ShapedArray",
    "TangentLoop",
    "Tracer",
    "Var",
    "While",
    "apply",
    "argument_names",
    "backends_exist",
    "bind",
    "called",
    "carried",
    "close",
    "depends",
    "detected",
    "eval_jaxpr",
    "filled",
    "frames",
    "function_name",
    "has_rule",
    "hoisted",
    "in_segments",
    "inner_jaxprs",
    "interpret",
    "is_key",
    "is_whole",
    "jaxpr_as_fun",
    "kept_in",
    "leading",
    "linear_solver",
    "literal",
    "marked",
    "one_way",
    "primitives",
    "process_of",
    "reads",
    "reset_cache",
    "scan_of",
    "single",
    "split_constants",
    "tangent_loop",
    "text_of",
    "valid_jaxtype",
    "vary",
    "vary_as",
    "varying_axes",
    "while_of",
    "without_repetition",
]

__getattr__, __dir__ = _lazy.attach(
    __name__,
    names={
        **dict.fromkeys(
            (
                "argument_names",
                "called",
                "close",
                "frames",
                "function_name",
                "has_rule",
                "inner_jaxprs",
                "literal",
                "reads",
            ),
            "funclearn._jaxprs._equations",
        ),
        **dict.fromkeys(
            ("is_whole", "kept_in", "reset_cache"), "funclearn._jaxprs._cache"
        ),
        **dict.fromkeys(
            ("backends_exist", "detected", "process_of"),
            "funclearn._jaxprs._clusters",
        ),
        **dict.fromkeys(
            ("carried", "depends", "leading"), "funclearn._jaxprs._dependence"
        ),
        **dict.fromkeys(
            ("apply", "bind", "interpret", "single"), "funclearn._jaxprs._evaluation"
        ),
        **dict.fromkeys(
            ("Scan", "While", "linear_solver", "scan_of", "while_of"),
            "funclearn._jaxprs._loops",
        ),
        "one_way": "funclearn._jaxprs._forward",
        "in_segments": "funclearn._jaxprs._segments",
        "without_repetition": "funclearn._jaxprs._sharing",
        **dict.fromkeys(("TangentLoop", "tangent_loop"), "funclearn._jaxprs._tangents"),
        **dict.fromkeys(
            (
                "ClosedJaxpr",
                "DropVar",
                "JaxprEqn",
                "Literal",
                "Var",
                "jaxpr_as_fun",
                "primitives",
                "valid_jaxtype",
            ),
            "jax.extend.core",
        ),
    },
)
