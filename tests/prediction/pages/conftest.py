"""A page in Chromium, for the tests that look at one: each of their files says at which ``address``."""

from collections.abc import Iterator

import pytest

from tests.web_driver import Browser, chromium


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(window: Browser, address: str) -> Iterator[Browser]:
    """The page, freshly loaded; what it says to the console is a failure."""
    window.open("about:blank")
    window.open(address)
    yield window
    assert window.log() == []
