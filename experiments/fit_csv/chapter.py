"""Fits a model to the columns of a table, by default of one that comes with it.

    python -m experiments.fit_csv --csv FILE --target COLUMN --model linear
    python -m experiments.fit_csv --csv FILE --target COLUMN --task classification
    python -m experiments.fit_csv --load results/fit_csv/model.json --predict FILE

The rows are split at random, the columns standardised with the numbers of the training
part, and the mean squared error, or another loss, minimised. Losses, predictions and
the parameters of a linear model are in the units of the file. Classes, whole numbers or
text, are told apart by the cross-entropy of a softmax.

The file that comes with it is made up: 120 days of a house whose heating power is

    8 kW - 0.3 kW/°C · outdoor temperature
         + 0.15 kW/(m/s) · wind speed - 0.004 kW/(W/m²) · sunlight

and a normal error of 0.3 kW. A linear fit should find about these numbers again.
"""

import dataclasses
import operator
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import LOSSES, LossName
from experiments.fit_csv import rows
from experiments.fit_csv.determined import determine
from experiments.fit_csv.found import Fit, Line, Result, Side
from experiments.fit_csv.model_file import Fitted, load, predict, predicted, read_unseen
from experiments.harness import Count, Fraction, Positive, Range, Resumable, Seed

SOURCES = ("Chapter notes: the mechanics of learning",)

# Half a gigabyte with Adam's two moments, the gradient and the checkpoint's copy.
MOST_WEIGHTS = 25_000_000

