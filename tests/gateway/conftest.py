"""One project and one gateway of two workers for the tests that do not break them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # importlib mode hides the shared helper

from served import Client, Project, Served, make_project, serve


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that answers by loan@1, with loan@2 in shadow."""
    project = make_project(tmp_path_factory.mktemp("shared"))
    project.publish("loan@1", "loan@2")
    with serve(project) as served:
        yield served


@pytest.fixture
def client(shared: Served) -> Iterator[Client]:
    """A connection to the shared gateway."""
    client = shared.client()
    yield client
    client.close()


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of its own."""
    return make_project(tmp_path_factory.mktemp("project"))
