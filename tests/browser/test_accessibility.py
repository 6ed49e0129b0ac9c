"""Every page in every state: axe finds nothing in either theme, none is heavy, none runs out of its width, none is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import walks, walks_handed, walks_restricted, walks_staff
from tests.browser.scene import DESKTOP, PHONE, Scene, signed_in, window
from tests.browser.walk import Walk, Way, page_routes
from tests.support.caller import Caller

WAYS = [
    walks_staff.empty_desks, walks.anybody, walks.client, walks.pressing, walks.ended, walks.nothing_kept, walks.bare,
    walks.three_cases, walks.for_another, walks.young, walks.exports, walks.wrong_doors, walks_staff.coordinator,
    walks_staff.records, walks_restricted.restricted, walks_staff.fees, walks_handed.handed, walks_staff.wrong_persons_papers, walks_staff.archivists, walks_staff.rare_faults,
]  # fmt: skip


@pytest.fixture(scope="module")
def walk(caller: Caller, chromium: Browser, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return Walk(caller, chromium, scene, tmp_path_factory.mktemp("walk"), "fi", PHONE)


@pytest.mark.timeout(400)  # half a minute where nothing else runs
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_axe_finds_nothing_on_any_page_in_any_state_in_either_theme(walk: Walk, way: Way) -> None:
    before = len(walk.faults)
    assert walk.walk(way).faults[before:] == []


def test_no_page_is_forgotten(walk: Walk) -> None:
    """A page with a route of its own that no walk comes to must be walked to, or named as leading on."""
    assert page_routes() - walk.walk(*WAYS).routes == set()


def test_no_page_loads_more_than_150_kilobytes(walk: Walk) -> None:
    assert walk.walk(*WAYS).heavy == []


def test_no_page_runs_out_of_its_width_nor_of_a_window_that_is_enlarged_to_four_times(walk: Walk) -> None:
    assert walk.walk(*WAYS).wide == []


def test_no_page_asks_anybody_else(walk: Walk) -> None:
    assert walk.walk(*WAYS).asked == []


def test_no_title_and_no_address_tells_anything_of_a_person(walk: Walk) -> None:
    assert walk.walk(*WAYS).told == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_page_has_a_fault_in_any_language_at_any_width(
    caller: Caller, chromium: Browser, scene: Scene, tmp_path: Path, language: str, size: Any
) -> None:
    walk = Walk(caller, chromium, scene, tmp_path, language, size).walk(*WAYS)
    assert (walk.faults, walk.heavy, walk.wide, walk.told, walk.asked) == ([], [], [], [], [])
    assert page_routes() - walk.routes == set()


def test_the_keyboard_alone_reaches_the_content_and_shows_where_it_is(
    caller: Caller, chromium: Browser, scene: Scene
) -> None:
    with window(chromium, caller.service.url, "fi", session=signed_in(caller, scene.code), size=DESKTOP) as (_, page):
        page.goto("/my")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        small = page.evaluate(
            "[...document.querySelectorAll('button, .menu-wide a, .choices a, .languages a')].filter(e => e.offsetParent)"
            ".filter(e => e.getBoundingClientRect().height < 24).map(e => e.textContent)"
        )
        assert small == []
