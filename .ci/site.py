"""Hooks of mkdocs: what pages point to outside of docs/ is put into the site, below repository/.

In the repository a link like ``../eqprop/README.md`` opens that file; on the site it opens a copy: Markdown as a page
of its own, whose links are followed in turn, anything else as plain text. A link that leads nowhere is left for mkdocs
to refuse.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
"""The target of a Markdown link that is a path."""

HOME = "repository"


def linked(page: Path, target: str) -> Path | None:
    """The file that a link of a page opens in the repository, a folder's README for a folder; None if there is none."""
    path = (page.parent / target).resolve()
    path = path / "README.md" if path.is_dir() else path
    return path if path.is_file() else None


def place(path: Path, docs: Path) -> str:
    """Where the site has a file, from its top: a source is text, whatever a server makes of its ending."""
    if path.is_relative_to(docs):
        return path.relative_to(docs).as_posix()
    # mkdocs leaves out what begins with a dot.
    inside = f"{HOME}/{path.relative_to(docs.parent).as_posix().lstrip('.')}"
    return inside if path.suffix == ".md" else f"{inside}.txt"


def outside(page: Path, docs: Path) -> Iterator[Path]:
    """The files outside of docs/ that a page points to."""
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        path = linked(page, link["path"])
        if path is not None and not path.is_relative_to(docs):
            yield path


def reached(pages: list[Path], docs: Path) -> list[Path]:
    """The files outside of docs/ that pages point to, and those that these point to."""
    found: dict[Path, None] = {}
    while pages:
        new = [path for path in outside(pages.pop(), docs) if path not in found]
        found.update(dict.fromkeys(new))
        pages.extend(path for path in new if path.suffix == ".md")
    return list(found)


def on_files(files: Any, *, config: Any) -> Any:
    """Add the files that are pointed to."""
    from mkdocs.structure.files import File  # the rest of this file is tested where there is no mkdocs

    docs = Path(config.docs_dir)
    for path in reached([Path(file.abs_src_path) for file in files.documentation_pages()], docs):
        files.append(File.generated(config, place(path, docs), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Let the links of a page lead to where the site has what they open in the repository."""
    docs, here = Path(config.docs_dir), Path(page.file.src_uri).parent
    source = Path(page.file.abs_src_path)

    def moved(link: re.Match[str]) -> str:
        path = linked(source, link["path"])
        there = link["path"] if path is None else Path(os.path.relpath(place(path, docs), here)).as_posix()
        return there + (link["anchor"] or "")

    if page.file.src_uri.startswith(f"{HOME}/"):
        page.meta["search"] = {"exclude": True}
    return LINK.sub(moved, markdown)
