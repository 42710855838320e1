"""A fresh process: the first run counts exactly too, and what is loaded is loaded in a thread."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from tests.test_project import ROOT

START = """
import asyncio, sys, threading
from langchain_streamkit import StreamCallbackHandler, UsageLedger, astream, stream, with_sinks
from langchain_streamkit.testing import ScriptedModel
from langchain_streamkit.tokens import prices, vocabularies
from tests.scenarios.told import HI, graph, node_of

loop_thread = None
made_in = []
make = vocabularies._make

def noted(name):
    made_in.append((name, threading.current_thread() is loop_thread))
    return make(name)

vocabularies._make = noted

def model(name="gpt-oss-20b"):
    return ScriptedModel(["one two three"], model_name=name)

def in_a_graph(name="gpt-oss-20b"):
    return graph(writer=node_of(model(name))).compile()

def counts(events):
    return [(e.counting if e.type == "message.started" else e.tokens) for e in events
            if e.type in ("message.started", "text.delta")]

async def main():
    global loop_thread
    loop_thread = threading.current_thread()
"""


def fresh(body: str) -> str:
    """What the body of an async function prints in a new process."""
    code = START + "\n".join("    " + line for line in dedent(body).strip().splitlines())
    code += "\n\nasyncio.run(main())\n"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("made", ["model()", "in_a_graph()"])
def test_the_first_run_of_a_process_counts_exactly_off_the_loop(made: str) -> None:
    value = '"hi"' if made == "model()" else "HI"
    printed = fresh(f"""
        events = [e async for e in astream({made}, {value})]
        told = counts(events)
        print(told[0], told[-1], any(here for _, here in made_in), len(made_in) > 0)
    """)
    assert printed == "exact 3 False True"


def test_the_first_run_of_with_sinks_counts_exactly_off_the_loop() -> None:
    printed = fresh("""
        events = []
        await with_sinks(in_a_graph(), events.append).ainvoke(HI)
        print(counts(events)[0], counts(events)[-1], any(here for _, here in made_in))
    """)
    assert printed == "exact 3 False"


def test_a_model_with_the_older_encoding_is_exact_from_its_first_run_inside_a_graph() -> None:
    printed = fresh("""
        class Old(ScriptedModel):
            def _get_ls_params(self, stop=None, **kwargs):
                return {"ls_provider": "openai", "ls_model_name": "gpt-4"}
        old = graph(writer=node_of(Old(["one two three"]))).compile()
        print(counts([e async for e in astream(old, HI)])[0], any(here for _, here in made_in))
    """)
    assert printed == "exact False"


def test_a_handler_in_a_loop_estimates_until_the_vocabulary_is_there() -> None:
    printed = fresh("""
        handler = StreamCallbackHandler(tokens="exact")
        await model().ainvoke("hi", {"callbacks": [handler]})
        await asyncio.to_thread(vocabularies.load_encoding, "o200k_base")
        second = StreamCallbackHandler(tokens="exact")
        await model().ainvoke("hi", {"callbacks": [second]})
        first, then = counts(list(handler)), counts(list(second))
        print(first[0], then[0], any(here for _, here in made_in))
    """)
    assert printed == "estimate exact False"


@pytest.mark.parametrize("tokens", ["estimate", "off"])
def test_no_vocabulary_is_loaded_where_none_is_needed(tokens: str) -> None:
    printed = fresh(f"""
        events = [e async for e in astream(in_a_graph(), HI, tokens={tokens!r})]
        print(made_in, "tiktoken" in sys.modules)
    """)
    assert printed == "[] False"


def test_prices_are_never_imported_on_the_loop() -> None:
    pytest.importorskip("genai_prices")
    printed = fresh("""
        class Noted:
            def find_spec(self, name, path=None, target=None):
                if name == "genai_prices":
                    print(threading.current_thread() is loop_thread)
        sys.meta_path.insert(0, Noted())
        prices.known_prices.cache_clear()
        prices.importlib.util.find_spec = lambda name: True
        events = [e async for e in astream(in_a_graph("gpt-4o"), HI)]
    """)
    assert printed == "False"
