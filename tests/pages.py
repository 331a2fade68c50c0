"""Documents as readers follow them: files are written, edits made, commands typed, and what is shown is compared.

A block of a page with ``title="nets.py"`` is a file, a ``diff`` block with a title an edit of it. In a ``console``
block, lines that begin with ``$ `` are typed, and those below must be what is printed; three dots stand for anything,
and figures that no two machines share (seconds, memory, floors, versions) for each other.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from importlib.metadata import metadata
from pathlib import Path

from markdown_it import MarkdownIt

PROMPT = "$ "
SECONDS = 900
"""After which a command has hung."""

FIGURES = {
    r"\b\d+(\.\d+)?e[+-]\d+\b": "1e0",
    r"\b\d+(\.\d+)? ?s\b( \(\d+:\d\d:\d\d\))?": "1 s",
    r"\b\d+\.\d+ GiB\b": "1 GiB",
    r"structure='[^']*'": "structure=''",
    r"-[0-9a-f]{10}\.json": ".json",
}
"""What differs from machine to machine, and what stands for all of it."""

PROGRAMS = {"eqprop": ["-m", "eqprop"], "pytest": ["-m", "pytest"], "python": []}
"""What the environment has, and how its interpreter runs it."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, what it is, and what it says."""

    line: int
    language: str
    title: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page in their order."""
    for token in MarkdownIt().parse(page):
        if token.type == "fence" and token.map is not None:
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            yield Block(token.map[0] + 1, language, title[1] if title else "", token.content)


def python_of(page: Path, *, torch: bool) -> list[str]:
    """What a page shows of Python, with PyTorch or without it, in its order."""
    shown = [block.text for block in blocks(page.read_text(encoding="utf-8")) if block.language == "python"]
    return [text for text in shown if bool(re.search(r"\btorch\.|import torch", text)) == torch]


def typed(console: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what it is said to print."""
    command = None
    shown: list[str] = []
    for line in console.splitlines():
        if line.startswith(PROMPT):
            if command is not None:
                yield command, "\n".join(shown)
            command, shown = line.removeprefix(PROMPT), []
        else:
            shown.append(line)
    assert command is not None, f"nothing is typed in a console block: {console!r}"
    yield command, "\n".join(shown)


def same(want: str, got: str) -> bool:
    """Whether a page shows what was printed."""
    for figure, one in FIGURES.items():
        want, got = re.sub(figure, one, want), re.sub(figure, one, got)
    return OutputChecker().check_output(want.strip() + "\n", got.strip() + "\n", ELLIPSIS | NORMALIZE_WHITESPACE)


def edited(text: str, diff: str) -> str:
    """A text with the lines of a diff that begin with a plus in the place of those that begin with a minus."""
    lines = diff.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if line[:1] in (" ", "", sign)) for sign in "-+")
    assert text.count(old) == 1, f"the edit is to be made in {text.count(old)} places; expected one:\n{old}"
    return text.replace(old, new)


def check_installed(requirement: str) -> None:
    """A requirement that a page tells its reader to install is eqprop's, with extras that there are."""
    extras = re.fullmatch(r"eqprop(?:\[([\w,]+)\])?", requirement)
    assert extras is not None, f"{requirement!r} is not eqprop"
    unknown = set((extras[1] or "").split(",")) - {"", *metadata("eqprop").get_all("Provides-Extra", [])}
    assert not unknown, f"there are no extras {unknown}"


class Reader:
    """Somebody who follows a page, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = 0
        # A terminal of a hundred columns, a person of their own, and nothing of the checkout.
        mine = {"COLUMNS": "100", "PYTHONPATH": "", "PYTEST_ADDOPTS": "-p no:cacheprovider", "NO_COLOR": "1"}
        who = {f"GIT_{role}_{what}": "reader" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        self.environment = {**os.environ, **mine, **who, **quiet}

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        path = self.folder / block.title
        if block.language == "console":
            for command, shown in typed(block.text):
                got = self.typed(command)
                assert same(shown, got), f"line {block.line}: $ {command}\n--- shown\n{shown}\n--- printed\n{got}"
        elif block.title and block.language == "diff":
            path.write_text(edited(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
        elif block.title:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")

    def typed(self, command: str) -> str:
        """What a command prints."""
        if command == "echo $?":
            return str(self.code)
        program, *arguments = [part for word in shlex.split(command) for part in self._expanded(word)]
        if (program, arguments[:1]) == ("pip", ["install"]):
            for requirement in arguments[1:]:
                check_installed(requirement)
            return ""
        return self._run(program, arguments)

    def _run(self, program: str, arguments: list[str]) -> str:
        known = [sys.executable, *PROGRAMS[program]] if program in PROGRAMS else [program]
        done = subprocess.run(
            [*known, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        self.code = done.returncode
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if done.returncode != 2 else done.stdout + done.stderr

    def _expanded(self, word: str) -> list[str]:
        """A word with an asterisk as the files that it stands for, as a shell does."""
        found = self.folder.glob(word) if "*" in word else ()
        return sorted(path.relative_to(self.folder).as_posix() for path in found) or [word]
