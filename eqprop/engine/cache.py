"""JAX's persistent compilation cache, switched on for the time of a search.

A search compiles a dozen programs of a quarter of a second each, and the gate's programs are the same at every run. The
cache lies in a folder of its own, outside the project:

- ``EQPROP_CACHE_DIR`` names another folder, ``EQPROP_CACHE=off`` switches it off;
- a cache that the user has configured in JAX is used as it is, with the user's own thresholds;
- the folder never holds much more than ``LARGEST`` bytes: what was used longest ago goes first.
"""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

import jax

LARGEST = 1 << 30
"""Bytes that are kept."""

EVERY = 60.0
"""Seconds between two looks of one process at what is kept."""

_SETTINGS: dict[str, object] = {
    "jax_enable_compilation_cache": True,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
}
"""Beside the folder. By default JAX keeps only what took a second to compile: here nearly nothing."""

_said: set[str] = set()
_pruned: dict[Path, float] = {}
_active: ContextVar[Path | None] = ContextVar("eqprop_cache", default=None)


def active_folder() -> Path | None:
    """The folder that a ``persistent_cache`` around this call has in use."""
    return _active.get()


def cache_folder() -> Path | None:
    """Where programs are kept: ``EQPROP_CACHE_DIR``, or the platform's folder for caches; None where switched off."""
    if os.environ.get("EQPROP_CACHE", "").lower() in {"off", "0", "no", "false"}:
        return None
    named = os.environ.get("EQPROP_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "eqprop"


@contextmanager
def persistent_cache(*, importing: bool = False) -> Generator[None]:
    """Use the cache inside the block; JAX's configuration is the same before and after it.

    Args:
        importing: whether the block imports somebody's modules, or calls what makes their models. What these set of
            JAX, and of warnings, stays.

    An unusable folder or a broken entry loses the cache, never a result: JAX compiles what it cannot read.
    """
    folder = None if jax.config.values["jax_compilation_cache_dir"] else cache_folder()
    if folder is None or not _usable(folder):
        yield
        return
    # JAX decides once in a process whether and where there is a cache: forget that decision on the way in and out.
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    before = {name: jax.config.values[name] for name in (*_SETTINGS, "jax_compilation_cache_dir")}
    ours = {**_SETTINGS, "jax_compilation_cache_dir": str(folder)}
    token = _active.set(folder)
    try:
        _configure(ours)
        reset_cache()
        with nullcontext() if importing else warnings.catch_warnings():
            # What an interrupted writer left behind: recompiled, and of no interest to the user.
            if not importing:
                warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
            yield
    finally:
        _active.reset(token)
        stays = {name for name, value in ours.items() if importing and jax.config.values[name] != value}
        _configure({name: value for name, value in before.items() if name not in stays})
        reset_cache()
        _prune_now_and_then(folder)


def _configure(values: dict[str, object]) -> None:
    for name, value in values.items():
        jax.config.update(name, value)


def _usable(folder: Path) -> bool:
    """Whether files can be written there; if not, says so once."""
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        if str(folder) not in _said:
            _said.add(str(folder))
            why = error.strerror or type(error).__name__
            sys.stderr.write(
                f"eqprop: compiled programs are not kept: {folder} cannot be written to ({why}). "
                "EQPROP_CACHE_DIR names another folder, EQPROP_CACHE=off silences this.\n"
            )
        return False
    return True


def _prune_now_and_then(folder: Path) -> None:
    """Not at the end of each of many short searches: to look through a large cache takes longer than some of them."""
    if time.monotonic() - _pruned.get(folder, -math.inf) >= EVERY:
        _prune(folder)
        _pruned[folder] = time.monotonic()


def _prune(folder: Path) -> None:
    """Remove the oldest programs beyond ``LARGEST`` bytes; another process may be doing the same."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*-cache"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        found.append((max(stat.st_mtime, stat.st_atime), stat.st_size, path))
    excess = sum(size for _, size, _ in found) - LARGEST
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size
