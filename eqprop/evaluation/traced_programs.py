"""Traced programs of the built-in catalog, kept between runs: what is found again need not be traced.

JAX's own cache goes by the lowered program, so each run has to trace and lower it first: three quarters of the time
once everything is cached. What a pair of the built-in catalog computes is a function of this package's source and of
what was drawn, so its program can be told by these, and is kept: one that is compiled as jax.export writes it, one that
is walked as data (``engine/walk/kept.py``). A user's pair may call code
that nobody can see from here: its programs are left to JAX's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from jax import export
from jax.extend.core import ClosedJaxpr

from eqprop.engine import NotKept, Tree, active_folder, foundations, kept_program, primitives, written
from eqprop.probes import Probe

PACKAGES = ("eqprop", "eqprop.strategies", "eqprop.catalog")
LAPACK = frozenset({
    "cholesky", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "ormqr", "qr", "schur",
    "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve",
})  # fmt: skip
"""Operations that call it. Its kernels are made ready where they are lowered; a process that only loads them crashed
(jaxlib 0.8)."""

Facts = dict[str, Any]
T = TypeVar("T")

COMPILED, WALKED = "traced", "row"
"""The kinds of kept programs: of all rows of a call, for XLA, and of one row, for the walk."""

export.register_pytree_node_serialization(
    Probe, serialized_name="eqprop.Probe", serialize_auxdata=lambda _: b"", deserialize_auxdata=lambda _: ()
)


@dataclass(frozen=True)
class Slot:
    """Where one program is kept.

    Args:
        what: whatever decides what the program computes, besides this package's source, by its repr.
    """

    what: tuple[Tree, ...]

    def path(self, kind: str) -> Path | None:
        """The file of one kind; None outside of ``persistent_cache``, and where some repr is a mere address."""
        folder, named = active_folder(), repr(self.what)
        if folder is None or " at 0x" in named:
            return None
        return folder / f"{kind}-{hashlib.sha256((surroundings() + named).encode()).hexdigest()}-cache"

    def load(self) -> tuple[Callable[..., Tree], Facts] | None:
        """The program that is compiled, and its facts; None where there is none that can be read."""
        return self._read(COMPILED, lambda program: export.deserialize(bytearray(program)).call)

    def keep(self, jitted: Any, argument: Tree, facts: Facts) -> Callable[..., Tree]:
        """Write a program, and return it as it will be found again.

        Nothing is written where the disk refuses.

        Args:
            jitted: the program, which must be ``keepable``.
            argument: the shapes and dtypes of what it takes.
            facts: about it, in values that JSON has.
        """
        exported = export.export(jitted)(argument)
        self._write(COMPILED, exported.serialize(), facts)
        return exported.call

    def load_row(self) -> tuple[ClosedJaxpr, Facts] | None:
        """The program of one row, which is walked, and its facts; None likewise."""
        return self._read(WALKED, kept_program)

    def keep_row(self, program: ClosedJaxpr, facts: Facts) -> None:
        """Write a program of one row, unless some of it is no data or the disk refuses."""
        if self.path(WALKED) is None:
            return
        try:
            self._write(WALKED, written(program), facts)
        except NotKept:
            return

    def _read(self, kind: str, program_of: Callable[[bytes], T]) -> tuple[T, Facts] | None:
        path = self.path(kind)
        if path is None or not path.exists():
            return None
        try:
            facts, _, program = path.read_bytes().partition(b"\n")
            return program_of(program), json.loads(facts)
        except Exception:  # noqa: BLE001 - a file cut short raises what it likes; the program is traced again
            path.unlink(missing_ok=True)
            return None

    def _write(self, kind: str, program: bytes | bytearray, facts: Facts) -> None:
        path = self.path(kind)
        if path is None:
            return
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            part.write_bytes(json.dumps(facts).encode() + b"\n" + program)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)


def keepable(program: ClosedJaxpr) -> bool:
    """Whether a traced program may be loaded by a process that has not lowered it: it calls no LAPACK."""
    return LAPACK.isdisjoint(primitives(program))


def surroundings() -> str:
    """The source of this package, and what every program depends on below it."""
    return repr((_source(), foundations()))


@cache
def _source() -> str:
    digest = hashlib.sha256()
    for package in PACKAGES:
        for folder in _folders(package):
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _folders(package: str) -> Sequence[str]:
    """Where a package lies; it is not imported for that, which takes a second and a half of the catalog."""
    spec = find_spec(package)
    assert spec is not None, "they are parts of this package"
    return spec.submodule_search_locations or ()
