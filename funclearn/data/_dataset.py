"""What a data set is, and how it is read."""

from collections.abc import Iterable
from typing import Any

import jax
from jax.tree_util import GetAttrKey
from jaxtyping import PyTree

from funclearn._arrays import as_arrays, narrowed
from funclearn._types import Batch
from funclearn._weights import check_weights

__all__ = ["Dataset", "as_dataset"]


@jax.tree_util.register_pytree_with_keys_class
class Dataset(tuple[Any, ...]):
    """Inputs and the targets that belong to them, row by row; weights where it has any.

    A named tuple and a pytree of three fields, which is as long as what it holds:
    `inputs, targets = dataset` without weights, and with them
    `inputs, targets, weights = dataset`. Whatever takes a data set takes frames,
    series and lists of numbers as well.

    Attributes:
        inputs: `(n, ...)`.
        targets: `(n, ...)`.
        weights: how much each row counts, `(n,)`, not negative; a mask, or counts, or
            any other numbers, of which losses and metrics take the weighted mean. With
            as many leading axes of the targets as it has, each of their entries has a
            weight of its own: `(n, length)` masks the ends of sequences. None: all
            count alike.
    """

    __slots__ = ()
    __match_args__ = _fields = ("inputs", "targets", "weights")

    def __new__(
        cls, inputs: PyTree, targets: PyTree, weights: PyTree = None
    ) -> "Dataset":
        """A data set of these fields."""
        own = () if weights is None else (weights,)
        return super().__new__(cls, (inputs, targets, *own))

    @property
    def inputs(self) -> Any:
        """What predictions are made of."""
        return self[0]

    @property
    def targets(self) -> Any:
        """What they should be."""
        return self[1]

    @property
    def weights(self) -> Any:
        """How much the rows count."""
        return self[2] if len(self) > 2 else None

    @classmethod
    def _make(cls, fields: Iterable[PyTree]) -> "Dataset":
        return cls(*fields)

    def _asdict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}

    def _replace(self, **fields: PyTree) -> "Dataset":
        return type(self)(**{**self._asdict(), **fields})

    __replace__ = _replace  # of copy.replace

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        names = zip(self._fields, self, strict=False)
        fields = ", ".join(f"{name}={value!r}" for name, value in names)
        return f"{type(self).__name__}({fields})"

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """The three fields, so that a None among axes can stand for the weights."""
        return (*self, None)[:3], None

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Any]:
        """The same with their names."""
        fields, _ = self.tree_flatten()
        return list(zip(map(GetAttrKey, self._fields), fields, strict=True)), None

    @classmethod
    def tree_unflatten(cls, auxiliary: Any, fields: Any) -> "Dataset":
        """The data set of three fields, whatever they are."""
        del auxiliary
        return cls._make(fields)


def as_dataset(name: str, data: Batch) -> Batch:
    """Reads data as the arrays that JAX computes with.

    Args:
        name: the argument to name in messages.
        data: a `Dataset`, or any other pytree, of arrays, of frames and series (the
            columns of a frame are the columns of an array), of tensors that NumPy can
            read, or of lists of numbers. Lengths are not compared.

    Returns:
        The same pytree, of arrays whose dtypes JAX has; itself where it is that.

    Raises:
        TypeError: if a leaf is not an array of numbers.
        ValueError: if a value is beyond the range of the dtype that JAX has for it, or
            a masked array hides values, or weights are negative, not finite or all 0.

    Warns:
        UserWarning: where inputs lose digits that tell the rows apart.

    Example:
        >>> train = fl.data.as_dataset("train", fl.Dataset([1.0, 2.0], [3, 4]))
        >>> print(train.inputs.dtype, train.targets.dtype)
        float32 int32
    """
    check_weights(name, data)
    if all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(data)):
        return data  # at once, as nearly always: a fit takes no longer than this
    return narrowed(name, as_arrays(name, data))
