"""Where PyTorch is not installed, or not asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import pytest

pytestmark = pytest.mark.installed


def test_without_torch_the_error_says_what_to_install():
    code = "import sys\nsys.modules['torch'] = None\nfrom eqprop.torch import from_module\nfrom_module(None, 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "InvalidInput: eqprop.torch adapts modules of torch, which is not installed; pip install" in done.stderr


def test_torch_is_imported_by_nobody_who_does_not_ask():
    code = "import sys, eqprop, eqprop.faces.api, eqprop.search, eqprop.torch\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]


def test_the_extra_brings_torch():
    wanted = [line for line in requires("eqprop") or () if line.endswith('extra == "torch"')]
    assert [line.partition(">=")[0] for line in wanted] == ["torch"]
