"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from support.namespaces import Namespaces
from support.s3_servers import ACCESS_KEY, SECRET_KEY
from support.samples import INT8_BY_HAND, ROOT, build_rule_bundle

from steeldefect.bundle.files import Bundle

_TOGETHER = ("s3",)  # folders whose tests share servers that take long to start
_PAGES = "jobs/test_report"  # files that share the outputs of `jobs/conftest.py`
_LONG = 80  # bytes or characters of a parameter that no id shows
_APART = ("faults/test_store_faults.py",)  # files whose tests share little, and take long

# a busy machine makes an example slow, and is no defect of what the example tests
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


def pytest_configure() -> None:
    """Give this process the keys of the tests' servers, nobody's own, and signals that arrive.

    Spark's workers keep the environment that this process had when it first started Spark.
    Programs that the tests start inherit which signals are ignored.
    """
    os.environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups next
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together where several processes run them: they share fixtures.

    `tests/test_processes.py` tests that this has an effect.
    """
    for item in items:
        path = item.path.relative_to(ROOT / "tests")
        group = path.parts[0] if path.parts[0] in _TOGETHER else path.as_posix()
        group = _PAGES if group.startswith(_PAGES) else group
        group = item.name if group in _APART else group
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long value by its parameter: an id is for people, and equal in all processes.

    The bytes of an encoded picture are not: some encoders write what was in memory before.
    """
    long = isinstance(val, bytes | str) and len(val) > _LONG
    return argname if long else None


@pytest.fixture(scope="session")
def rule_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle described above, for pictures of 128 x 64 pixels."""
    return build_rule_bundle(tmp_path_factory.mktemp("bundles") / "rule")


@pytest.fixture(scope="session")
def int8_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same bundle with int8 forms, which are its default."""
    target = tmp_path_factory.mktemp("bundles") / "int8"
    return build_rule_bundle(target, compiled=INT8_BY_HAND)


@pytest.fixture(scope="session")
def namespaces() -> Namespaces:
    """Ways to run a program as another user, or with mounts of its own."""
    made = Namespaces()
    if not made.allowed():
        pytest.skip("this host allows no user namespaces (unshare)")
    return made


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real labelled pictures; tests that need it run where the variable is set."""
    folder = os.environ.get("STEELDEFECT_DATA")
    if not folder:
        pytest.skip("STEELDEFECT_DATA is not set")
    return Path(folder)
