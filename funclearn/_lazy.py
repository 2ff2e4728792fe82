"""Names of a package that are imported when they are first asked for (PEP 562)."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    package: str,
    *,
    modules: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes the `__getattr__` and the `__dir__` of a package.

    Args:
        package: its full name.
        modules: its own modules that are attributes of it.
        names: by further attributes the full names of the modules that have them.
    """
    homes = dict(names or {})
    own = vars(import_module(package))

    def getattribute(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name in homes:
            # Kept, so that it is looked up once.
            own[name] = getattr(import_module(homes[name]), name)
            return own[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def directory() -> list[str]:
        return sorted({*own, *modules, *homes})

    return getattribute, directory
