"""Facts about the benchmark harness: what it measures is what it says. No test reads a clock."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import Report, Sizes, main
from benchmarks.adapting import measure_adapting
from benchmarks.counting import TEXTS, chunks, measure_counting
from benchmarks.imports import IN_USE, PACKAGE, Import, import_ms
from benchmarks.logs import ONE, TWO
from benchmarks.machine import describe
from benchmarks.measure import Growth, Samples, measure, measure_growth
from benchmarks.memory import Sleep, measure_sleep
from benchmarks.routes import OURS, ROUTES, V3, routes_for
from benchmarks.table import costs, markdown, plain, promises
from benchmarks.targets import (
    Verdict,
    adapting_verdicts,
    cost_verdicts,
    counting_verdicts,
    growth_verdicts,
    import_verdicts,
    memory_verdicts,
)
from benchmarks.workloads import BRANCHES, WORKLOADS, answer_text
from langchain_streamkit import TokenCounter, astream, check_stream

TOKENS = 8


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """Every sample begins with a garbage collection: not of what other tests have left behind."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def silent(progress: str) -> None:
    pass


@pytest.fixture(scope="module")
def samples() -> dict[str, Samples]:
    return measure(TOKENS, 1, tell=silent)


@pytest.fixture(scope="module")
def report(samples: dict[str, Samples]) -> Report:
    sizes = Sizes(tokens=TOKENS, rounds=1, long=16, long_rounds=1, imports=1)
    verdicts = [
        *cost_verdicts(samples),
        *growth_verdicts({"W1": Growth(1.0, 1.0)}, TOKENS, 16),
        *memory_verdicts(Sleep(16, 1_000_000, text_arrived=True)),
        *import_verdicts({PACKAGE: 10.0, IN_USE: 90.0}),
    ]
    return Report(describe(), sizes, samples, verdicts)


@pytest.mark.parametrize("name", WORKLOADS)
async def test_workload_says_every_answer_in_as_many_deltas_as_tokens(name: str) -> None:
    work = WORKLOADS[name][1](TOKENS)
    events = [event async for event in astream(work.runnable, work.input)]
    assert check_stream(events) == []
    deltas = [event for event in events if event.type == "text.delta"]
    texts: dict[str, str] = {}
    for delta in deltas:
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    answers = [text for text in texts.values() if text in work.answers]
    assert sorted(answers) == sorted(work.answers)
    said = sum(delta.text in answer_text(TOKENS) for delta in deltas)
    assert said == TOKENS


async def test_agent_workload_has_one_tool_round() -> None:
    work = WORKLOADS["W3"][1](TOKENS)
    events = [event async for event in astream(work.runnable, work.input)]
    assert [event.type for event in events].count("tool.finished") == 1


