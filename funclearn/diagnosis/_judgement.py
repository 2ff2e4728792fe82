"""From what was measured on finite curves to what decides a verdict."""

from funclearn.diagnosis._causes import Cause
from funclearn.diagnosis._curves import FLAT, Measures, Training, Validation
from funclearn.diagnosis._evidence import (
    COUNTS,
    MAY_COUNT,
    weigh_fall,
    weigh_level,
    weigh_rise,
)
from funclearn.diagnosis._falls import Fall
from funclearn.diagnosis._runs import Curves
from funclearn.diagnosis._smoothing import ROUNDING

__all__ = ["judge"]

# A floor is read off tenths of a run, and a tenth needs an epoch.
_FEWEST_EPOCHS = 10
# Of the baseline: a model is better than a constant only by more than a few per cent.
_LIKE_A_CONSTANT = 0.9
# Of the first loss: who fell by less may have learnt next to nothing, since a start is
# seldom better than the best constant.
_LITTLE_LEARNT = 0.7
# Of what was learnt; what ends further above its lowest was lost again.
_LOST_AGAIN = 0.2
# Of a single loss, the first, which is one of many that were looked at.
_JITTERS = 5
# Of the validation loss, from which on parting is told with its epoch.
_PARTED = 0.5
# Times what counts, that a curve may still fall by beside one that has settled.
_UNCERTAIN = 4
# Of how far a metric rises in all: it never fell.
_NEVER_FELL = 0.1


def judge(curves: Curves, measures: Measures, baseline: float | None) -> Cause:
    """What decides the verdict on a run that did not diverge.

    Args:
        curves: finite ones.
        measures: what was measured on them.
        baseline: the loss of the best constant prediction, if it is known.
    """
    training = measures.training
    signed = bool(curves.training.min() < 0)
    if training.epochs < _FEWEST_EPOCHS:
        return Cause.TOO_SHORT
    falls = _falls(measures)
    if baseline is not None and falls is not Cause.STILL_LEARNING:
        if _like_a_constant(training, baseline, signed=signed):
            return Cause.LIKE_A_CONSTANT
    if _unstable(training, signed=signed):
        return Cause.UNSTABLE
    first, last = training.first_training, training.last_training
    change = max(0.0 if signed else FLAT * first, _JITTERS * training.jitter)
    if abs(last - first) <= change and falls is not Cause.STILL_LEARNING:
        return Cause.FLAT
    parts = _parts(curves, measures)
    # A gap that is not sure to count may yet close.
    if parts is Cause.MAY_LAG and falls is Cause.STILL_LEARNING:
        return falls
    if parts is not None:
        return parts
    little = not signed and last > _LITTLE_LEARNT * first and baseline is None
    if little and falls is not Cause.STILL_LEARNING:
        return Cause.FLAT
    if falls is not None:
        return falls
    judged = measures.validation
    if judged is None:
        return Cause.NO_VALIDATION
    return Cause.UNCERTAIN_VALIDATION if _uncertain(judged) else Cause.AGREE


def _like_a_constant(training: Training, baseline: float, *, signed: bool) -> bool:
    if not signed:
        return training.last_training > _LIKE_A_CONSTANT * baseline
    better = baseline - training.last_training
    return better < (1 - _LIKE_A_CONSTANT) * training.learnt


def _unstable(training: Training, *, signed: bool) -> bool:
    last, lowest = training.last_training, training.lowest_training
    learnt = training.first_training - lowest
    least = _LOST_AGAIN * learnt
    if not signed:
        # Squared roundings about zero are no rise (_rises.py).
        least = max(FLAT * learnt, min(lowest, least), ROUNDING**2)
    if last - lowest > max(least, 3 * training.jitter):
        return True
    # It ends above its start, though by no more than it jitters.
    if last - training.first_training > least:
        return True
    if signed:
        return False
    return training.jitter > max(last, FLAT * training.first_training)


