"""A rule from epoch to epoch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


def test_a_rule_goes_on_where_it_left_off(fl, replay):
    rule = fl.stopping.patience(3, min_delta=0.01) | fl.stopping.max_epochs(11)
    whole = replay(LOSSES, stop=rule)
    part, done = None, 0
    while part is None or not part.reason.code:
        part = replay(LOSSES[done:], stop=rule, epochs=2)
        rule, done = part.stop, done + int(part.epochs)
    assert (done, part.reason.name) == (int(whole.epochs), whole.reason.name)
    assert int(replay(LOSSES, stop=rule).epochs) == 0


def test_no_epochs(fl, problem):
    run = problem(0.05, fl.stopping.target(12.0), epochs=0)
    assert (int(run.epochs), run.reason.name) == (0, "epochs")
    assert run.history.loss.shape == (0,)


def test_settings_may_be_mapped_over_without_compiling_again(fl, problem):
    traces = []

    @jax.jit
    def epochs(target):
        traces.append(target)
        return problem(0.05, fl.stopping.target(target)).epochs

    goals = [30.0, 12.0]
    assert [int(epochs(goal)) for goal in goals] == [
        int(problem(0.05, fl.stopping.target(goal)).epochs) for goal in goals
    ]
    assert len(traces) == 1


def test_a_number_of_mistakes_is_a_validation_loss(fl):
    train, validation = fl.data.split(jax.random.key(0), fl.data.thermometer())
    optimizer = optax.sgd(1e-4)
    step = fl.make_train_step(
        fl.make_objective(fl.models.linear, fl.losses.mse), optimizer
    )
    state = fl.init_state(
        jax.random.key(0), fl.models.linear.init(jax.random.key(0)), optimizer
    )

    def mistakes(params, rows):
        errors = fl.models.linear.apply(params, rows.inputs) - rows.targets
        return jnp.sum(jnp.abs(errors) > 10)

    run = fl.fit(
        step,
        state,
        train,
        validation,
        epochs=30,
        evaluate=mistakes,
        stop=fl.stopping.patience(3),
    )
    history = np.asarray(run.history.evaluation)[: int(run.epochs)]
    assert history.dtype == np.int32
    assert float(run.best.loss) == history.min()
    assert int(run.best.epoch) == history.argmin() + 1


@pytest.mark.slow
def test_what_has_watched_goes_on_when_it_is_joined(fl, replay):
    """And what it is joined with begins, with epochs of its own."""
    stopping = fl.stopping
    begun = replay(LOSSES, LOSSES, stop=stopping.max_epochs(6), epochs=4)
    joins = {
        "left": (begun.stop | stopping.diverged(), 2, "max_epochs"),
        "right": (stopping.diverged() | begun.stop, 2, "max_epochs"),
        "nested": (
            stopping.diverged() | (stopping.target(-1.0) | begun.stop),
            2,
            "max_epochs",
        ),
        "both": (begun.stop & stopping.max_epochs(3), 3, "max_epochs & max_epochs"),
        "fresh": (begun.stop & stopping.max_epochs(1), 2, "max_epochs & max_epochs"),
        "first": (begun.stop | stopping.max_epochs(1), 1, "max_epochs"),
    }
    for rule, epochs, reason in joins.values():
        run = replay(LOSSES[4:], LOSSES[4:], stop=rule)
        assert (int(run.epochs), run.reason.name) == (epochs, reason)
        again = replay(LOSSES[4:], LOSSES[4:], stop=rule, epochs=1)
        rest = replay(LOSSES[5:], LOSSES[5:], stop=again.stop)
        assert again.epochs + rest.epochs == epochs


def test_patience_keeps_counting_when_it_is_joined(fl, replay):
    losses = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    begun = replay(losses, stop=fl.stopping.patience(4), epochs=3)
    run = replay(losses[3:], stop=begun.stop | fl.stopping.diverged())
    assert (int(run.epochs), run.reason.name) == (3, "patience")
    # What it is joined with compares with losses of its own.
    run = replay(losses[3:], stop=begun.stop | fl.stopping.getting_worse())
    assert (int(run.epochs), run.reason.name) == (3, "patience")


def test_what_has_fired_has_fired(fl, replay):
    over = replay(LOSSES, stop=fl.stopping.target(5.0))
    run = replay(LOSSES, stop=fl.stopping.diverged() | over.stop)
    assert (int(run.epochs), run.reason.name) == (0, "target")
    assert replay(LOSSES, stop=over.stop & fl.stopping.max_epochs(2)).epochs == 2


@pytest.mark.slow
def test_the_best_is_kept_and_counted_on(fl, replay):
    losses, validation = [1.0] * 6, [5.0, 3.0, 4.0, 4.0, 2.0, 6.0]
    begun = replay(losses, validation, stop=fl.stopping.max_epochs(9), epochs=3)
    for rule in (begun.stop, begun.stop | fl.stopping.diverged()):
        kept = replay(losses[3:], validation[3:], stop=rule, epochs=1)
        assert (int(kept.best.epoch), float(kept.best.loss)) == (2, 3.0)
        better = replay(losses[3:], validation[3:], stop=rule)
        assert (int(better.best.epoch), float(better.best.loss)) == (5, 2.0)
        # A run without validation changes nothing of it.
        blind = replay(losses, stop=rule, epochs=2)
        assert (int(blind.best.epoch), float(blind.best.loss)) == (2, 3.0)


def test_a_rule_that_has_watched_without_validation_begins_a_best(fl, replay):
    begun = replay(LOSSES, stop=fl.stopping.max_epochs(9), epochs=3)
    for rule in (begun.stop, begun.stop | fl.stopping.diverged()):
        run = replay(LOSSES, LOSSES, stop=rule, epochs=2)
        assert (int(run.best.epoch), float(run.best.loss)) == (5, 5.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_without_a_finite_loss_the_best_are_those_of_the_start(fl, replay, bad):
    losses = jnp.array([1.0, 2.0, 3.0])
    lanes = jnp.array([[bad, bad, bad], [bad, 4.0, 5.0], [3.0, bad, 2.0]])
    best = jax.vmap(
        lambda validation: (
            replay(losses, validation, stop=fl.stopping.max_epochs(3)).best
        )
    )(lanes)
    assert best.epoch.tolist() == [0, 2, 3]
    assert best.loss.tolist() == [np.inf, 4.0, 2.0]
    np.testing.assert_allclose(best.params["p"], [1.0, 0.9, 0.7], rtol=1e-6)
    alone = replay(losses, lanes[0], stop=fl.stopping.patience(1)).best
    assert (int(alone.epoch), float(alone.params["p"])) == (0, 1.0)


@pytest.mark.parametrize("joined", [False, True])
def test_a_rule_that_has_watched_other_types_is_refused(fl, problem, joined):
    begun = problem(0.05, fl.stopping.patience(3), epochs=2).stop
    rule = begun | fl.stopping.diverged() if joined else begun
    params = jnp.zeros(3)
    state = fl.TrainState(params, (), jax.random.key(0), jnp.int32(0))

    def step(state, batch):
        return state, fl.StepInfo(jnp.float32(1), state.params)

    def run(loss, rule):
        return fl.fit(
            step,
            state,
            jnp.zeros(1),
            jnp.zeros(1),
            epochs=1,
            evaluate=lambda params, rows: loss,
            stop=rule,
        )

    with pytest.raises(
        ValueError, match=r"stop\.watch\.best\.params must have the str"
    ):
        run(jnp.float32(1), rule)
    with pytest.raises(ValueError, match=r"stop\.watch\.memory\[0\] must be float16"):
        run(jnp.float16(1), rule)


@pytest.mark.slow
def test_the_rules_of_a_mapped_run_go_on_in_one(fl, problem):
    rates = jnp.array([0.02, 0.05, 0.1])

    def cut(rate):
        begun = problem(rate, fl.stopping.patience(4), epochs=5).stop
        return problem(rate, begun | fl.stopping.target(12.0), epochs=40)

    lanes = jax.vmap(cut)(rates)
    for lane, rate in enumerate(rates):
        alone = cut(rate)
        assert lanes.epochs[lane] == alone.epochs
        assert lanes.best.epoch[lane] == alone.best.epoch
