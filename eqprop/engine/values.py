"""What a function without arguments gives, kept between runs: the same program gives the same numbers.

The first weights of a module are drawn operation by operation, a dozen programs and more that are loaded at every run.
To trace the call takes a tenth of that, and what is traced tells the numbers. One compiled program of all of it would
not do: XLA joins operations that are apart otherwise, and other last bits are other weights (docs/decisions/faces.md).
So the call itself makes the numbers, once.
"""

from __future__ import annotations

import hashlib
import os
import platform
import random
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from eqprop.engine.cache import active_folder
from eqprop.engine.digests import program_text

Value = TypeVar("Value")

IRRELEVANT = ("jax_compilation_cache", "jax_persistent_cache", "jax_enable_compilation_cache")
"""Settings of JAX that do not change what is traced: those of its own cache."""

LARGEST_VALUE = 1 << 24
"""Bytes of one value that is kept; larger ones would drive compiled programs out of the folder."""

CHECKSUM = 32


def foundations() -> str:
    """The versions below this package, and how JAX is configured: what every program depends on."""
    settings = sorted((name, repr(value)) for name, value in jax.config.values.items())
    relevant = [setting for setting in settings if not setting[0].startswith(IRRELEVANT)]
    return repr((_versions(), jax.default_backend(), relevant))


@cache
def _versions() -> list[str]:
    return [version(name) for name in ("jax", "jaxlib", "numpy")]


def kept_value(make: Callable[[], Value]) -> Value:
    """What a call gives, bit for bit, read from the cache where the same program was run there before.

    The call itself is made where there is no cache (outside of ``persistent_cache``), where it cannot be traced or told
    (it looks at numbers, calls back into Python or raises), and where it gives anything but arrays of numbers.

    Args:
        make: without arguments. It is traced first, so that Python in it runs twice where nothing is kept yet.
    """
    folder = active_folder()
    if folder is None:
        return make()
    rewind = _rewinding()
    try:
        # a function of its own: JAX remembers the traces of one, and with them what Python did then
        program, shapes = jax.make_jaxpr(lambda: make(), return_shape=True)()  # noqa: PLW0108
        named = repr((foundations(), _machine(), str(jax.tree.structure(shapes)), program_text(program)))
    except Exception:  # noqa: BLE001 - whatever it is, the call itself says it, or does not need to be traced
        rewind()
        return make()
    slot = _Slot(folder / f"value-{hashlib.sha256(named.encode()).hexdigest()}-cache", shapes)
    found = slot.load()
    if found is not None:
        return found
    rewind()
    value = make()
    slot.keep(value)
    return value


class _Slot:
    """A file of arrays one after the other, whose shapes and types the traced program tells.

    Args:
        path: of the file.
        shapes: a tree of what has a shape and a dtype.
    """

    def __init__(self, path: Path, shapes: Any) -> None:
        self.path = path
        self.leaves: list[Any]
        self.leaves, self.treedef = jax.tree.flatten(shapes)

    def load(self) -> Any:
        """The tree, as JAX's arrays; None where there is none, or the file is not whole."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        checksum, data = content[:CHECKSUM], content[CHECKSUM:]
        if hashlib.sha256(data).digest() != checksum:
            return None
        sizes = [leaf.dtype.itemsize * leaf.size for leaf in self.leaves]
        ends = np.cumsum([0, *sizes]).tolist()
        parts = [np.frombuffer(data[a:b], leaf.dtype) for (a, b), leaf in zip(pairwise(ends), self.leaves, strict=True)]
        arrays = [jax.numpy.asarray(part.reshape(leaf.shape)) for part, leaf in zip(parts, self.leaves, strict=True)]
        return jax.tree.unflatten(self.treedef, arrays)

    def keep(self, value: Any) -> None:
        """Write a value; nothing is written of one that the file could not give back, nor where the disk refuses."""
        leaves, treedef = jax.tree.flatten(value)
        if treedef != self.treedef or not all(map(_is_of, leaves, self.leaves)):
            return
        data = b"".join(np.asarray(leaf).tobytes() for leaf in leaves)
        if len(data) > LARGEST_VALUE:
            return
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            part.write_bytes(hashlib.sha256(data).digest() + data)
            part.replace(self.path)
        except OSError:
            part.unlink(missing_ok=True)


def _is_of(leaf: Any, traced: Any) -> bool:
    """Whether a leaf is an array of numbers as it was traced."""
    plain = isinstance(leaf, jax.Array) and not jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended)
    return plain and (leaf.shape, leaf.dtype) == (traced.shape, traced.dtype)


def _rewinding() -> Callable[[], None]:
    """What puts Python's and NumPy's random numbers back to where they are now, for a second call that draws them."""
    of_python, of_numpy = random.getstate(), np.random.get_state()

    def rewind() -> None:
        random.setstate(of_python)
        np.random.set_state(of_numpy)

    return rewind


@cache
def _machine() -> str:
    """The processor, whose instructions decide about last bits; a cache may come from another one."""
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        about = ""
    flags = sorted({line for line in about.splitlines() if line.startswith(("flags", "Features"))})
    return repr((platform.machine(), platform.processor(), flags))
