"""Trees of stopping rules, cut, resumed and joined, against a loop in plain Python.

A train step replays given losses, gradients and parameters, so that what a rule should
do is known from the lists. All numbers are eighths, of which single precision computes
sums, products and comparisons exactly. Trees of one shape run side by side under
`jax.vmap`, since every shape is compiled.
"""

import functools
import itertools
import math
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl
from benchmarks.hostile._outcome import Outcome
from funclearn import stopping

LANES, EPOCHS = 25, 12
FROZEN = 512.0


class Curves(NamedTuple):
    """What the train step replays, by epoch; of `free` there is one value more."""

    loss: Any
    validation: Any
    grad: Any
    free: Any


# --- The oracle: every rule again, over one epoch at a time. ---


class Leaf:
    """A rule by itself, with what it remembers; one method for every kind of rule."""

    def __init__(self, kind: str, numbers: tuple[float, ...], on: str | None) -> None:
        """Makes a rule that has seen nothing."""
        self.kind, self.numbers, self.on = kind, numbers, on
        self.names, self.epoch, self.code = [kind], 0, 0
        self.past: list[float] = []
        self.moved = False

    def see(self, row: dict[str, float], default: str) -> None:
        """Takes in an epoch."""
        self.epoch += 1
        self.past.append(row.get(self.on or default, 0.0))
        self.moved = self.moved or row["before"] != row["after"]
        self.code = int(getattr(self, f"_{self.kind}")(row))

    def _target(self, _: dict[str, float]) -> bool:
        return self.past[-1] <= self.numbers[0]

    def _max_epochs(self, _: dict[str, float]) -> bool:
        return self.epoch >= self.numbers[0]

    def _patience(self, _: dict[str, float]) -> bool:
        epochs, min_delta = self.numbers
        lowest, since = math.inf, 0
        for loss in self.past:
            if loss < lowest - min_delta:
                lowest, since = loss, 0
            else:
                since += 1
        return since >= epochs

    def _getting_worse(self, _: dict[str, float]) -> bool:
        rises = 0
        for old, new in itertools.pairwise(self.past):
            rises = rises + 1 if new > old else 0
        return rises >= self.numbers[0]

    def _diverged(self, _: dict[str, float]) -> bool:
        new, first = self.past[-1], self.past[0]
        return not math.isfinite(new) or new > self.numbers[0] * abs(first)

    def _relative_change(self, row: dict[str, float]) -> bool:
        if self.on == "parameters":
            # What is frozen is told from the rest by nothing but its never moving.
            old = abs(row["before"]) if self.moved else FROZEN
            return abs(row["after"] - row["before"]) <= self.numbers[0] * old
        if len(self.past) < 2:
            return False
        old, new = self.past[-2:]
        return abs(new - old) <= self.numbers[0] * abs(old)

    def _gradient_norm(self, row: dict[str, float]) -> bool:
        frozen = 0.0 if self.moved else FROZEN
        return math.hypot(row["grad"], frozen) <= self.numbers[0]

    def rule(self) -> stopping.Rule:
        """The library's."""
        options: dict[str, Any] = {} if self.on is None else {"on": self.on}
        number, *rest = self.numbers
        if rest:
            (options["min_delta"],) = rest
        return getattr(stopping, self.kind)(number, **options)

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"{self.kind}({self.numbers}, on={self.on!r})"


class Joined:
    """Two of them; each remembers for itself."""

    def __init__(self, sign: str, one: "Node", other: "Node") -> None:
        """Joins what may have seen something or not."""
        self.sign, self.sides = sign, (one, other)
        self.names = [*one.names, *other.names]
        if sign == "&":
            parts = [" | ".join(side.names) for side in self.sides]
            parts = [f"({part})" if " | " in part else part for part in parts]
            self.names = [" & ".join(parts)]

    @property
    def code(self) -> int:
        """Which of the names it has stopped with, counted from 1; 0 for none."""
        left, right = (side.code for side in self.sides)
        if self.sign == "&":
            return int(left > 0 and right > 0)
        return left or (right and len(self.sides[0].names) + right)

    @property
    def epoch(self) -> int:
        """How many epochs the one has seen that has seen more."""
        return max(side.epoch for side in self.sides)

    def see(self, row: dict[str, float], default: str) -> None:
        """Takes in an epoch."""
        for side in self.sides:
            side.see(row, default)

    def rule(self) -> stopping.Rule:
        """The library's."""
        one, other = (side.rule() for side in self.sides)
        return one | other if self.sign == "|" else one & other

    def __repr__(self) -> str:
        """The expression that makes it."""
        return f"({self.sides[0]} {self.sign} {self.sides[1]})"


Node = Leaf | Joined


# --- Random trees, curves and plans. ---

