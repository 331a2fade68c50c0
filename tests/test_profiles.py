"""Where what failed before is kept."""

from __future__ import annotations

import sys

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, GitHubArtifactDatabase, MultiplexedDatabase

from eqprop.errors import InvalidInput
from eqprop.profiles import DATABASE, example_database
from eqprop.runs import make_options


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", "usual")
    monkeypatch.delenv(DATABASE, raising=False)


def folder_of(database) -> str:
    assert isinstance(database, DirectoryBasedExampleDatabase)
    return str(database.path)


def test_it_is_a_folder_of_hypothesis_or_another_one(monkeypatch):
    assert folder_of(example_database()) == "usual/examples"
    monkeypatch.setenv(DATABASE, "shared/place")
    assert folder_of(example_database()) == "shared/place"


def test_what_a_folder_was_given_is_there_in_the_next_run(monkeypatch):
    monkeypatch.setenv(DATABASE, "shared")
    example_database().save(b"pair", b"failed")
    assert set(example_database().fetch(b"pair")) == {b"failed"}


def test_an_artifact_is_read_beside_the_usual_folder(monkeypatch):
    monkeypatch.setenv(DATABASE, "github:some-one/their.nets")
    database = example_database()
    assert isinstance(database, MultiplexedDatabase)
    folder, artifact = database._wrapped
    assert folder_of(folder) == "usual/examples"
    assert isinstance(artifact, GitHubArtifactDatabase)
    assert (artifact.owner, artifact.repo) == ("some-one", "their.nets")


@pytest.mark.parametrize("named", ["github:", "github:nets", "github:a/b/c", "a\nb", "file"])
def test_what_names_no_place_is_refused_before_anything_is_searched(named, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv(DATABASE, named)
    with pytest.raises(InvalidInput, match=f"{DATABASE} is .*; expected "):
        make_options()


def test_redis_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv(DATABASE, "redis://localhost:6379/0")
    with pytest.raises(InvalidInput, match="the library of Redis is not installed: pip install redis"):
        example_database()
