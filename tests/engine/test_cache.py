"""Compiled programs are kept between runs, and nobody's settings are touched by that."""

from __future__ import annotations

import warnings

import jax
import pytest

from eqprop.engine import persistent_cache

LEAST = "jax_persistent_cache_min_compile_time_secs"
FOLDER = "jax_compilation_cache_dir"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("EQPROP_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("EQPROP_CACHE", raising=False)
    before = {name: jax.config.values[name] for name in (LEAST, FOLDER)}
    for name, value in {LEAST: 1.0, FOLDER: None}.items():
        jax.config.update(name, value)
    with warnings.catch_warnings():
        yield lambda: (jax.config.values[LEAST], jax.config.values[FOLDER])
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("importing", [False, True])
def test_settings_are_the_same_before_and_after(settings, importing, tmp_path):
    with persistent_cache(importing=importing):
        assert settings() == (0.0, str(tmp_path))
    assert settings() == (1.0, None)


def test_what_a_module_sets_while_it_is_imported_stays(settings, tmp_path):
    own = ("ignore", None, UserWarning, None, 0)
    with persistent_cache(importing=True):
        jax.config.update(LEAST, 7.0)
        jax.config.update(FOLDER, str(tmp_path / "own"))
        warnings.simplefilter("ignore", UserWarning)
    assert settings() == (7.0, str(tmp_path / "own"))
    assert own in warnings.filters


def test_the_folder_is_looked_through_at_the_first_end_and_then_once_a_minute(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("eqprop.engine.cache.LARGEST", 150)
    now = [1000.0]
    monkeypatch.setattr("eqprop.engine.cache.time.monotonic", lambda: now[0])
    left: list[int] = []
    for seconds in (0.0, 59.0, 2.0):
        now[0] += seconds
        for name in ("a", "b"):
            (tmp_path / f"{name}-cache").write_bytes(bytes(100))
        with persistent_cache():
            assert settings() == (0.0, str(tmp_path))
        left.append(len(list(tmp_path.glob("*-cache"))))
    assert left == [1, 2, 1]
