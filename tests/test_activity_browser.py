"""Activity on the page of detections in a real browser: readable at any number of species and sites, on a phone too."""

import datetime

import numpy as np
import pytest

from dawnchorus.annotations.recorded import Recorded
from dawnchorus.detection import detections, presence
from dawnchorus.detection.activity import Activity
from dawnchorus.report import detection_page
from test_report_browser import CONTRAST, RATIOS, browser, opened  # noqa: F401

SIZES = [(1, 1), (24, 6), (24, 60), (100, 60), (100, 1)]


def write_page(path, n_species, n_sites):
    """Write a page of events that are nowhere cut out, half of the hours with sound."""
    rng = np.random.default_rng(0)
    names = [f"<b>Long-named Eleutherodactylus</b> {number}" for number in range(n_species)]
    ids, decisions = [f"s{number}" for number in range(n_species)], [{**presence.PLAIN}] * n_species
    block = {"channel": "mix", "page_events": 0, "pictures": 0}
    decision = detections.OfPresence(ids, names, presence.thresholds(decisions), block, {}, None, decisions)
    activity, events = Activity(), []
    for site in range(n_sites):
        for hour in range(0, 24, 2):
            start = datetime.datetime(2024, 5, 1, hour)
            found = [
                {"species_id": ids[k], "start_s": 1.0, "peak_score": 0.9, "path": "x.wav"}
                for k in range(n_species)
                for _ in range(int(rng.integers(4)))
            ]
            activity.add(Recorded(f"<i>SITE-{site}", start.date(), start), float(rng.integers(60, 3000)), found)
            events += found
    written = detections.Written(events, {}, set(), activity)
    facts = {"n_recordings": 12 * n_sites, "duration_s": 3600.0, "problems": [], "model": "models/presence.keras"}
    detection_page.write(path, path.parent, written, None, decision, facts)


@pytest.mark.parametrize(("n_species", "n_sites"), SIZES)
def test_activity_is_read_at_every_size(opened, tmp_path, n_species, n_sites):  # noqa: F811
    path = tmp_path / "detections.html"
    write_page(path, n_species, n_sites)
    for scheme, width in (("light", 1600), ("dark", 1600), ("dark", 400)):
        page = opened(path, scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        hours, sites = page.locator(".shades").all()
        # A day fits, on a phone too; and what does not fit can be scrolled to.
        assert hours.evaluate("it => it.offsetWidth <= it.parentElement.clientWidth")
        assert sites.evaluate("it => getComputedStyle(it.parentElement).overflowX") == "auto"
        assert hours.locator("tbody tr").count() == 1 + n_species
        shown = page.evaluate("[...document.querySelectorAll('.shades thead th')].map(it => it.innerText)")
        assert ("23" in shown) == (width == 1600)
        assert "0" in shown
        assert "SITE-" in sites.inner_text()
        ratios = page.evaluate(RATIOS, ".shades td, .shades th, #activity ~ p")
        assert min(ratios)[0] >= CONTRAST, min(ratios)
        # A name above a column does not run into that of the next one.
        crowded = page.evaluate(
            "[...document.querySelectorAll('.shades .tilted')].filter(it => it.firstChild.offsetWidth > it.offsetWidth)"
            ".length"
        )
        assert crowded == 0
    wide = page.evaluate("[...document.querySelectorAll('.shades td:not(.none)')].every(it => it.offsetWidth >= 8)")
    assert wide
