"""Assertions on properties of a user's own function, for `funclearn.testing`.

Each runs or traces `function(*args)` and raises an AssertionError that names the place,
both values and the usual causes. Arguments and results are any pytrees.
"""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn.testing._agreement import Tolerance, disagreement
from funclearn.testing._broadcasts import find_broadcasts
from funclearn.testing._calls import (
    Function,
    copies,
    is_jitted,
    is_used_key,
    jit_holding,
    line_of,
    name_of,
    to_jaxpr,
    traced_anew,
    vmap_and_loop,
)
from funclearn.testing._report import describe

__all__ = [
    "assert_deterministic",
    "assert_no_key_reuse",
    "assert_no_silent_broadcast",
    "assert_same_under_jit",
    "assert_vmap_equals_loop",
]


def assert_no_silent_broadcast(function: Function, *args: PyTree) -> None:
    """Asserts that no `(n,)` meets an `(n, 1)` or `(1, n)` by accident.

    NumPy's rules stretch both to `(n, n)` and set every entry against every other,
    without a word: `mean((predictions - targets)**2)` is a number all the same.
    `function` is traced, not run, and all of it is judged: what stands under `jit`,
    `vmap` and `grad`, in the bodies of loops, in libraries.

    How it tells. Two operands of an elementwise operation *stretch each other* where
    each has length 1 on an axis on which the other has length n > 1, n being the same.
    A scalar, a bias `(n, m) + (m,)`, a column `(n, 1) * (n, m)` leave one operand as it
    is and are never reported. Two axes of one length count as the same axis of the
    data, the samples: that every sample meets every other needs evidence. JAX's record
    of the source tells where the axes of length 1 were made, and the jaxpr what the
    operands are. The stretch was meant

    - if one axis was inserted (`x[:, None]`, `reshape`, `expand_dims`, `broadcast_to`)
      in the operation's own expression;
    - if both were inserted anywhere, or both by one call: `outer`, one `vmap` inside
      another, `keepdims=True` along rows here and along columns there;
    - if both operands are one value: `y == y.T`; `column = x[:, None]`, `column - x`;
    - if one operand merely counts, as `jnp.arange(n)` does, and is compared, or meets a
      column inserted before: one-hot labels, masks, positions;
    - if the pairs then meet, entry by entry, a matrix of another origin: `xx + yy - 2 *
      x @ y.T`;
    - if a column that the operation sees inserted meets a vector, both arguments as
      they were given, and the pairs, or their sums along one axis, are returned.

    Else it was not: one axis came with the data (as an argument, as a product with a
    single column) and the other too, or from NumPy's rules; `y = y[:, None]` stands
    above a flat prediction; or `x[:, None]` went through a model before it met `y`. A
    row `(1, n)` against `(n,)` is reported where they are subtracted or compared, since
    elsewhere it may be the bias of a batch of one.

    It sees lengths, not meanings: no two axes of the example should have one length by
    chance.

    Args:
        function: any function that JAX can trace.
        args: its arguments, or `jax.ShapeDtypeStruct` in their place. Arrays are
            traced; all else, Python numbers included, is passed as it is.

    Raises:
        AssertionError: if there is such a broadcast; names the file and line, the
            source, the shapes and the repair.
    """
    # Under "raise" JAX itself would refuse some of them, without the repair.
    with jax.numpy_rank_promotion("allow"):
        found = find_broadcasts(to_jaxpr(function, args))
    if found:
        title = f"{name_of(function)} stretches arrays in a way nobody wrote down"
        raise AssertionError("\n".join([f"{title}:", *map(describe, found)]))


def assert_same_under_jit(
    function: Function, *args: PyTree, rtol: float | None = None, atol: float = 0.0
) -> None:
    """Asserts that `jax.jit` leaves the result as it is.

    Floating-point leaves may differ by atol + rtol · their largest magnitude, all
    others not at all. NaN agrees with NaN.

    Args:
        function: if it is jitted already, `jax.disable_jit` gives its other side.
        args: its arguments.
        rtol: None takes ε^(3/4), ε being the spacing of the leaf's dtype at 1: 2e-12 in
            float64, 6e-6 in float32, 6e-3 in float16, 0.03 in bfloat16.
        atol: in the unit of the leaf; for results that are small because larger terms
            cancel.

    Raises:
        AssertionError: if the results differ, or `function` cannot be jitted; names
            the leaf, the index and both values.
    """
    # A jitted function runs without jit only where JAX disables it.
    with jax.disable_jit() if is_jitted(function) else nullcontext():
        plain = function(*copies(args))
    try:
        # Else a function that is jitted below the top would be its own first trace.
        with traced_anew():
            jitted = jit_holding(function, args)(*copies(args))
    except jax.errors.JAXTypeError as error:
        raise AssertionError(
            f"{name_of(function)} runs, but not under jit. Usual causes: `if`, "
            "`while` or `int` on a traced value, or NumPy called with one; a number "
            f"that should be static. {error}"
        ) from error
    words = disagreement(
        "output", jitted, plain, ("under jit", "without"), Tolerance(rtol, atol)
    )
    causes = (
        "a random number, a global or the time that Python reads while JAX traces, a "
        "side effect, NumPy's float64 where JAX has float32, terms that cancel (atol)"
    )
    _raise_if(words, function, "under jit", causes)


