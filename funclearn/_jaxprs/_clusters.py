"""Processes that run one program, as JAX finds and keeps them."""

from jax._src import clusters, distributed, xla_bridge

__all__ = ["backends_exist", "detected", "process_of"]


def backends_exist() -> bool:
    """Whether JAX has made an operation, after which no process can be added."""
    return xla_bridge.backends_are_initialized()


def detected(
    coordinator: str | None, processes: int | None, process: int | None, seconds: int
) -> tuple[str | None, int | None, int | None]:
    """The same, with what is None as the cluster says; None if there is none.

    Args:
        coordinator: the address of process 0.
        processes: how many there are.
        process: the number of this one.
        seconds: for how long to ask for the address.
    """
    # The empty list keeps JAX from choosing devices here.
    found = clusters.ClusterEnv.auto_detect_unset_distributed_params(
        coordinator, processes, process, [], None, seconds
    )
    return found[:3]


def process_of() -> tuple[int, int]:
    """The number of this process, and how many there are; asks no other process."""
    state = distributed.global_state
    return state.process_id, state.num_processes
