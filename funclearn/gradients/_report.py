"""What a comparison of gradients found, to be printed."""

import dataclasses

from funclearn.gradients._findings import Findings

__all__ = ["GradientReport"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GradientReport(Findings):
    """The result of `funclearn.gradients.compare`; prints as a table.

    Attributes:
        order: 1 for gradients, 2 for Hessian-vector products.
        coordinates: which parameters were compared.
        n_parameters: how many there are.
        dtypes: their precisions.
        differences: the finite differences, and how exact they are.
        autodiff: what automatic differentiation gives; NaN where JAX has no reverse
            mode for the objective.
        missing: what JAX says about that; else empty.
        closed_forms: what each closed form gives.
        scales: `(coordinates,)`, what errors are relative to: the size of the
            derivative, or the size below which it counts as zero; infinite where the
            objective does not depend on the coordinate.
        resolution: the relative error that has to be seen for a yes.
    """

    def show(self) -> None:
        """Prints the report, with colours where standard output is a terminal."""
        from rich.console import Console

        console = Console()
        if console.is_terminal:
            console.print(self)
        else:
            print(self)

    def __repr__(self) -> str:
        """The verdict alone, which is what fits into a line."""
        return f"<{type(self).__name__}: {self.verdict}, power {self.power:.1e}>"

    def __str__(self) -> str:
        """The report as plain text."""
        from funclearn.gradients._words import plain

        return plain(self)

    def __rich__(self) -> object:
        """The report as `rich` shows it."""
        from funclearn.gradients._words import colourful

        return colourful(self)

    def _repr_html_(self) -> str:
        """The report as notebooks show it."""
        from funclearn.gradients._words import as_html

        return as_html(self)