def _uncertain(judged: Validation) -> bool:
    """Whether chance could hide any parting at all."""
    jitter = judged.by_jitter * judged.scale
    jitters = judged.by_jitter >= 1 and jitter > _LOST_AGAIN * judged.validation_learnt
    return jitters or judged.by_rows >= 1


def _falls(measures: Measures) -> Cause | None:
    """Whether the losses still fall; None if either has come to its floor."""
    training = measures.training
    last, learnt = training.last_training, training.learnt
    weights = [weigh_fall(measures.training_fall, last, learnt)]
    validation, fall = measures.validation, measures.validation_fall
    if validation is not None and fall is not None:
        last, learnt = validation.last_validation, validation.validation_learnt
        weights.append(weigh_fall(fall, last, learnt))
    falling = [min(weight.next, weight.least) >= COUNTS for weight in weights]
    # Where one of them falls on, the other one deceives, or the curves will part; and
    # one that is uncertain by far more than what counts may well fall on.
    known = all(weight.most <= _UNCERTAIN * COUNTS for weight in weights)
    if any(map(_settled, weights)) and known and not any(falling):
        return None
    if any(falling) and all(weight.least > MAY_COUNT for weight in weights):
        return Cause.STILL_LEARNING
    # What is too slow to count may still count before it is over.
    if all(weight.ever >= 1 for weight in weights):
        return Cause.STILL_LEARNING
    return Cause.MAY_STILL_LEARN


def _settled(weight: Fall) -> bool:
    soon = weight.next <= MAY_COUNT and weight.most <= 2 * COUNTS
    return soon and weight.ever <= MAY_COUNT


def _parts(curves: Curves, measures: Measures) -> Cause | None:
    """Whether the validation loss stays behind, by its course or by its level."""
    judged, fall = measures.validation, measures.validation_fall
    if judged is None or fall is None or curves.judged is None:
        return None
    if not curves.declared and _may_be_better_higher(curves, measures):
        return Cause.UNKNOWN_DIRECTION
    signed = bool(curves.judged.min() < 0)
    rise = weigh_rise(judged, signed=signed)
    level = 0.0
    if curves.comparable:
        level = weigh_level(measures.training, judged, fall, signed=signed)
    by_chance = judged.parting <= judged.by_chance
    if rise >= COUNTS and not by_chance:
        return Cause.PART
    gap = judged.last_validation - measures.training.last_training
    if level >= COUNTS and gap > judged.by_chance * judged.scale:
        parted = judged.parting > _PARTED and not by_chance
        return Cause.PART if parted else Cause.LEVEL
    # What chance often does is half of what it could do at most.
    often = max(judged.by_jitter / 2, judged.by_rows / 3) * judged.scale
    if judged.rise < often:
        rise = 0.0
    if level < 1 and gap < judged.by_chance * judged.scale:
        level = 0.0
    if rise > MAY_COUNT:
        return Cause.MAY_PART
    stays = not curves.comparable and _never_better(measures.training, judged)
    return Cause.MAY_LAG if level > MAY_COUNT or stays else None


def _never_better(training: Training, judged: Validation) -> bool:
    """Whether the training loss fell and a metric has stayed where it began."""
    better = judged.first_validation - judged.lowest_validation
    least = max(FLAT * abs(judged.first_validation), judged.by_jitter * judged.scale)
    fell = training.last_training < _LITTLE_LEARNT * training.first_training
    return bool(fell and better <= least)


def _may_be_better_higher(curves: Curves, measures: Measures) -> bool:
    """Whether what should be a validation loss only rises while the other falls."""
    judged, training = measures.validation, measures.training
    assert judged is not None and curves.judged is not None
    start = judged.first_validation
    rise = judged.last_validation - start
    if training.learnt <= 0 or rise <= 0:
        return False
    if start - judged.lowest_validation > _NEVER_FELL * rise:
        return False
    # The loss on other rows starts about where the training loss does, unless the
    # model had been trained before; and of a percentage more than one is usual.
    unlike = not 0.5 < start / max(training.first_training, 1e-300) < 2
    largest = curves.judged.max()
    return bool(largest <= 1 or (unlike and start >= 0 and largest <= 100))
