"""One sandbox with all clouds (clouds.py), and a site in each (site.py).

The tests say `site` and mean a cloud's account and region with a fleet of its own; they run once per row of CLOUDS, and
on providers.fake.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from model.resources import Kind
from orchestrator.planning import Context
from orchestrator.workspace import Options, opened
from sandbox.threaded import Running, shared
from tests.contract.clouds import CLOUDS, KINDS
from tests.contract.further import ROWS, Here
from tests.contract.in_memory import fake_site as in_memory_site
from tests.contract.site import Site
from tests.contract.theirs import make as make_theirs
from tools.conformance.called import Sent, in_table, recording

SMALL = Path(__file__).parents[1] / "e2e" / "small"
ADOPTEE = "adoptee"
Opened = Callable[[], AbstractContextManager[Context]]
SiteOf = Callable[[str], Site]


@pytest.fixture(scope="session")
def sent() -> Iterator[Sent]:
    """What the adapters of this session have sent so far, and its rights have not been looked at yet."""
    with recording() as operations:
        yield operations


@pytest.fixture(scope="session")
def running(sent: Sent) -> Iterator[Running]:
    with shared() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _least_privilege(sent: Sent) -> Iterator[None]:
    """Whatever a test made an adapter send stands in its cloud's table of permissions."""
    yield
    unknown = sorted(f"{cloud}: {operation}" for cloud, operation in sent if not in_table(cloud, operation))
    sent.clear()
    assert not unknown, f"add to providers/CLOUD/permissions.py: {unknown}"


@pytest.fixture(scope="session")
def sites(running: Running) -> Mapping[str, Site]:
    return {cloud.name: Site(cloud, running, "contract", count(1)) for cloud in CLOUDS}


@pytest.fixture(scope="session")
def theirs(sites: Mapping[str, Site]) -> None:
    """Other people's objects in one cluster: theirs.make."""
    make_theirs(sites["aws"])


@pytest.fixture(scope="session")
def fake_site() -> Site:
    return in_memory_site()


@pytest.fixture(params=[*(cloud.name for cloud in CLOUDS), "fake"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A cloud, or providers.fake. Faults that a test puts in are taken out; the sandbox starts for a cloud only."""
    if request.param == "fake":
        found: Site = request.getfixturevalue("fake_site")
    else:
        found = request.getfixturevalue("sites")[request.param]
    found.progress.clear()
    found.base(Kind.NETWORK)
    yield found
    found.running.sandbox.faults.clear()
    found.tidy()


@pytest.fixture(scope="session")
def site_of(request: pytest.FixtureRequest) -> SiteOf:
    """By a cloud's name, or "fake"; the sandbox starts for a cloud only."""

    def found(name: str) -> Site:
        site: Site = request.getfixturevalue("fake_site") if name == "fake" else request.getfixturevalue("sites")[name]
        return site

    return found


@pytest.fixture(scope="session")
def every(site_of: SiteOf) -> Callable[[str], Here]:
    return cache(lambda name: Here(site_of(name), ROWS[name]))


@pytest.fixture
def here(cloud: str, every: Callable[[str], Here]) -> Iterator[Here]:
    """The cloud of a case of further.py. Faults that a test puts in are taken out."""
    found = every(cloud)
    found.site.progress.clear()
    yield found
    found.site.running.sandbox.faults.clear()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


@pytest.fixture
def files(sites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The small application, with a store of its own; its network on AWS is called like the stranger's."""
    folder = tmp_path / "files"
    shutil.copytree(SMALL, folder)
    text = (folder / "fleet.yaml").read_text(encoding="utf-8")
    text = text.replace("10.11.0.0/16", "10.77.0.0/16").replace("subnet_cidr: 10.11.", "subnet_cidr: 10.77.")
    text = text.replace("name: main, cidr: 10.77.", f"name: {ADOPTEE}, cidr: 10.77.")
    text = text.replace("resource_group: small", "resource_group: theirs").replace("name: small", "name: adopting")
    (folder / "fleet.yaml").write_text(text, encoding="utf-8")
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(json.dumps(sites["aws"].running.endpoints), encoding="utf-8")
    monkeypatch.setenv("DUOYUN_SANDBOX", str(endpoints))
    monkeypatch.setenv("DUOYUN_STORE", f"sqlite:///{tmp_path / 'state.db'}")
    yield folder
    sites["aws"].running.sandbox.faults.clear()


@pytest.fixture
def context(files: Path, tmp_path: Path) -> Opened:
    options = Options(f"sqlite:///{tmp_path / 'state.db'}")
    return lambda: opened(files / "app.yaml", files / "fleet.yaml", options)
