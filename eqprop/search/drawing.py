"""Driving hypothesis: one example is one drawn structure (a pair, a loss, a seed); bodies decide what a failure is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from unittest import SkipTest

from hypothesis import Phase, currently_in_test_context, given, reproduce_failure, seed
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.errors import HypothesisException, Unsatisfiable

from eqprop.arguments import LARGEST_SEED
from eqprop.claims import Pair
from eqprop.engine import Tree
from eqprop.errors import EqpropError, InvalidInput
from eqprop.probes import DRAWN_LOSSES, Loss, suitable_losses, user_loss
from eqprop.profiles import PROFILES, Profile
from eqprop.search.constants import constants_of_modules_left_out

REMEMBERED = (b".secondary", b".pareto")
"""What hypothesis appends to the key of a search for what it found on its way."""

REPRODUCE = re.compile(r"@reproduce_failure\('(?P<version>[^']+)', b'(?P<blob>[^']*)'\)")


@dataclass(frozen=True)
class Drawn:
    """What hypothesis draws: everything but the numbers, which follow from the seed.

    Attributes:
        pair: with its architecture.
        loss_index: picks one of the losses that suit the pair's outputs.
        seed: of the numbers.
    """

    pair: Pair
    loss_index: int
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.pair, Pair):
            msg = f"the strategy drew {self.pair!r} ({type(self.pair).__name__}); expected a strategy of eqprop.Pair."
            raise InvalidInput(msg)

    @property
    def key(self) -> Hashable:
        """Equal for structures about which programs say the same."""
        return (self.pair.key, self.loss_index, self.seed)

    def loss(self, output_shapes: tuple[tuple[int, ...], ...]) -> Loss:
        """The model's own loss, or the one picked among those that suit outputs of these shapes."""
        if self.pair.model.loss is not None:
            return user_loss(self.pair.model.loss)
        losses = suitable_losses(output_shapes)
        return losses[self.loss_index % len(losses)]


def structures(pairs: st.SearchStrategy[Pair]) -> st.SearchStrategy[Drawn]:
    """Structures over drawn pairs, architecture first, simplest first."""
    indices = st.integers(0, len(DRAWN_LOSSES) - 1)
    return st.builds(Drawn, pairs, indices, st.integers(0, LARGEST_SEED))


class Found(Exception):  # noqa: N818 - a signal to hypothesis, not an error
    """Raised by a body to say that a structure fails."""


class Enough(BaseException):  # no Exception, which hypothesis would take for a failure
    """Raised by a body that has nothing more to ask of any structure: none is drawn any more."""


@dataclass(frozen=True)
class Minimal:
    """The smallest failing structure and the blob that rebuilds it."""

    structure: Drawn
    blob: str


def _given(strategy: st.SearchStrategy[Drawn]) -> Tree:
    """``given``, also inside a test of the user's that draws a pair.

    Hypothesis refuses to decorate there, where a search for each example may be an accident. Here that is what was
    asked for, and another thread is not inside.
    """
    if not currently_in_test_context():
        return given(strategy)
    with ThreadPoolExecutor(1) as outside:
        return outside.submit(given, strategy).result()


def drive(
    pairs: st.SearchStrategy[Pair],
    body: Callable[[Drawn], bool],
    profile: Profile,
    *phases: Phase,
    number: int,
    digest: str,
    blob: str = "",
) -> Minimal | None:
    """Run hypothesis over structures until the body answers True (a failure), then shrink if that phase is among them.

    Args:
        pairs: what is drawn from.
        body: whether a structure fails; must answer the same each time it is asked about the same structure.
        profile: the budget.
        phases: of hypothesis.
        number: the seed of the search.
        digest: names the search in the example database.
        blob: replay this structure only (as printed by hypothesis: ``version:blob``).

    Raises:
        InvalidInput: where the strategy itself raises, or yields nothing.
        Exception: what the body raises, as it is.
    """
    last: list[Drawn] = []
    raised: list[Exception] = []

    def test(structure: Drawn) -> None:
        # Hypothesis runs what failed once more; a body that has failed is not asked again, lest it answer otherwise.
        if raised:
            raise raised[0]
        try:
            failing = body(structure)
        except Exception as error:
            raised.append(error)
            raise
        if failing:
            last[:] = [structure]
            raise Found

    settings, key = profile.hypothesis_settings(*phases), hashlib.sha384(digest.encode()).digest()
    if phases == (Phase.reuse,) and not _remembers(settings.database, key):
        return None
    # The settings go on last: ``seed`` switches the example database off, and settings put it back.
    run: Any = settings(seed(number)(_given(structures(pairs))(test)))
    # One entry of the example database for each search; hypothesis's own key is of a function's source.
    run._hypothesis_internal_database_key = key  # noqa: SLF001
    if blob:
        version, _, encoded = blob.partition(":")
        run = reproduce_failure(version, encoded.encode())(run)
    try:
        with constants_of_modules_left_out():
            run()
    except (Enough, SkipTest):  # SkipTest is hypothesis's word for a search that only recalls, and comes to nothing
        return None
    except Found as signal:
        printed = REPRODUCE.search("\n".join(getattr(signal, "__notes__", ())))
        found = f"{printed['version']}:{printed['blob']}" if printed else blob
        return Minimal(last[0], found)
    except (HypothesisException, EqpropError) as error:
        if isinstance(error, Unsatisfiable):
            raise InvalidInput(NEVER_YIELDS) from error
        raise
    except Exception as error:
        if raised:
            raise raised[0] from None
        raise InvalidInput(_of_the_strategy(error)) from error
    return None


def _remembers(database: ExampleDatabase | None, key: bytes) -> bool:
    """Whether an example database has anything to begin with: a search of each property asks."""
    return database is not None and any(any(database.fetch(key + part)) for part in (b"", *REMEMBERED))


def simplest(pairs: st.SearchStrategy[Pair]) -> Pair:
    """The simplest pair of a strategy: hypothesis begins with it."""
    found: list[Pair] = []

    def body(structure: Drawn) -> bool:
        found.append(structure.pair)
        return False

    once = replace(PROFILES["gate"], name="simplest", examples=1)
    drive(pairs, body, once, Phase.generate, number=0, digest="simplest")
    return found[0]


NEVER_YIELDS = "the strategy of pairs never yields one: every draw is rejected by a filter or an assume. Loosen them."


def _of_the_strategy(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), "no message").rstrip(" .")
    return (
        f"the strategy of pairs raised {type(error).__name__}: {line}. Call strategy.example() for the traceback, or "
        "assume() away what cannot be built."
    )


def rebuilt(pairs: st.SearchStrategy[Pair], blob: str, profile: Profile) -> Drawn:
    """The structure that a blob stands for.

    Args:
        pairs: the strategy that it was drawn from.
        blob: hypothesis's record of the draws, as a counterexample keeps it.
        profile: whose settings were in force.

    Raises:
        hypothesis.errors.DidNotReproduce: where the strategy has changed, or hypothesis's version differs.
    """
    minimal = drive(pairs, lambda _: True, profile, Phase.explicit, number=0, digest="rebuilt", blob=blob)
    assert minimal is not None, "the body fails always, so hypothesis either raises or finds"
    return minimal.structure