KINDS = {
    "target": lambda rng: (rng.randint(-8, 24) / 8,),
    "max_epochs": lambda rng: (rng.randint(1, EPOCHS + 2),),
    "patience": lambda rng: (rng.randint(1, 5), rng.choice([0, 0, 1, 4]) / 8),
    "getting_worse": lambda rng: (rng.randint(1, 3),),
    "diverged": lambda rng: (rng.choice([8, 10, 16, 24]) / 8,),
    "relative_change": lambda rng: (rng.choice([0, 1, 2, 4]) / 8,),
    "gradient_norm": lambda rng: (rng.choice([1, 4, 8, 8 * 600]) / 8,),
}


def draw_tree(rng: random.Random, with_validation: bool, depth: int) -> Node:
    """A tree whose leaves watch what there is."""
    if depth and rng.random() < 0.65:
        one, other = (draw_tree(rng, with_validation, depth - 1) for _ in range(2))
        return Joined(rng.choice("||&"), one, other)
    kind = rng.choice(list(KINDS))
    ons = ["loss"] + ["validation"] * with_validation
    if kind == "relative_change":
        ons = [*ons, "parameters"]
    elif kind in ("max_epochs", "gradient_norm"):
        ons = [None]
    elif kind != "diverged":
        ons = [*ons, None]
    return Leaf(kind, KINDS[kind](rng), rng.choice(ons))


def redrawn(rng: random.Random, tree: Node) -> Node:
    """A tree of the same shape with other numbers, which has seen nothing."""
    if isinstance(tree, Joined):
        return Joined(tree.sign, *(redrawn(rng, side) for side in tree.sides))
    return Leaf(tree.kind, KINDS[tree.kind](rng), tree.on)


def draw_losses(rng: random.Random) -> list[float]:
    """A walk with plateaus, now and then with NaN or inf in it, or NaN alone."""
    if rng.random() < 0.1:
        return [math.nan] * EPOCHS
    level, losses = rng.randint(4, 24), []
    for _ in range(EPOCHS):
        level += rng.choice([-6, -3, -2, -1, -1, 0, 0, 1, 2, 5])
        losses.append(level / 8)
    for odd in (math.nan, math.inf):
        if rng.random() < 0.15:
            losses[rng.randrange(EPOCHS)] = odd
    return losses


def draw_curves(rng: random.Random) -> Curves:
    """What an epoch replays; the parameter often rests."""
    free, place = [], rng.randint(-8, 8)
    for _ in range(EPOCHS + 1):
        free.append(place / 8)
        place += rng.choice([0, 0, 0, 1, -1, 2, 8])
    grads = [rng.randint(0, 16) / 8 for _ in range(EPOCHS)]
    return Curves(draw_losses(rng), draw_losses(rng), grads, free)


class Step(NamedTuple):
    """What the rule that has watched is joined with before the next part of a run.

    Attributes:
        sign: by which sign.
        tree: with which tree.
        first: whether what has watched stands first.
        watches: how many of the first epochs the tree watches before, in a run of its
            own; None where it begins with the part.
    """

    sign: str
    tree: Node
    first: bool
    watches: int | None

    def joined(self, watched: Any, other: Any) -> Any:
        """Joins rules, or trees."""
        one, two = (watched, other) if self.first else (other, watched)
        if isinstance(watched, stopping.Rule):
            return one | two if self.sign == "|" else one & two
        return Joined(self.sign, one, two)


class Plan(NamedTuple):
    """A run in parts.

    Attributes:
        with_validation: whether there is a validation loss.
        tree: what the run begins with.
        lengths: the largest numbers of epochs, part by part.
        steps: what happens to the rule between them; None for nothing.
    """

    with_validation: bool
    tree: Node
    lengths: list[int]
    steps: list[Step | None]

    def redrawn(self, rng: random.Random) -> "Plan":
        """A plan of the same shape with other numbers."""
        steps = [
            one and one._replace(tree=redrawn(rng, one.tree)) for one in self.steps
        ]
        return self._replace(tree=redrawn(rng, self.tree), steps=steps)


