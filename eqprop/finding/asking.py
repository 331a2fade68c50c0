"""``find``: from a model to its symmetries."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np

from eqprop.arguments import LARGEST_SEED, function_of, got, short, whole_number
from eqprop.claims import Model, Pair, Transformation
from eqprop.engine import numbers_context, persistent_cache, separated_caches
from eqprop.errors import InvalidInput
from eqprop.finding.algebra import Algebra, algebra
from eqprop.finding.covering import covered
from eqprop.finding.found import Found
from eqprop.finding.near import near_symmetries
from eqprop.finding.proof import Proven, proven, refuted_or_open
from eqprop.finding.searching import Search
from eqprop.finding.subject import Subject
from eqprop.finding.symmetries import Symmetries
from eqprop.profiles import profile_named
from eqprop.search import Listener, ignore


def find(
    model: Model,
    *,
    declared: Sequence[Pair] | None = None,
    seed: int = 0,
    prove: bool | Literal["premise"] = True,
    profile: str = "quick",
    on_progress: Listener = ignore,
) -> Symmetries:
    """Find a model's symmetries from the callable alone.

    Its program is traced, its gradients are taken at random parameters and inputs in float64, and the transformations
    that leave f as it is are read off them. Each becomes a pair, by the constructors of ``eqprop``, and is judged by
    the property library at all orders.

    Args:
        model: a function with an example of its parameters and inputs. Its ``domain`` says where it is defined; nothing
            is guessed from the example.
        declared: pairs of this model; what is found and not among them is said.
        seed: of the random points; the same seed finds the same.
        prove: whether the property library judges what was found; ``"premise"``: equivariance alone, at order 0, which
            says what is no symmetry and costs little.
        profile: how much it searches, as in ``verify``.
        on_progress: called with a ``Progress`` at every step of what it judges.

    Raises:
        InvalidInput: for what is no model, or gradients that are not finite at random parameters.
    """
    if not isinstance(model, Model):
        msg = f"eqprop.find: got {got(model)}; expected an eqprop.Model."
        raise InvalidInput(msg)
    seed, profile = whole_number(seed, "the seed is", most=LARGEST_SEED), profile_named(profile).name
    function_of(on_progress, ("progress",), "on_progress")
    judge = _judge(prove, profile, seed, on_progress)
    claims = None if declared is None else _claims(model, declared)
    start = time.perf_counter()
    with _in_float64():
        subject = Subject.of(model, seed)
        near = tuple(near_symmetries(subject))
    search, spanned, judged, judging = _settled(subject, seed, judge)
    seconds = time.perf_counter() - start - judging
    true = [one for one, proof in judged.items() if proof.verdict != "refuted"]
    undeclared = None if claims is None else _undeclared(model, [judged[one].found for one in true], claims)
    contained = [one for one in search.found if one not in judged]
    touched = {path for one in (*true, *contained) for path in one.tensors}
    return Symmetries(
        model=model.name,
        found=tuple(judged.values()),
        dimensions={judged[one].found.name: dimension for one, dimension in spanned.kept},
        dimension=spanned.dimension,
        rank=spanned.rank,
        charges=spanned.charges,
        untouched=tuple(path for path in subject.paths if path not in touched),
        unwritten=tuple(search.unwritten),
        hidden=tuple(search.hidden),
        carrying=tuple(dict.fromkeys(search.carrying)),
        near=near,
        undeclared=undeclared,
        seconds=seconds,
    )


@contextmanager
def _in_float64() -> Generator[None]:
    with persistent_cache(), separated_caches("float64"), numbers_context("float64"):
        yield


def _spanned(model: Model, found: Sequence[Found], seed: int) -> Algebra:
    permuted = {(one.tensors, one.units) for one in found if one.kind == "permutation"}
    return algebra(
        model,
        [one for one in found if one.continuous],
        np.random.default_rng(seed),
        lambda one: (one.tensors, one.units) in permuted,
    )


class _Settled(NamedTuple):
    """A search of which nothing that was kept is refuted.

    Attributes:
        search: what it found.
        spanned: the algebra.
        judged: the findings that are not contained in larger ones, and those that were refuted, under names.
        judging: the seconds that the judge took.
    """

    search: Search
    spanned: Algebra
    judged: dict[Found, Proven]
    judging: float


def _settled(subject: Subject, seed: int, judge: _Judge) -> _Settled:
    """Search, and search again without what was refuted: it may have hidden what it would have contained."""
    proofs: dict[str, Proven] = {}
    refuted: list[Found] = []
    judging = 0.0
    while True:
        with _in_float64():
            search = Search(subject, [one.claim for one in refuted])
            spanned = _spanned(subject.model, search.found, seed)
        kept = {one for one, _ in spanned.kept}
        true = [one for one in search.found if one in kept or not one.continuous]
        named = _named([*true, *refuted])
        start = time.perf_counter()
        unjudged = [one for one in true if one.claim not in proofs]
        proofs |= zip((one.claim for one in unjudged), judge([named[one] for one in unjudged]), strict=True)
        judging += time.perf_counter() - start
        false = [one for one in true if proofs[one.claim].verdict == "refuted"]
        if not false:
            judged = {one: proofs[one.claim]._replace(found=name) for one, name in named.items()}
            return _Settled(search, spanned, judged, judging)
        refuted += false


_Judge = Callable[[Sequence[Found]], Sequence[Proven]]


def _judge(prove: object, profile: str, seed: int, on_progress: Listener) -> _Judge:
    """What says of findings, under names that differ, what they are."""
    if isinstance(prove, str) and prove == "premise":
        return lambda found: refuted_or_open(found, profile, seed, on_progress)
    if not isinstance(prove, bool):
        msg = f"eqprop.find: prove is {got(prove)}; expected True, False or 'premise'."
        raise InvalidInput(msg)
    if not prove:
        return lambda found: tuple(map(Proven, found))
    return lambda found: proven(found, profile, seed, on_progress)


def _claims(model: Model, declared: Any) -> list[Transformation]:
    """What is declared of the model and leaves inputs and outputs alone, which is all that is searched for."""
    if not isinstance(declared, Iterable) or isinstance(declared, Mapping | str):
        msg = f"eqprop.find: declared is {got(declared)}; expected a list of pairs of this very model, {model!r}."
        raise InvalidInput(msg)
    pairs: list[Any] = list(declared)
    strangers = [pair for pair in pairs if not isinstance(pair, Pair) or pair.model is not model]
    if strangers:
        msg = f"eqprop.find: declared has {short(strangers[0])} in it; expected pairs of this very model, {model!r}."
        raise InvalidInput(msg)
    claims = [pair.transformation for pair in pairs]
    return [claim for claim in claims if not (claim.moves_outputs or claim.moves_inputs)]


def _undeclared(model: Model, found: Sequence[Found], claims: Sequence[Transformation]) -> tuple[str, ...]:
    there = covered(model, [one.transformation for one in found], claims)
    return tuple(one.name for one, known in zip(found, there, strict=True) if not known)


def _named(found: Sequence[Found]) -> dict[Found, Found]:
    """Each under a name of its own: its kind, and a number where there are several of it."""
    kinds = [one.kind for one in found]
    counts: dict[str, int] = {}
    names: list[str] = []
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
        names.append(kind if kinds.count(kind) == 1 else f"{kind}-{counts[kind]}")
    return {one: one.named(name) for one, name in zip(found, names, strict=True)}