def assert_vmap_equals_loop(
    function: Function,
    *batched_args: PyTree,
    in_axes: PyTree = 0,
    rtol: float | None = None,
    atol: float = 0.0,
) -> None:
    """Asserts that `jax.vmap` gives what one call an example gives.

    In every example floating-point leaves may differ by atol + rtol · their largest
    magnitude, all others not at all. NaN agrees with NaN.

    Args:
        function: of one example.
        batched_args: its arguments, with the examples along an axis of every leaf.
        in_axes: that axis, as `jax.vmap` takes it; None for arguments that all
            examples share. Leaves that are no arrays are shared in any case.
        rtol: None takes ε^(3/4), ε being the spacing of the leaf's dtype at 1.
        atol: in the unit of the leaf.

    Raises:
        AssertionError: if an example differs; names it, the leaf, the index and both
            values.
        ValueError: if there are no results to compare.
    """
    args = copies(batched_args)
    batched, alone = vmap_and_loop(function, args, in_axes)
    if not any(map(jnp.size, jax.tree.leaves(batched))):
        raise ValueError(f"{name_of(function)} gives no results to compare.")
    with traced_anew():
        # Else the batch and each example would share what was traced once for all.
        examples = list(alone)
    for index, expected in enumerate(examples):
        got = jax.tree.map(lambda leaf, index=index: leaf[index], batched)
        words = disagreement(
            "output", got, expected, ("under vmap", "alone"), Tolerance(rtol, atol)
        )
        causes = (
            "a random number or a counter of Python's, read once for all examples, a "
            "callback or a `custom_vmap` rule that takes the batch for one example"
        )
        _raise_if(words, function, f"under vmap, in example {index}", causes)


def assert_deterministic(function: Function, *args: PyTree) -> None:
    """Asserts that a second call with the same arguments gives the same numbers.

    For the second call JAX traces anew, at every depth: what Python decides then is
    decided twice.

    Args:
        function: any function.
        args: its arguments; both calls are given copies.

    Raises:
        AssertionError: if any entry differs at all; names the leaf, the index and both
            values. NaN is the same as NaN.
    """
    first = function(*copies(args))
    with traced_anew():
        second = function(*copies(args))
    sides = "in the second call", "in the first"
    words = disagreement("output", second, first, sides, Tolerance(rtol=0.0))
    causes = (
        "the global generators of NumPy or Python, the time, the order of a set, a "
        "closure or global that a call changes, on GPUs sums in arbitrary order "
        "(XLA_FLAGS=--xla_gpu_deterministic_ops=true)"
    )
    _raise_if(words, function, "in a second call", causes)


def assert_no_key_reuse(function: Function, *args: PyTree) -> None:
    """Asserts that no random key is used twice, nor handed back used.

    `function` runs under JAX's own checker, `jax.debug_key_reuse`. A used key among the
    results counts as well, since the next step would use it again. The checker follows
    typed keys, and takes every `fold_in` for a new key, even with the same data.

    Args:
        function: any function.
        args: its arguments; the keys among them count as unused.

    Raises:
        AssertionError: if a key is used twice, or is used and returned; names the key's
            path in the result, or the operation that used it again.
        ValueError: from JAX, if a raw key is used.
    """
    name = name_of(function)
    # The checker does not follow raw keys.
    with jax.debug_key_reuse(True), jax.legacy_prng_key("error"):
        try:
            output = function(*copies(args))
        except jax.errors.KeyReuseError as error:
            reason = str(error).splitlines()[0]
            raise AssertionError(
                f"{name} uses a key twice: {reason}\n    {line_of(error)}\nUsual "
                "causes: one key for two draws, a draw from a key that was split, a "
                "key from outside a loop used in its body. Split it, once for every "
                "use."
            ) from error
        for path, leaf in jax.tree_util.tree_leaves_with_path(output):
            if is_used_key(leaf):
                raise AssertionError(
                    f"{name} returns {path_name('output', path)}, a key that it has "
                    "used; the next call would use it again. Split it, and return one "
                    "of the new keys."
                )


def _raise_if(words: str | None, function: Function, change: str, causes: str) -> None:
    if words is not None:
        name = name_of(function)
        raise AssertionError(
            f"{name} gives another result {change}: {words}.\nUsual causes: {causes}."
        )