def draw_plan(rng: random.Random) -> Plan:
    """A run in one to three parts."""
    with_validation = rng.random() < 0.6
    lengths = [rng.randint(1, EPOCHS // 2)]
    while len(lengths) < 3 and sum(lengths) < EPOCHS and rng.random() < 0.7:
        lengths.append(rng.randint(1, EPOCHS - sum(lengths)))
    steps: list[Step | None] = []
    for _ in lengths[1:]:
        tree, first = draw_tree(rng, with_validation, 1), rng.random() < 0.5
        watches = rng.randint(1, lengths[0] + 1) if rng.random() < 0.4 else None
        step = Step(rng.choice("||&"), tree, first, watches)
        steps.append(step if rng.random() < 0.7 else None)
    return Plan(with_validation, draw_tree(rng, with_validation, 2), lengths, steps)


# --- What should happen, and what does. ---


class Part(NamedTuple):
    """What became of a part of a run; without validation there is no best."""

    epochs: int
    reason: str
    best_epoch: int | None
    best_loss: float | None


Best = tuple[int, float]


def expected(plan: Plan, curves: Curves) -> list[Part]:
    """Part by part, by the oracle."""
    default = "validation" if plan.with_validation else "loss"

    def run(tree: Node, start: int, length: int, best: Best) -> tuple[int, Best]:
        ran = 0
        while ran < length and not tree.code:
            at = start + ran
            row = {
                "loss": curves.loss[at],
                "validation": curves.validation[at],
                "grad": curves.grad[at],
                "before": curves.free[at],
                "after": curves.free[at + 1],
            }
            tree.see(row, default)
            if curves.validation[at] < best[1]:
                best = tree.epoch, curves.validation[at]
            ran += 1
        return ran, best

    tree, at, parts = plan.tree, 0, []
    best, none = (0, math.inf), (0, math.inf)
    for length, step in zip(plan.lengths, [None, *plan.steps], strict=True):
        if step is not None:
            its = none
            if step.watches is not None:
                _, its = run(step.tree, 0, step.watches, none)
            # Of two that are equally good, that of the rule which stands first.
            one, two = (best, its) if step.first else (its, best)
            best = two if two[1] < one[1] or one == none else one
            tree = step.joined(tree, step.tree)
        ran, best = run(tree, at, length, best)
        at += ran
        reason = ["epochs", *tree.names][tree.code]
        parts.append(
            Part(ran, reason, *(best if plan.with_validation else (None, None)))
        )
    return parts


def train_step(state: fl.TrainState, batch: Curves) -> tuple[Any, fl.StepInfo]:
    """Replays an epoch; what counts the epochs is no floating-point parameter."""
    t = state.params["t"]
    params = {"t": t + 1, "free": batch.free[t + 1], "frozen": state.params["frozen"]}
    grads = {"t": jnp.int32(0), "free": batch.grad[t], "frozen": jnp.float32(FROZEN)}
    info = fl.StepInfo(batch.loss[t], grads)
    return state._replace(params=params, step=state.step + 1), info


def evaluate(params: Any, rows: Curves) -> Any:
    """Replays a validation loss."""
    return rows.validation[params["t"]]


def found(plan: Plan, rules: list[stopping.Rule], curves: Curves) -> list[Any]:
    """Part by part, by `fit`; the numbers of the rules are a lane's."""
    options: dict[str, Any] = {}
    if plan.with_validation:
        options = {"validation": curves, "evaluate": evaluate}

    def fit(state: fl.TrainState, rule: Any, epochs: int) -> fl.Run:
        return fl.fit(train_step, state, curves, epochs=epochs, stop=rule, **options)

    params = {"t": jnp.int32(0), "free": curves.free[0], "frozen": jnp.float32(FROZEN)}
    begin = fl.TrainState(params, (), jax.random.key(0), jnp.int32(0))
    state, rule, *others = begin, *rules
    parts = []
    for length, step in zip(plan.lengths, [None, *plan.steps], strict=True):
        if step is not None:
            other = others.pop(0)
            if step.watches is not None:
                other = fit(begin, other, step.watches).stop
            rule = step.joined(rule, other)
        run = fit(state, rule, length)
        state, rule = run.state, run.stop
        best = () if run.best is None else (run.best.epoch, run.best.loss)
        parts.append((run.epochs, run.reason, *best))
    return parts


def of_lane(part: Any, lane: int) -> Part:
    """A part of one of the runs that went side by side."""
    epochs, reason, *best = part
    epoch, loss = (int(best[0][lane]), float(best[1][lane])) if best else (None, None)
    return Part(int(epochs[lane]), str(reason.name[lane]), epoch, loss)


def stacked(trees: list[Any]) -> Any:
    """Puts lanes side by side."""
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *trees)


def arrays(curves: Curves) -> Curves:
    """Rows of one length: of `free` there is one value more than of the rest."""
    rows = np.array([[*row, 0.0][: EPOCHS + 1] for row in curves], np.float32)
    return Curves(*rows)


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Random runs, as many at a time as share a shape."""
    rng = random.Random(seed)
    while n > 0:
        shape, lanes = draw_plan(rng), min(n, LANES)
        n -= lanes
        plans = [shape.redrawn(rng) for _ in range(lanes)]
        curves = [draw_curves(rng) for _ in range(lanes)]
        trees = [[one.tree, *(x.tree for x in one.steps if x)] for one in plans]
        rules = stacked([[tree.rule() for tree in some] for some in trees])
        mapped = jax.jit(jax.vmap(functools.partial(found, shape)))
        parts = mapped(rules, stacked([arrays(one) for one in curves]))
        for lane, (plan, its) in enumerate(zip(plans, curves, strict=True)):
            # The oracle's trees remember, and are not what they were afterwards.
            case = f"{plan} over {its}"
            wanted = expected(plan, its)
            got = [of_lane(part, lane) for part in parts]
            yield Outcome(got == wanted, f"{case}: got {got}, expected {wanted}")
