from __future__ import annotations

import jax
import pytest

from eqprop.engine import compiling

UNKNOWN = "xla_cpu_no_release_has_this"


def test_an_option_that_the_installed_xla_lacks_is_left_out(monkeypatch):
    monkeypatch.setitem(compiling.FAST_COMPILATION, UNKNOWN, True)
    options = compiling.compiler_options() or {}
    assert UNKNOWN not in options
    assert options["xla_backend_optimization_level"] == 0
    assert jax.jit(lambda x: 2 * x, compiler_options=options)(3.0) == 6.0


def test_the_option_that_is_left_out_would_have_been_refused():
    with pytest.raises(jax.errors.JaxRuntimeError, match=UNKNOWN):
        jax.jit(lambda x: x, compiler_options={UNKNOWN: True})(3.0)


def test_xla_is_asked_once_about_each_option(monkeypatch):
    compiling.compiler_options()
    compiling.compiler_options(long=True)
    monkeypatch.setattr(jax, "jit", None)
    assert compiling.compiler_options() is not None
    assert compiling.compiler_options(long=True) is not None


@pytest.mark.parametrize("long", [False, True])
def test_options_are_those_asked_for_and_no_others(long):
    wanted = compiling.FAST_EXECUTION if long else compiling.FAST_COMPILATION
    assert compiling.compiler_options(long=long).items() <= wanted.items()


def test_a_failure_that_is_not_about_the_option_is_not_taken_for_a_refusal(monkeypatch):
    def fail(*_args, **_kwargs):
        msg = "RESOURCE_EXHAUSTED: out of memory"
        raise jax.errors.JaxRuntimeError(msg)

    monkeypatch.setattr(jax.stages.Lowered, "compile", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        compiling.accepted("xla_cpu_asked_while_memory_is_short", value=True)