def test_parallel_workload_shares_its_tokens_among_its_branches() -> None:
    work = WORKLOADS["W4"][1](TOKENS)
    assert work.answers == (answer_text(TOKENS // BRANCHES),) * BRANCHES


def test_every_route_of_every_workload_is_sampled_once_a_round(
    samples: dict[str, Samples],
) -> None:
    assert list(samples) == list(WORKLOADS)
    for name, taken in samples.items():
        assert set(taken.by_route) == set(routes_for(name))
        assert all(len(rounds) == 1 for rounds in taken.by_route.values())
        assert all(cost > 0 for rounds in taken.by_route.values() for cost in rounds)


def test_chain_has_no_events_v3_and_everything_else_has_every_route() -> None:
    assert set(ROUTES) - set(routes_for("W2")) == {V3}
    assert all(routes_for(name) == list(ROUTES) for name in ("W1", "W3", "W4"))


def test_ratio_is_taken_within_each_round_before_the_median() -> None:
    taken = Samples(1, {"ours": [1.0, 30.0, 2.0], "floor": [2.0, 60.0, 1.0]})
    assert taken.ratio("ours", "floor") == 0.5


def test_growth_is_measured_for_ours_and_for_the_floor() -> None:
    (growth,) = measure_growth(4, 16, 1, ["W1"], tell=silent).values()
    assert growth.ours > 0
    assert growth.beyond_floor == growth.ours / growth.floor


@pytest.mark.parametrize("name", TEXTS)
def test_counted_text_has_as_many_tokens_as_asked_in_as_many_chunks_or_fewer(name: str) -> None:
    parts = chunks(name, 200)
    assert 100 <= len(parts) <= 200
    counter = TokenCounter()
    for part in parts:
        counter.feed(part)
    assert 195 <= counter.final() <= 200  # cut elsewhere, the last ones may be other tokens


def test_counting_is_measured_for_every_text_at_every_size_and_has_its_target() -> None:
    costs = measure_counting((10, 20), 1)
    assert set(costs) == set(TEXTS)
    assert all(set(by_size) == {10, 20} for by_size in costs.values())
    assert all(cost > 0 for by_size in costs.values() for cost in by_size.values())
    bounds = {one.what: one.at_most for one in counting_verdicts(costs)}
    assert bounds == {
        f"counting a chunk of {name}, 20 tokens": 6
        for name in ("English", "Python code", "Chinese")
    }


def test_command_measures_counting_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--counting", "--quick"])
    shown = capsys.readouterr().out
    assert "run: Chinese without punctuation" in shown
    assert "ours / floor" not in shown


def test_command_measures_the_log_alone_and_nothing_is_lost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    main(["--log", "--quick", "--json", str(figures)])
    shown = capsys.readouterr().out
    assert "ours / floor" not in shown
    bounds = {one["what"]: one for one in json.loads(figures.read_text())["targets"]}
    for where, most in ((TWO, 5), (ONE, None)):
        what = f"Redis, 20 runs x 10 tokens/s, {where}"
        assert bounds[f"{what}: p50"]["at_most"] == most
        assert bounds[f"{what}: lost, doubled or out of order"]["measured"] == 0
    for store in ("memory", "SQLite", "Redis"):
        assert bounds[f"replay of 2,000 events, {store}"]["at_most"] == 1
        assert f"\n{store} " in shown


def test_command_measures_serving_alone_beside_what_others_offer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    main(["--serving", "--quick", "--json", str(figures)])
    shown = capsys.readouterr().out
    assert "ours / floor" not in shown
    for contender in ("(bare)", "sse-starlette", "FastAPI's own", "SSEResponse(run)"):
        assert contender in shown
    bounds = {one["what"]: one for one in json.loads(figures.read_text())["targets"]}
    for served in (
        "SSEResponse of a run",
        "the router, a logged run each",
        "the router, one logged run for all",
    ):
        what = f"20 streams, {served}"
        assert bounds[f"{what}: server CPU / bare StreamingResponse"]["at_most"] == 1
        assert bounds[f"{what}: a stream, beyond the bare one"]["at_most"] == 16
        assert bounds[f"{what}: lost, doubled or out of order"]["measured"] == 0


def test_command_measures_ag_ui_alone_beside_its_own_package(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--protocols", "--tokens", "8", "--rounds", "1"])
    shown = capsys.readouterr().out
    assert "ours / floor" not in shown
    for contender in ("ours ", "without raw events", "its default", "LangServe"):
        assert contender in shown
    for bound in ("0.3x", "0.2x"):
        assert bound in shown


def test_adapting_is_measured_beyond_iterating() -> None:
    cost = measure_adapting(tokens=50, rounds=1)
    bound, told = adapting_verdicts(cost)
    assert (bound.at_most, told.at_most) == (3.0, None)
    assert (bound.measured, told.measured) == (cost.to_bytes, cost.to_events)


def test_verdict_is_met_up_to_its_bound_and_missed_beyond() -> None:
    assert Verdict("x", 0.85, 0.85, "x").met
    assert not Verdict("x", 0.86, 0.85, "x").met
    assert Verdict("x", 9.0, None, "x").met


def test_every_target_of_the_project_has_its_verdict(report: Report) -> None:
    bounds = {one.what: one.at_most for one in report.verdicts}
    assert bounds["W1 ours / floor"] == 1.15
    assert bounds["W2 ours / floor"] == 0.35
    for name in ("W3", "W4"):
        ratios = [bounds[f"{name} ours / {base}"] for base in ("floor", "v2", "v3")]
        assert ratios == [0.85, 0.55, 0.45]
    assert all(bounds[f"{name} ours with tokens counted / without"] == 1.2 for name in WORKLOADS)
    assert bounds["import langchain_streamkit, after langchain_core.callbacks"] == 50
    assert 4 in bounds.values()


def test_text_that_did_not_arrive_misses_the_memory_target() -> None:
    lost = [one.met for one in memory_verdicts(Sleep(16, 0, text_arrived=False))]
    assert lost == [True, False]


def test_cost_table_has_a_row_for_each_route_and_a_column_for_each_workload(
    samples: dict[str, Samples],
) -> None:
    table = costs(samples)
    assert len(table.rows) == len(ROUTES)
    assert all(len(row) == len(table.header) == 1 + len(WORKLOADS) for row in table.rows)
    assert all(row[0] for row in table.rows)
    floor, *_ = table.rows
    assert all(cell.endswith("(1.00)") for cell in floor[1:])


def test_plain_table_is_aligned_and_markdown_table_has_equal_cells() -> None:
    table = promises([Verdict("a | b", 2.0, 1.0, "x"), Verdict("c", 0.5, 1.0, " ms")])
    lines = plain(table).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["MISSED", "ok"]
    assert lines[1].index("1x") + 2 == lines[2].index("1 ms") + 4
    rows = markdown(table).splitlines()
    assert {row.replace(r"\|", "").count("|") for row in rows} == {5}
    assert rows[1] == "| --- | ---: | ---: | ---: |"


def test_report_names_machine_and_versions_under_the_tables(report: Report) -> None:
    last = report.text(as_markdown=False).splitlines()[-1]
    assert "cores; Python " in last
    assert "langgraph " in last
    assert "ours, events to SSE bytes" in report.text(as_markdown=True)


def test_report_is_json(report: Report) -> None:
    read = json.loads(json.dumps(report.to_dict()))
    assert read["costs"]["W3"][OURS]["x_floor"] > 0
    assert {one["met"] for one in read["targets"]} <= {True, False}


def test_all_text_arrives_at_a_reader_that_slept() -> None:
    assert measure_sleep(400).text_arrived


def test_import_time_is_that_of_a_fresh_python_with_only_the_module_before_it() -> None:
    modules = "__import__('sys').modules"
    what = Import(f"assert 'json' in {modules} and 'benchmarks' not in {modules}", "json")
    assert import_ms(what, 1) >= 0


def test_profile_shows_where_our_time_goes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--profile", "W1", "--tokens", "20"])
    shown = capsys.readouterr().out
    assert "us per token" in shown
    assert "langchain_streamkit/" in shown


def test_command_prints_the_tables_and_writes_the_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    sizes = ["--tokens", "4", "--rounds", "1"]
    main(["--only", "W1", "--markdown", "--json", str(figures), *sizes])
    assert "| W1 ours / floor |" in capsys.readouterr().out
    assert list(json.loads(figures.read_text())["costs"]) == ["W1"]
