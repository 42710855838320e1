"""Every scenario gives the same projection by every route."""

from __future__ import annotations

import pytest

from tests.routes.projection import project
from tests.routes.scenes import SCENES
from tests.routes.ways import LACKS, WAYS, everything, our_run, seen


@pytest.mark.parametrize("route", [name for name in WAYS if name != "our_run"])
@pytest.mark.parametrize("name", SCENES)
async def test_a_scenario_is_the_same_by_every_route(name: str, route: str) -> None:
    scene = SCENES[name]
    known = LACKS.get(route, everything)
    expected = project(await seen(scene, our_run), any_order=scene.any_order)
    told = project(await seen(scene, WAYS[route]), any_order=scene.any_order)
    assert known(told) == known(expected)