HEATING = Path(__file__).with_name("heating.csv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Resumable):
    """Settings of the experiment."""

    csv: Path | None = None
    """File of a table; by default the one about heating."""
    header: bool = True
    """Whether the file's first line names its columns."""
    delimiter: str | None = None
    """What parts the fields; by default it is found."""
    decimal: Literal[".", ","] = "."
    """The decimal mark."""
    target: str = "heating power (kW)"
    """Column to predict: its name, or its position from 0 where there is no header."""
    inputs: tuple[str, ...] | None = None
    """Columns to predict from, likewise; by default all others."""
    missing: Literal["refuse", "drop", "mean"] = "refuse"
    """Missing cells: refused, their rows left out, or the training rows' mean."""
    categories: Literal["refuse", "one-hot"] = "refuse"
    """Columns of text: refused, or zeros and ones for every text."""
    task: Literal["regression", "classification"] = "regression"
    """Whether the target is a number to predict or a class."""
    model: Literal["linear", "polynomial", "mlp"] = "linear"
    """A linear model, a polynomial of one input, or a multi-layer perceptron."""
    degree: Annotated[int, Range(1, 20)] = 3
    """Degree of the polynomial."""
    widths: Annotated[tuple[int, ...], Range(1, 10_000)] = (16, 16)
    """Widths of the perceptron's hidden layers."""
    loss: LossName = "mse"
    """Loss of regression; Huber's is linear from one standard deviation on."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """How gradients become steps."""
    learning_rate: Positive = 0.01
    """Learning rate, for standardised columns."""
    epochs: Count = 2000
    """Number of epochs."""
    batch_size: int | None = None
    """Rows a step; by default all of them."""
    validation_fraction: Fraction = 0.2
    """Part of the rows that is kept out of training."""
    test_fraction: Annotated[float, Range(0, 0.99)] = 0.0
    """Part of the rows that is kept out of both, to be judged once at the end."""
    seed: Seed = 0
    """Seed of the splits, the initial parameters and the order of batches."""
    repeats: Annotated[int, Range(0, 1000)] = 0
    """How often to split and train anew, for intervals."""
    predict: Path | None = None
    """Another file with the same columns, to predict the target for."""
    load: Path | None = None
    """Model that an earlier run wrote as model.json; nothing is trained then."""

    def __post_init__(self) -> None:
        """Checks every setting, and those that go together."""
        super().__post_init__()
        if self.load is not None and self.predict is None:
            raise ValueError("load needs a file to predict for; pass --predict FILE.")
        between = sum(map(operator.mul, self.widths, self.widths[1:]))
        if between > MOST_WEIGHTS:
            raise ValueError(
                f"widths must make at most {MOST_WEIGHTS:,} weights between hidden "
                f"layers; got {between:,}."
            )
        if self.task == "regression":
            return
        if self.loss != "mse":
            raise ValueError(
                "loss is one of regression; classes have the cross-entropy; got "
                f"{self.loss!r}."
            )
        if self.model == "polynomial":
            raise ValueError(
                "model must be linear or mlp for classes; got 'polynomial'."
            )

    @property
    def path(self) -> Path:
        """The file to read."""
        return self.csv or HEATING

    def column(self, text: str) -> str | int:
        """A column's name, or its position where there is no header."""
        return int(text) if text.isdecimal() and not self.header else text

    def columns(self) -> list[str | int] | None:
        """The columns of inputs likewise; None for all others."""
        return None if self.inputs is None else [*map(self.column, self.inputs)]

    def make_model(self, columns: int, classes: int) -> fl.Model:
        """Makes a model of inputs `(rows, columns)`.

        Its predictions are `(rows,)`, or of classes `(rows, classes)`.
        """
        if classes:
            hidden = self.widths if self.model == "mlp" else ()
            return fl.models.mlp((columns, *hidden, classes))
        if self.model == "linear":
            return fl.models.affine(columns)
        if self.model == "mlp":
            network = fl.models.mlp((columns, *self.widths, 1))
            return fl.Model(
                network.init, lambda params, x: network.apply(params, x)[:, 0]
            )
        if columns > 1:
            raise ValueError(f"a polynomial has one column of inputs; got {columns}.")
        powers = fl.models.polynomial(self.degree)
        return fl.Model(powers.init, lambda params, x: powers.apply(params, x[:, 0]))


def train(
    training: fl.Dataset,
    validation: fl.Dataset,
    keys: list[jax.Array],
    config: Config,
    classes: int,
    name: str = "fit",
) -> fl.Run:
    """Trains on scaled rows."""
    init_key, run_key = keys
    model = config.make_model(training.inputs.shape[1], classes)
    loss = fl.losses.cross_entropy if classes else LOSSES[config.loss].function
    optimizer = getattr(optax, config.optimizer)(config.learning_rate)
    return config.fit(
        name,
        fl.make_train_step(fl.make_objective(model, loss), optimizer),
        fl.init_state(run_key, model.init(init_key), optimizer),
        training,
        validation,
        epochs=config.epochs,
        batch_size=config.batch_size,
        evaluate=fl.make_evaluation(model, loss),
    )


def fit(
    table: fl.data.Table,
    classes: tuple[str, ...],
    config: Config,
    key: jax.Array,
    name: str = "fit",
) -> Fit:
    """Splits, encodes, standardises, trains and predicts."""
    split_key, train_keys = _keys(key)
    parts = rows.deal(table, config, split_key)
    data = {name: _arrays(one, classes) for name, one in parts.data.items()}
    scaled, scaler = fl.data.standardise(data["training"], targets=not classes)
    validation = scaler(data["validation"])
    made = config.compiled(train, "config", "classes", "name")
    # A split of its own makes no program of its own, unless it is saved.
    place = name if config.checkpoint_dir else "fit"
    run = made(scaled, validation, train_keys, config, len(classes), place)
    fitted = Fitted(jax.device_get(run.state.params), scaler, parts.encoder, classes)
    model = config.make_model(data["training"].inputs.shape[1], len(classes))
    unit = 1.0
    if not classes:
        unit = float(np.asarray(scaler.target_scale)) ** LOSSES[config.loss].power
    losses = {"training": run.history.loss, "validation": run.history.evaluation}

    def outputs(inputs: np.ndarray) -> np.ndarray:
        found = predicted(model, fitted.params, scaler, inputs)
        return found.argmax(axis=1) if classes else found

    sides = {
        name: Side(
            inputs=np.asarray(one.inputs),
            targets=np.asarray(one.targets),
            predictions=outputs(np.asarray(one.inputs)),
            losses=np.asarray(losses.get(name, ()), float) * unit,
        )
        for name, one in data.items()
    }
    shown, names = sides["training"], parts.encoder.input_names
    linear = config.model == "linear" and not classes
    grid = np.linspace(shown.inputs.min(), shown.inputs.max(), 201)
    return Fit(
        sides,
        fitted,
        determine(shown.inputs, shown.targets, names) if linear else None,
        _line(fitted) if linear else None,
        (grid, outputs(grid[:, None])) if len(names) == 1 and not classes else None,
    )


def _keys(key: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """The key of the split, and those of the training."""
    split_key, *train_keys = jax.random.split(key, 3)
    return split_key, train_keys


def _arrays(data: fl.Dataset, classes: tuple[str, ...]) -> fl.Dataset:
    targets = np.asarray(data.targets)
    return data._replace(targets=targets.astype(np.int32) if classes else targets)


def _line(fitted: Fitted) -> Line:
    """The parameters of a linear model in the units of the file, in float64."""
    scaler, (weight, bias) = fitted.scaler, fitted.params
    scale = np.asarray(scaler.target_scale, float)
    weight = scale * np.asarray(weight, float) / np.asarray(scaler.input_scale, float)
    bias = scale * float(bias) + np.asarray(scaler.target_shift, float)
    return Line(weight, float(bias - np.asarray(scaler.input_shift, float) @ weight))


def study(config: Config) -> Result:
    """Reads, fits, and predicts what is asked for.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a setting, a column or a cell is not as it must be, or training
            diverged.
    """
    other = config.predict
    if config.load is not None and other is not None:
        fitted, config = load(config, config.load)
        unseen = read_unseen(fitted.encoder, config, other)
        return Result((), config.target, (), predict(fitted, config, unseen))
    table, classes = rows.read(config)
    rows.check_cells(table, config)
    key = jax.random.key(config.seed)
    unseen = None
    if other is not None:
        # What is wrong with it is said before anything is trained.
        split_key, _ = _keys(key)
        encoder = rows.deal(table, config, split_key).encoder
        unseen = read_unseen(encoder, config, other)
    keys = [key, *(jax.random.fold_in(key, at) for at in range(2, config.repeats + 2))]
    fits = tuple(
        fit(table, classes, config, one, f"fit-{number}")
        for number, one in enumerate(keys, start=1)
    )
    sides = [side for one in fits for side in one.sides.values()]
    if not all(np.isfinite([*s.predictions, *s.losses]).all() for s in sides):
        raise ValueError(
            f"training diverged; learning_rate must be below {config.learning_rate}."
        )
    first, named = fits[0].fitted, ("" if config.header else "column ")
    inputs = tuple(f"{named}{name}" for name in first.encoder.input_names)
    return Result(
        fits,
        f"{named}{config.target}",
        inputs,
        None if unseen is None else predict(first, config, unseen),
    )
