from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import langchain_streamkit.testing as kit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", kit.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    assert getattr(kit, name).__doc__
    assert name in dir(kit)


def test_replay_is_the_function_whatever_was_imported_before() -> None:
    code = (
        "from langchain_streamkit.testing import Replay\n"
        "from langchain_streamkit.testing.replaying import Replay\n"
        "from langchain_streamkit.testing import replay\n"
        "assert callable(replay)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_import_waits_for_nothing_until_a_name_is_used() -> None:
    code = (
        "import sys, langchain_streamkit.testing\n"
        "assert [n for n in sys.modules if n.startswith('langchain_streamkit.testing.')] == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kit.nothing
