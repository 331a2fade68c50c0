"""A catalog entry to begin with: ``eqprop new NAME``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template

from eqprop.arguments import kebab_case
from eqprop.errors import InvalidInput

TEMPLATES = {"{module}.py": "entry.py.txt", "test_{module}.py": "test.py.txt"}


def write(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a commented entry that passes as it is, and its test.

    Args:
        name: of the entry, kebab-case; the module and its function are called so, with underscores.
        folder: where to; made if it does not exist.

    Returns:
        The files that were written.

    Raises:
        InvalidInput: for a name that is not kebab-case or that Python cannot import, or where a file exists.
    """
    module = kebab_case(name, what="eqprop new").replace("-", "_")
    if not module.isidentifier():
        msg = f"eqprop new: the name is {name!r}; it names a Python module, so it begins with a letter."
        raise InvalidInput(msg)
    words = {"name": name, "module": module, "function": module, "title": name.replace("-", " ").capitalize()}
    texts = {folder / target.format(module=module): _filled(source, words) for target, source in TEMPLATES.items()}
    for path in texts:
        if path.exists():
            msg = f"eqprop new: {path} exists already; choose another name, or another folder (--to)."
            raise InvalidInput(msg)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return tuple(texts)


def _filled(source: str, words: dict[str, str]) -> str:
    return Template(files("eqprop").joinpath("templates", source).read_text(encoding="utf-8")).substitute(words)
