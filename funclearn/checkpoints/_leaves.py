"""The leaves of a state: what they are, their numbers, and back."""

import functools
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, NamedSharding, Sharding

from funclearn._jaxprs import Tracer, is_key
from funclearn._processes import is_spread, local
from funclearn._words import described
from funclearn.checkpoints._errors import CheckpointError

__all__ = ["DTYPES", "Leaf", "facts_of", "fits", "made_like", "numbers_of"]

_NAMES = """
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64
    complex64 complex128 bfloat16 int1 int2 int4 uint1 uint2 uint4 float4_e2m1fn
    float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn
    float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu
""".split()

DTYPES = {name: np.dtype(getattr(jnp, name)) for name in _NAMES if hasattr(jnp, name)}
"""The types of numbers that a checkpoint can hold, by name."""

# Asking a dtype for its name takes longer than all else that is asked of a leaf.
_NAMED = {dtype: name for name, dtype in DTYPES.items()}

Number: TypeAlias = bool | int | float | complex


class Leaf(NamedTuple):
    """What there is to know of a leaf without its numbers.

    Attributes:
        dtype: the name of its type; of typed keys, that of their data.
        shape: its shape; of typed keys, that of their data.
        key: the implementation, for typed keys.
        python: whether it is a number of Python's.
        weak: whether it is of a weak type, as JAX makes of Python's numbers.
    """

    dtype: str
    shape: tuple[int, ...]
    key: str | None = None
    python: bool = False
    weak: bool = False

    def __str__(self) -> str:
        shape = f"{self.dtype}[{','.join(map(str, self.shape))}]"
        if self.key is not None:
            return f"a key of {self.key}, {shape}"
        if self.python:
            return f"a number of Python's, {self.dtype}"
        return shape


def _is_number(leaf: object) -> bool:
    # np.float64 is a float as well.
    return isinstance(leaf, Number) and not isinstance(leaf, np.generic)


@functools.lru_cache(maxsize=256)
def _key_facts(dtype: Any, shape: tuple[int, ...]) -> tuple[Leaf, Any]:
    """The facts of a typed key, and the implementation itself."""
    implementations = []

    def data(key: jax.Array) -> jax.Array:
        implementations.append(jax.random.key_impl(key))
        return jax.random.key_data(key)

    # A tracer knows its implementation where a ShapeDtypeStruct does not say.
    made = jax.eval_shape(data, jax.ShapeDtypeStruct(shape, dtype))
    facts = Leaf(made.dtype.name, made.shape, key=str(implementations[-1]))
    return facts, implementations[-1]


def facts_of(name: str, leaf: Any) -> Leaf:
    """The facts of an array, a number or a `jax.ShapeDtypeStruct`.

    Raises:
        TypeError: if it is something else, or of a type that cannot be held.
    """
    if _is_number(leaf):
        number = _NAMED.get(np.asarray(leaf).dtype)
        if number is not None:
            return Leaf(number, (), python=True)
    dtype, shape = getattr(leaf, "dtype", None), getattr(leaf, "shape", None)
    if dtype is not None and shape is not None:
        if is_key(dtype):
            return _key_facts(dtype, tuple(shape))[0]
        if isinstance(dtype, np.dtype):
            named = _NAMED.get(dtype) or _NAMED.get(dtype.newbyteorder("="))
            if named is not None:
                weak = bool(getattr(leaf, "weak_type", False))
                return Leaf(named, tuple(shape), weak=weak)
    raise TypeError(
        f"{name} must be an array of numbers, a typed key, or a number of at most 64 "
        f"bits; got {described(leaf)}."
    )


def fits(saved: Leaf, like: Leaf) -> bool:
    """Whether a leaf can be restored to another one without a cast."""
    if like.python and saved.key is None and saved.shape == ():
        # Python's numbers have a kind and no width.
        one, other = DTYPES[saved.dtype], DTYPES[like.dtype]
        return all(
            jnp.issubdtype(one, kind) == jnp.issubdtype(other, kind)
            for kind in (jnp.bool_, jnp.integer, jnp.floating)
        )
    return saved._replace(weak=False) == like._replace(weak=False)


def numbers_of(name: str, leaf: Any) -> np.ndarray:
    """The numbers of a leaf on the host, in C order.

    Raises:
        TypeError: if it is being traced.
        ValueError: if its buffer was given away, or is spread over processes.
    """
    if isinstance(leaf, Tracer):
        raise TypeError(f"{name} is being traced; save outside of compiled functions.")
    if isinstance(leaf, jax.Array):
        if is_spread(leaf):
            raise ValueError(
                f"{name} is spread over several processes, of which each sees a part; "
                "gather it first."
            )
        if leaf.is_deleted():
            raise ValueError(f"{name} was donated to a computation and holds nothing.")
        if is_key(leaf.dtype):
            leaf = jax.random.key_data(leaf)
    numbers = np.asarray(local(leaf))
    if numbers.dtype.byteorder == ">":
        numbers = numbers.astype(numbers.dtype.newbyteorder("<"))
    # Not ascontiguousarray, which makes one axis of none.
    return np.asarray(numbers, order="C")


def made_like(name: str, numbers: np.ndarray, saved: Leaf, like: Any) -> Any:
    """A leaf of the kind and at the place of `like`, of numbers that were saved.

    Raises:
        CheckpointError: if JAX would narrow the numbers.
    """
    if isinstance(like, np.generic):
        return numbers[()]
    if isinstance(like, np.ndarray):
        return numbers
    if saved.python:
        return numbers.item()
    # What is not committed may go to other devices later, together with the rest.
    free = isinstance(like, jax.Array) and not like.committed
    place = None if free else _place_of(like)
    if place is not None and not place.is_fully_addressable:
        return _over_processes(numbers, place, like)
    if saved.key is not None:
        implementation = _key_facts(like.dtype, tuple(like.shape))[1]
        keys = jax.random.wrap_key_data(jnp.asarray(numbers), impl=implementation)
        return keys if place is None else jax.device_put(keys, place)
    array = _weak(numbers) if saved.weak else jax.device_put(numbers, place)
    if array.dtype != numbers.dtype:
        raise CheckpointError(
            f"{name} was saved as {numbers.dtype}, which JAX holds only with "
            "jax_enable_x64 switched on."
        )
    return array if place is None else jax.device_put(array, place)


def _over_processes(numbers: np.ndarray, place: Sharding, like: Any) -> jax.Array:
    """An array of which this process makes the parts that its devices hold."""
    array = jax.make_array_from_callback(
        numbers.shape, place, lambda index: numbers[index]
    )
    if not is_key(like.dtype):
        return array
    implementation = _key_facts(like.dtype, tuple(like.shape))[1]
    return jax.random.wrap_key_data(array, impl=implementation)


def _place_of(like: Any) -> Sharding | None:
    """Where an array lies, or is to lie that there is only the type of yet."""
    place = getattr(like, "sharding", None)
    if isinstance(place, NamedSharding) and isinstance(place.mesh, AbstractMesh):
        # A type over explicit axes names no devices: they are those in use.
        mesh = jax.sharding.get_mesh()
        return None if mesh.empty else NamedSharding(mesh, place.spec)
    return place


def _weak(numbers: np.ndarray) -> jax.Array:
    """An array of a weak type, where JAX makes one of that type; else a strong one."""
    blank = jnp.full(numbers.shape, np.zeros((), numbers.dtype).item())
    if blank.dtype != numbers.dtype:
        return jax.device_put(numbers)
    # An update keeps the type of what is updated, weakness and all.
    return blank.at[...].set(numbers)
