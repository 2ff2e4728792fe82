"""How a run is cut: few chunks, none too long, and one program for all of them."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.running import _chunks, run
from funclearn.running._chunks import Program, chunks
from tests.running.running_setting import DATA, START, STEP
from tests.runs import bits


def program(epochs, **options):
    return Program(STEP, START, DATA, None, epochs, options)


def numbers(made, epochs, clock):
    return [chunk.number for chunk in chunks(made, START, None, epochs, clock)]


def test_chunks_grow_until_they_take_long_enough():
    now = itertools.count()  # a second between two looks: every chunk takes too long
    assert numbers(program(9), 9, lambda: float(next(now))) == [1] * 9
    found = numbers(program(5000), 5000, lambda: 0.0)  # no time passes
    assert sum(found) == 5000 and len(found) < 10
    assert all(new <= 10 * old for old, new in itertools.pairwise(found))


def test_long_chunks_are_not_begun_ahead(monkeypatch):
    made, begun = program(9), []
    advance = made.advance
    monkeypatch.setattr(
        made, "advance", lambda *given: begun.append(given[2]) or advance(*given)
    )
    now = itertools.count(step=2)
    seen = [len(begun) for _ in chunks(made, START, None, 3, lambda: float(next(now)))]
    assert seen == [1, 2, 3]


def test_room_is_made_for_as_many_rows_as_memory_allows():
    assert program(1).longest == program(1024).longest == 1024
    assert program(1025).longest == 2048
    assert program(10**9).longest == _chunks._BYTES // 4
    wide = program(10**9, record=lambda state, info, _: jnp.zeros(2**20))
    assert wide.longest == 2
    assert program(10**9, record=lambda *_: None).longest == _chunks._BYTES
    assert wide.row.shape == (2**20,)


def test_a_rule_ends_it():
    rule = fl.stopping.max_epochs(13)
    made = program(100, stop=rule)
    last = list(chunks(made, START, rule, 100))[-1]
    assert last.run.reason.name == "max_epochs"
    whole = fl.fit(STEP, START, DATA, epochs=100, stop=rule)
    assert bits(last.run.state) == bits(whole.state)


def types_of(rule):
    return jax.tree.map(lambda leaf: (jax.typeof(leaf), np.shape(leaf)), rule.watch)


@pytest.mark.parametrize("best", [{}, {"best_on": "loss"}])
def test_a_rule_begins_with_what_it_remembers_after_an_epoch(best, monkeypatch):
    made = program(9, stop=fl.stopping.patience(3), **best)
    begun = made.nothing(START, made.given)
    after = made.advance(START, begun.stop, 1)
    assert types_of(begun.stop) == types_of(after.stop)
    assert int(begun.epochs) == 0 and int(after.epochs) == 1
    seen, advance = [], Program.advance

    def watched(self, state, stop, number):
        seen.append(stop.watch)
        return advance(self, state, stop, number)

    monkeypatch.setattr(Program, "advance", watched)
    rule = fl.stopping.patience(3)
    run(STEP, START, DATA, epochs=9, stop=rule, progress=False, **best)
    assert seen and None not in seen


def test_the_text_is_that_of_the_program_alone():
    text = program(5).text
    assert text == program(7).text and not re.search("0x[0-9a-f]", text)
    assert text != program(5, batch_size=3).text
    one, other = fl.stopping.patience(3), fl.stopping.patience(4)
    assert program(5, stop=one).text == program(5, stop=other).text != text


def test_every_chunk_says_where_it_began():
    whole, states = fl.fit(STEP, START, DATA, epochs=40), []
    made = list(chunks(program(40), START, None, 40))
    for chunk in made:
        states.append(chunk.start)
        assert chunk.rate > 0
    assert bits(states[0]) == bits(START)
    rows = [np.asarray(state.epoch) for state in states]
    assert rows == sorted(rows) and bits(made[-1].run.state) == bits(whole.state)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap])
def test_it_is_no_function_to_be_transformed(transform):
    with pytest.raises(Exception, match=r"[Tt]rac|mapped"):
        transform(
            lambda x: (
                fl.running.run(
                    STEP,
                    START,
                    DATA._replace(targets=DATA.targets + x),
                    epochs=2,
                    progress=False,
                ).state.params
            )
        )(jnp.zeros(3)[0] if transform is jax.jit else jnp.zeros(3))
