"""Fixtures of every suite: one server for the session, clients that are there or are named as missing."""

import itertools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from payloads import write_payloads
from server import Server


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out what takes minutes")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
    backend = os.environ.get("CK_BACKEND", "local")
    for item in items:
        only = item.get_closest_marker("backend")
        if only and backend not in only.args:
            item.add_marker(pytest.mark.skip(reason=f"of {', '.join(only.args)} alone: {only.kwargs['reason']}"))
    if config.getoption("--quick"):
        skip = pytest.mark.skip(reason="left out by --quick")
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def session_server(tmp_path_factory):
    """The one server of the session. What suites store stays there: the search for plaintext comes after them."""
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder / "data", folder / "server.log").start()
    yield server
    try:
        if server.alive():
            assert server.stop() == 0, f"a drained server exits with 0; log:\n{server.tail()}"
    finally:
        server.close()


@pytest.fixture
def server(session_server):
    """The session's server, up before the test and still up after it."""
    assert session_server.alive(), f"the server is gone; log:\n{session_server.tail()}"
    yield session_server
    assert session_server.alive(), f"the server died in this test; log:\n{session_server.tail()}"


@pytest.fixture
def own_server(tmp_path):
    """A server for one test, which may kill it."""
    server = Server(tmp_path / "own" / "data", tmp_path / "own-server.log").start()
    yield server
    server.close()


_reports = []


@pytest.fixture
def report():
    """Lines for the end of the run: seeds, counts, peaks."""
    return _reports.append


def pytest_terminal_summary(terminalreporter):
    for line in _reports:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def payloads(tmp_path_factory):
    return write_payloads(tmp_path_factory.mktemp("payloads"))


_bucket_numbers = itertools.count(1)


@pytest.fixture
def bucket(server, request):
    """A new, empty bucket."""
    word = "".join(c if c.isalnum() else "-" for c in request.node.originalname.lower()).strip("-")[:40].strip("-")
    name = f"t{next(_bucket_numbers):04}-{word}"
    server.boto3().create_bucket(Bucket=name)
    return name


@dataclass
class Tool:
    """A command-line client with the server's credentials in its environment."""

    name: str
    command: list
    env: dict
    folder: Path

    def __call__(self, *args, stdin: bytes = None, check: bool = True):
        words = [*self.command, *map(str, args)]
        done = subprocess.run(words, env=self.env, cwd=self.folder, input=stdin, capture_output=True, timeout=300)
        if check and done.returncode != 0:
            shown = done.stdout[-2000:].decode(errors="replace") + done.stderr[-4000:].decode(errors="replace")
            pytest.fail(f"{' '.join(words)}\nexit code {done.returncode}\n{shown}", pytrace=False)
        return done

    def text(self, *args, **kwargs) -> str:
        return self(*args, **kwargs).stdout.decode()


def client_path(variable: str) -> str:
    """Where the test command put a client; its absence fails the test, or skips it under --allow-missing."""
    path = os.environ.get(variable, "")
    if path and Path(path).exists():
        return path
    missing = f"client missing: {variable}={path or '(not set)'}; ./conformance/run installs it"
    (pytest.skip if os.environ.get("CK_ALLOW_MISSING") else pytest.fail)(missing)


@pytest.fixture
def tool(server, tmp_path):
    """Makes a Tool: `tool("CK_RCLONE", "--quiet")`."""
    home = tmp_path / "home"
    home.mkdir()

    def make(variable: str, *args) -> Tool:
        command = [client_path(variable), *args]
        return Tool(variable, command, server.aws_environment(home), tmp_path)

    return make
