"""What the pytest plugin was asked for: the command line, ``[tool.eqprop]`` of pyproject.toml, defaults, in this order.

Imports neither JAX nor hypothesis: every pytest run in an environment with eqprop comes through here.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from eqprop.errors import InvalidInput
from eqprop.faces.known import Known
from eqprop.faces.project import DRAWN_DIFFERENTLY, Project, has_table
from eqprop.kept import Allowance, KeptLedger, KnownFailure, is_model, is_test
from eqprop.profiles import GATE_SEED, profile_named
from eqprop.reports import asked as asked_form
from eqprop.results import NOTHING_KEPT, Applying, Digests, Record

NOTHING_GONE: Mapping[str, str] = MappingProxyType({})

if TYPE_CHECKING:
    from eqprop.faces.cases import Absent, Case
    from eqprop.faces.symmetry_cells import SymmetryCase
    from eqprop.runs import Gone
    from eqprop.search import Options, SearchTask

PARTIAL = ("lf", "ignore", "ignore_glob", "deselect")
"""Options of pytest that leave files out."""

ID_PREFIX = "eqprop::"
SENT = "eqprop"
"""Under which key a controller of xdist sends its settings to its workers."""


@dataclass(frozen=True)
class Settings:
    """Resolved settings; plain data.

    Attributes:
        targets: of items to collect; empty where there is nothing to do.
        models: whose symmetries are cells.
        ids: the ids (or their beginnings) that were given as arguments; empty for all.
        asked: what the command line says of profile, seed, precision, properties, what is unseen, evaluator, limits.
        configured: what pyproject.toml says of them.
        known: what is said of failures.
        drawn_seed: of a run in which nobody gave one: drawn once, so that all workers agree.
        whole: whether every pair of the project is collected, as far as the command line says.
        cells: of the ledger: target → pair → properties.
        reports: as which the run is told, besides: ``KIND=FILE``.
        ledger_file: where a ledger is to be written; empty where it is to be kept to.
        digests: of the ledger, where what is unchanged since is not to be searched: target → pair → what it was.
    """

    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    asked: Record = field(default_factory=Record)
    configured: Record = field(default_factory=Record)
    known: Known = field(default_factory=Known)
    drawn_seed: int = GATE_SEED
    whole: bool = False
    cells: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict[str, dict[str, list[str]]])
    ledger_file: str = ""
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, dict[str, str]])
    reports: tuple[str, ...] = ()

    @staticmethod
    def wanted(config: pytest.Config) -> bool:
        """Whether the run has anything to do with eqprop, as far as is known before anything is collected."""
        return bool(config.option.eqprop) or has_table(config.rootpath)

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """The settings of a run. A worker of xdist takes over those of its controller.

        Raises:
            InvalidInput: for a key or a value of ``[tool.eqprop]`` that is not expected, or an unknown profile.
        """
        ids = tuple(arg.partition("@")[0] for arg in config.args if arg.startswith(ID_PREFIX))
        config.args = [arg for arg in config.args if not arg.startswith(ID_PREFIX)]
        sent: Record | None = getattr(config, "workerinput", {}).get(SENT)
        if sent is not None:
            table, baseline, allowed = sent.pop("known")
            known = Known(table, [KnownFailure(**k) for k in baseline], {c: Allowance(*a) for c, a in allowed.items()})
            listed = {key: tuple(sent.pop(key)) for key in ("targets", "models", "ids")}
            return cls(**listed, known=known, **sent)
        project, option = Project.of(config.rootpath), config.option
        asked = {
            "profile": option.eqprop_profile,
            "seed": option.eqprop_seed,
            "precision": option.eqprop_precision,
            "properties": option.eqprop_property,
            "unseen": option.eqprop_unseen,
            "evaluator": option.eqprop_evaluator,
            "max_architectures": option.eqprop_max_architectures,
            "probes": option.eqprop_probes,
            "max_time": option.eqprop_max_time,
        }
        # Targets of pyproject.toml belong to whole runs: who names a file wants that file.
        named = config.args_source is not pytest.Config.ArgsSource.ARGS or bool(ids)
        whole = named and not ids and not option.eqprop and not any(map(option.__dict__.get, PARTIAL))
        update = option.eqprop_update_ledger
        if update and not whole:
            msg = "--eqprop-update-ledger writes what a whole run finds; leave out files, ids and other selections."
            raise InvalidInput(msg)
        kept = None if update else project.ledger()
        if option.eqprop_changed and kept is None:
            msg = f"--eqprop-changed: there is no {project.ledger_file} to compare with, or it is being written."
            raise InvalidInput(msg)
        settings = cls(
            targets=tuple(option.eqprop or (project.targets if named else ())),
            models=project.models if whole and not (update or option.eqprop_property) else (),
            ids=ids,
            asked={key: value for key, value in asked.items() if value is not None},
            configured=project.configured,
            known=project.known(),
            drawn_seed=secrets.randbelow(2**32),
            whole=whole,
            cells={} if kept is None else {t: {p: list(n) for p, n in of.items()} for t, of in kept.cells.items()},
            ledger_file=str(project.ledger_file) if update else "",
            # Some versions of argparse make an empty list of --eqprop-report=--.
            reports=tuple("--" if text == [] else text for text in option.eqprop_report or ()),
            digests={} if kept is None or not option.eqprop_changed else {t: dict(p) for t, p in kept.digests.items()},
        )
        if whole and not update:
            project.check_asked(besides=any(not is_model(target) for target in settings.cells))
        profile_named(settings.profile)
        for text in settings.reports:
            asked_form(text)
        return settings

    def to_worker(self) -> Record:
        """As what xdist can send: lists, dictionaries, strings and numbers."""
        plain: Record = {**vars(self), "targets": list(self.targets), "ids": list(self.ids)}
        plain["models"] = list(self.models)
        plain["reports"] = list(self.reports)
        allowed = {cell: list(allowance) for cell, allowance in self.known.allowed.items()}
        plain["known"] = [dict(self.known.table), [asdict(entry) for entry in self.known.baseline], allowed]
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in plain.items()}

    @property
    def profile(self) -> str:
        """The profile's name."""
        return self._merged({})["profile"]

    @property
    def seed(self) -> int:
        """The seed of a run without decorators that say otherwise."""
        return self._merged({})["seed"]

    @property
    def precision(self) -> str:
        """Of a run without decorators that say otherwise."""
        return self._merged({})["precision"]

    @property
    def text(self) -> str:
        """In one line, enough to repeat the run."""
        merged = self._merged({})
        return f"seed {merged['seed']}, profile {merged['profile']}, precision {merged['precision']}"

    def _merged(self, given: Record) -> Record:
        """``given`` comes from a decorator: behind the command line, before pyproject.toml."""
        merged = {"profile": "gate", "precision": "float64", **self.configured, **given, **self.asked}
        if "seed" not in merged:
            merged["seed"] = GATE_SEED if profile_named(merged["profile"]).fixed_seed else self.drawn_seed
        return merged

    def options(self, **given: object) -> Options:
        """The options of searches.

        Raises:
            InvalidInput: for an unknown property, or a seed out of range.
        """
        from eqprop.runs import make_options

        arguments: Record = {"save": Path(".eqprop"), **self._merged(given)}
        return make_options(**arguments)

    def strays(self, seen: Collection[tuple[str, str]]) -> list[Absent]:
        """Known failures that are about nothing, as cells that fail; a run of a part tells nothing of the others."""
        from eqprop.faces.cases import Absent

        if not self.whole:
            return []
        asked = () if "properties" in self.asked else [prop.name for prop in self.options().properties]
        return [Absent(verdict, target) for target, verdict in self.known.strays(seen, asked)]

    @property
    def collects(self) -> bool:
        """Whether there are items without a file."""
        return bool(self.targets or self.models) or (self.whole and any(not is_test(target) for target in self.cells))

    @property
    def differs(self) -> bool:
        """Whether the command line asks for other architectures than the ledger's."""
        return any(key in self.asked for key in DRAWN_DIFFERENTLY)

    def applying(self, targets: Collection[str]) -> Applying:
        """What the ledger says of the pairs of some targets; nothing in a run that was asked for less."""
        return NOTHING_KEPT if self.differs else KeptLedger(self.cells).of(targets).applying()

    def applying_to(self, tasks: Iterable[SearchTask]) -> Applying:
        """What the ledger says of the pairs of targets: of all of them in a whole run, else of those that are named."""
        named = {task.address for task in tasks}
        return self.applying([t for t in self.cells if not is_test(t) and (self.whole or t in named)])

    def digests_of(self, targets: Collection[str]) -> Digests:
        """What the ledger says that the pairs of some targets were."""
        return {pair: told for t in targets for pair, told in self.digests.get(t, {}).items()}

    def absent(self, cases: Collection[Case], *, tests: bool, gone: Mapping[str, str] = NOTHING_GONE) -> list[Absent]:
        """The cells of the ledger that this run was to have, and are no case: of tests, or of targets.

        Args:
            cases: of this run.
            tests: whether those of decorated tests are asked for.
            gone: target → what is said of it, of those that name nothing any more.
        """
        from eqprop.faces.cases import absent

        there = self.cells if self.whole else {*gone, *(case.target for case in cases)}
        kept = KeptLedger(self.cells).of([t for t in there if is_test(t) is tests and not is_model(t)])
        some = self.differs or "properties" in self.asked
        asked = {prop.name for prop in self.options().properties} if some else None
        return list(absent(cases, [cell for cell in kept.each() if asked is None or cell[2] in asked], gone))

    def symmetries(self) -> list[SymmetryCase]:
        """The cells of the project's models, and those that the ledger has besides."""
        from eqprop.faces.symmetry_cells import cases_of, cells_of

        kept = KeptLedger(self.cells)
        gone = self.whole and not self.ledger_file and "properties" not in self.asked
        return cases_of(cells_of(self.models, kept)) if self.models or gone else []

    def cases(self) -> list[Case | Absent | SymmetryCase]:
        """The cells of all targets, and those that the ledger has besides.

        Raises:
            InvalidInput: for a target that cannot be used, or an id that is none.
        """
        from eqprop.faces.cases import cases_of
        from eqprop.runs import resolve_all

        gone: dict[str, str] = {}

        def note(target: str, error: Gone) -> None:
            if target not in self.cells:
                raise error
            gone[target] = str(error)

        tasks = self.known.given_to(resolve_all(self.targets, note)) if self.targets else []
        digests = self.digests_of([target for target in self.digests if not is_test(target)])
        found = list(cases_of(tasks, self.options(), self.applying_to(tasks), digests=digests))
        cases = [*found, *self.absent(found, tests=False, gone=gone), *self.symmetries()]
        unknown = [i for i in self.ids if not any(f"{ID_PREFIX}{case.id}".startswith(i) for case in cases)]
        if unknown:
            msg = f"no item is called {', '.join(unknown)}; `pytest --eqprop TARGET --co -q` lists them."
            raise InvalidInput(msg)
        return cases

    def selects(self, nodeid: str) -> bool:
        """Whether an item was asked for by its id (or no item was)."""
        return not self.ids or nodeid.startswith(self.ids)


SETTINGS = pytest.StashKey[Settings]()
