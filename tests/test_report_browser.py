"""The report and the comparison in a real browser: no request, cells open, tables sort, sound plays."""

import os
import re
import shutil
from pathlib import Path

import pytest

import report_run
from dawnchorus.commands import cli
from dawnchorus.report import comparison_page
from test_detections import write_model, write_sound
from test_label_audit import audited

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
ARGUMENTS += ["--disable-component-update", "--disable-extensions", "--no-first-run", "--mute-audio"]
HOSTILE = ["<script>document.title='evil'</script>", "a \"b\" 'c' & </script>", "ضفدع \u202eevil"]
# WCAG 2.1, level AA.
CONTRAST = 4.5

# The lowest contrast of each visible text that a selector finds, as [ratio, text].
RATIOS = """
(parts) => {
  // A canvas turns any CSS colour, color-mix included, into bytes.
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = (colour) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (element) => {
    let behind = element;
    while (behind && bytes(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const pair = [bytes(getComputedStyle(element).color), bytes(getComputedStyle(behind).backgroundColor)];
    const [low, high] = pair.map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return [...document.querySelectorAll(parts)]
    .filter((element) => element.checkVisibility() && element.textContent.trim())
    .map((element) => [ratio(element), element.textContent.trim().slice(0, 60)]);
}
"""


# The colour of a variable of page.css, as the browser says colours.
COLOUR = """
(name) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
"""

# What does not fit into its place and has to be scrolled.
SCROLLED = """
[...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText)
"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        if not CHROMIUM and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no chromium on this machine; set CHROMIUM, or run `playwright install chromium`")
        with playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser:
            yield browser


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return report_run.Run(tmp_path_factory.mktemp("few") / "run", HOSTILE, ("<b>rec</b>", "rec2")).report()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    names = [f"Eleutherodactylus species{i}" for i in range(100)]
    run = report_run.Run(tmp_path_factory.mktemp("many") / "run", names)
    run.params["report"]["clips"] = 120
    return run.report()


def wait_until(page, selector, event, is_ready):
    """Wait for an event of an element, unless it is ready. Playwright's own way evaluates text, which pages forbid."""
    page.evaluate(
        f"new Promise((go) => {{ const it = document.querySelector({selector!r});"
        f" it.{is_ready} > 0 ? go() : it.addEventListener({event!r}, () => go(), {{ once: true }}); }})"
    )


@pytest.fixture
def opened(browser):
    """Open a page; at the end of the test nothing may have been complained about or asked for."""
    contexts, problems = [], []

    def open_page(path, scheme="light", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on(
            "request",
            lambda request: request.url.startswith(("data:", "file:")) or problems.append(request.url),
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def test_a_cell_opens_its_clips_and_the_sound_has_a_duration(opened, few):
    page = opened(few)
    cell = page.locator('.matrix [data-cell="0-1"]')
    assert cell.inner_text() == "1"
    cell.click()
    assert page.locator("#clips article").count() == 1
    assert "predicted as" in page.locator("#clips h3").inner_text()
    assert cell.get_attribute("aria-expanded") == "true"
    wait_until(page, "#clips audio", "loadedmetadata", "readyState")
    duration_s = page.evaluate("document.querySelector('#clips audio').duration")
    assert 0.5 < duration_s < 3.5
    wait_until(page, "#clips img", "load", "naturalWidth")
    page.get_by_role("button", name="Close").click()
    assert page.locator("#clips").is_hidden()
    assert page.evaluate("document.activeElement.dataset.cell") == "0-1"


@pytest.mark.parametrize("width", [390, 1600])
def test_a_clip_opens_its_waveform_spectrogram_and_mfcc_beside_each_other(opened, few, width):
    page = opened(few, width=width)
    page.locator('.matrix [data-cell="0-1"]').click()
    page.locator("#clips .picture").first.click()
    views = page.locator("dialog .view")
    views.nth(2).wait_for()
    names = [text.split()[0].strip(",") for text in page.locator("dialog figcaption").all_inner_texts()]
    assert names == ["Waveform", "Spectrogram", "MFCC"]
    assert page.locator("dialog .scale b").all_text_contents() == ["", "s", "kHz", "s", "no.", "s"]
    # The sound of that run is at 8 kHz, so its spectrogram reaches to 4.
    assert page.locator("dialog .view").nth(1).locator(".up span").all_text_contents() == ["0", "1", "2", "3", "4"]
    tops = {round(view.bounding_box()["y"]) for view in views.all()}
    assert len(tops) == (1 if width == 1600 else 3)
    lit = "document.querySelector('dialog canvas').getContext('2d').getImageData(0, 0, 600, 160).data"
    assert page.evaluate(f"{lit}.filter((value, i) => i % 4 === 0 && value > 99).length") > 600
    assert page.evaluate("[...document.querySelectorAll('dialog img')].every((image) => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    assert page.locator("dialog").is_hidden()


@pytest.mark.parametrize("width", [400, 1600])
def test_the_label_audit_is_as_wide_as_the_window_and_opens_its_clips(opened, tmp_path, width):
    _, path = audited(tmp_path / "audit", [*HOSTILE, "w" * 150], clips=5)
    page = opened(path, width=width)
    assert page.title() == "Label audit"
    assert page.locator("article").count() == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("article .views").first.click()
    page.locator("dialog .view").nth(2).wait_for()
    assert page.locator("dialog .scale b").all_text_contents() == ["", "s", "kHz", "s", "no.", "s"]
    page.keyboard.press("Escape")
    page.get_by_text("3 further down the list").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_rows_of_numbers_are_stacked_on_a_phone_and_say_what_they_are(opened, few):
    page = opened(few, width=390)
    cell = page.locator("#detection .stacks td").first
    assert cell.evaluate("e => getComputedStyle(e, '::before').content").replace('"', "").strip() == "Event F1"
    table = page.locator("#per-class")
    assert table.evaluate("e => e.scrollWidth") <= 350
    assert page.locator("#per-class thead button").first.is_visible(), "it can still be sorted"


def test_a_long_name_is_whole_wherever_it_can_wrap(opened, tmp_path):
    long = [f"Eleutherodactylus portoricensis septentrionalis (Boulenger, {year})" for year in (1800, 1801)]
    path = report_run.Run(tmp_path / "run", [*long, "x"]).report()
    for width in (400, 1600):
        page = opened(path, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in ("article h4", "#data tbody th", "#detection tbody th", "#per-class tbody th", ".pairs button"):
            assert long[0] in " ".join(page.locator(part).all_text_contents()), part
        cut = "e => e.scrollWidth > e.clientWidth"
        assert not any(head.evaluate(cut) for head in page.locator(".matrix tbody th").all())


def test_one_number_is_the_largest_of_the_page(opened, few):
    page = opened(few)
    sizes = page.evaluate(
        "[...document.querySelectorAll('.value')].map((e) => [parseFloat(getComputedStyle(e).fontSize), e.innerText])"
    )
    sizes.sort(reverse=True)
    assert sizes[0][1] == page.locator(".lead .value").inner_text() == "0.500"
    assert sizes[0][0] > 2 * sizes[1][0]


def test_without_frequency_bands_the_page_works(opened, tmp_path):
    page = opened(report_run.Run(tmp_path / "run", ["a", "b", "c"], with_bands=False).report())
    page.locator('.matrix [data-cell="0-1"]').click()
    box = page.locator("#clips .picture .box").evaluate("e => [e.style.top, e.style.bottom]")
    assert box == ["0%", "0%"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_colours_of_the_page(opened, few, scheme):
    page = opened(few, scheme)
    ink = page.evaluate("getComputedStyle(document.body).color")
    for text in page.locator(".figure svg text").all():
        assert text.evaluate("e => getComputedStyle(e).fill") in (ink, page.evaluate(COLOUR, "--faint"))
    paper = page.evaluate(COLOUR, "--paper")
    assert page.locator(".figure svg path").first.evaluate("e => getComputedStyle(e).fill") == paper
    assert page.evaluate("getComputedStyle(document.querySelector('.matrix')).strokeLinejoin") == "miter"


def test_the_order_of_the_clips(opened, few):
    page = opened(few)
    page.locator('.matrix [data-cell="0-0"]').click()
    shown = page.locator("#clips article .scores tr.truth td:last-child").all_inner_texts()
    assert shown == ["40.0\u00a0%", "80.0\u00a0%", "80.0\u00a0%"], "the least certain first"
    page.locator('[data-list="wrong"]').click()
    assert page.locator("#clips article").count() == 3
    assert page.locator("[aria-expanded=true]").count() == 1


def test_by_keyboard(opened, few):
    page = opened(few)
    page.locator('.matrix [data-cell="0-0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.cell") == "1-1"
    page.keyboard.press("Enter")
    assert page.locator("#clips article").count() == 3
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.cell") == "1-1"
    assert page.evaluate("document.querySelectorAll('.matrix button[tabindex=\"0\"]').length") == 1


def test_the_table_sorts(opened, few):
    page = opened(few)
    column = page.locator("#per-class thead th", has_text="F1")
    values = page.locator("#per-class tbody td:nth-child(6)")
    assert values.all_inner_texts() == ["1.000", "0.500", "0.333"]
    column.get_by_role("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    column.get_by_role("button").press("Enter")
    assert column.get_attribute("aria-sort") == "ascending"
    assert values.all_inner_texts() == ["0.333", "0.500", "1.000"]


def test_ids_sort_as_numbers(opened, many):
    page = opened(many)
    page.locator("#per-class thead th", has_text="Id").get_by_role("button").click()
    shown = page.locator("#per-class tbody td:nth-child(2)").all_inner_texts()
    assert shown == [f"s{i}" for i in range(100)]


def test_hostile_names_are_shown_and_do_nothing(opened, few):
    page = opened(few)
    page.locator('.matrix [data-cell="0-1"]').click()
    assert page.title().startswith("3 species")
    assert HOSTILE[0][:12] in page.locator("#clips h5").inner_text()
    assert "<b>rec" in page.locator("#clips").inner_text() or "rec2" in page.locator("#clips").inner_text()
    assert page.locator("#per-class tbody th").first.inner_text() == HOSTILE[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(opened, few, scheme):
    page = opened(few, scheme)
    page.locator('.matrix [data-cell="0-1"]').click()
    parts = "p, dt, dd, h1, h2, h3, h5, a, summary, td, th, .faint, caption, figcaption, .matrix button, #clips button"
    ratios = page.evaluate(RATIOS, parts)
    assert len(ratios) > 100
    assert min(ratios)[0] >= CONTRAST, min(ratios)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_in_cells_can_be_read_at_every_share(opened, few, scheme):
    page = opened(few, scheme)
    cell = page.locator('.matrix [data-cell="0-0"]')
    for percent in (1, 30, 50, 53, 54, 60, 74, 75, 90, 100):
        strength = "strong" if percent >= 75 else "middle" if percent >= 54 else ""
        cell.evaluate(
            "(b, [share, name]) => { b.style.setProperty('--share', share); b.className = name; }",
            [percent / 100, strength],
        )
        [[ratio, _]] = page.evaluate(RATIOS, '.matrix [data-cell="0-0"]')
        assert ratio >= CONTRAST, percent


@pytest.mark.parametrize("width", [320, 390, 1600])
def test_nothing_sticks_out_of_the_window(opened, few, many, width):
    for path in (few, many):
        page = opened(path, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_at_a_hundred_classes(opened, many):
    page = opened(many)
    assert many.stat().st_size < 25e6
    assert page.locator(".matrix button").count() == 200
    assert page.locator(".matrix thead th").count() == 101
    box = page.locator('.matrix [data-cell="0-0"]').bounding_box()
    assert box["width"] >= 16
    assert box["height"] >= 16
    cell = page.locator('.matrix [data-cell="99-0"]')
    cell.scroll_into_view_if_needed()
    cell.click()
    assert page.locator("#clips article").count() == 1
    names = page.locator(".matrix tbody th")
    assert names.last.is_visible()
    # The names stay in sight when the matrix is moved sideways.
    page.locator(".matrix-frame").evaluate("frame => { frame.scrollLeft = 500; }")
    frame = page.locator(".matrix-frame").bounding_box()
    assert names.last.bounding_box()["x"] == pytest.approx(frame["x"], abs=3)


def test_print_opens_everything_and_hides_players(opened, few):
    page = opened(few)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("audio").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_hundred_columns_are_on_the_sheet(opened, many):
    page = opened(many, width=703)  # A4 within its margins, in CSS pixels
    page.emulate_media(media="print")
    last = page.locator(".matrix thead th").last.bounding_box()
    assert last["x"] + last["width"] <= 703
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert all(box["x"] + box["width"] <= 703 for box in (svg.bounding_box() for svg in page.locator("svg").all()))


def test_every_control_has_a_name(opened, few):
    page = opened(few)
    page.locator('.matrix [data-cell="0-1"]').click()
    for element in page.locator("button, a, summary, img, audio, svg[role=img]").all():
        name = element.evaluate("e => e.getAttribute('aria-label') || e.getAttribute('alt') || e.textContent")
        assert re.search(r"\S", name)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def a_comparison(tmp_path):
    row = {"a": 0.5, "b": 0.6, "difference": 0.1, "low": 0.02, "high": 0.2, "groups": 9, "verdict": "better"}
    clip = {"recording_id": HOSTILE[0], "t_min_s": 1.0, "t_max_s": 2.0, "species": HOSTILE[2]}
    context = {
        "a": {"name": HOSTILE[0], "commit": "0" * 40},
        "b": {"name": "workspace", "commit": None},
        "clips": 12,
        "groups": 3,
        "units": "groups",
        "species": [{"species_id": "s", "species": HOSTILE[2], "clips": 4, "metrics": [{"metric": "recall", **row}]}],
        "only_in_a": 0,
        "only_in_b": 1,
        "metrics": [
            {"metric": "accuracy", **row},
            {"metric": "loss", **row, "low": None, "high": None, "verdict": "unclear"},
        ],
        "detection": {"recordings": 5, "groups": 3, "units": "groups", "species": [], "only_in_a": 1, "only_in_b": 0}
        | {"metrics": [{"metric": "event_f1_iou30", **row}]},
        "mcnemar": {"became_right": 1, "became_wrong": 0, "p_value": 1.0},
        "changed": [{"became": "right", **clip, "predicted_by_a": HOSTILE[1], "predicted_by_b": HOSTILE[2]}],
        "params": [
            {"name": "model.units", "b": False},
            {"name": "data.audio_dir", "a": f"/recordings/{'of-a-project-with-a-long-name/' * 5}", "b": None},
        ],
        "versions": [{"name": "numpy", "a": "2.1", "b": "2.2"}],
    }
    path = tmp_path / "comparison.html"
    path.write_text(comparison_page.html(context), encoding="utf-8")
    return path


def test_the_comparison_in_the_browser(opened, tmp_path):
    path = a_comparison(tmp_path)
    for scheme in ("light", "dark"):
        page = opened(path, scheme, 390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(SCROLLED) == []
        assert HOSTILE[0] in page.locator("h1").inner_text()
        assert page.locator("tr.better").count() == 2  # of accuracy, and of the event F1
        assert page.get_by_text("not there", exact=True).count() == 1
        assert page.get_by_text("have different test clips").count() == 1
        assert page.locator("svg[role=img] text", has_text="Accuracy").count() == 1
        ratios = page.evaluate(RATIOS, "p, td, th, h1, h2, summary, footer")
        assert min(ratios)[0] >= CONTRAST, min(ratios)


SITE = "RIDGE_ABOVE_THE_OLD_MILL_NORTH"


@pytest.fixture(scope="module")
def detections(tmp_path_factory):
    """The page of detections of two recordings."""
    folder = tmp_path_factory.mktemp("detections")
    write_model(folder)
    for seed in (0, 1):
        write_sound(folder / f"sound/<b>{seed}.flac", 5.0, seed)
    # With what has none, more sites than species: sites are rows.
    for site in (SITE, SITE.replace("RIDGE", "VALLEY")):
        write_sound(folder / f"sound/{site}_20240501_123000.flac", 5.0, 0)
    words = ["detect", str(folder / "sound"), "--model", str(folder), "--output", str(folder / "out")]
    assert cli.main(words) == 0
    return folder / "out/detections.html"


def test_the_detections_in_the_browser(opened, detections):
    for scheme in ("light", "dark"):
        page = opened(detections, scheme, 390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert "<b>0.flac" in page.locator("main").inner_text()
        assert SITE in page.locator(".shades tbody th").all_text_contents()
        hours = page.locator(".shades.dense").first.locator("thead span")
        assert hours.nth(12).inner_text() == "12"
        assert hours.nth(12).bounding_box()["height"] < 1.5 * hours.nth(0).bounding_box()["height"], "on one line"
        box, image = (page.locator(f".card .picture {part}").first.bounding_box() for part in (".box", "img"))
        assert 0 < box["width"] < image["width"], "the box lies over its part of the picture"
        wait_until(page, ".recording img", "load", "naturalWidth")
        page.evaluate("document.querySelector('audio').load()")
        page.evaluate("document.querySelector('audio').preload = 'metadata'")
        wait_until(page, "audio", "loadedmetadata", "readyState")
        ratios = page.evaluate(RATIOS, "p, td, th, h1, h2, summary, footer, figcaption")
        assert min(ratios)[0] >= CONTRAST, min(ratios)


EVIL = "window.evil = (window.evil || 0) + 1;"
INJECTED = f"""
<script>{EVIL}</script>
<script src="data:text/javascript,{EVIL}"></script>
<script type="module">{EVIL}</script>
<img src="data:," onerror="{EVIL}">
<svg onload="{EVIL}"></svg>
<a id="link" href="javascript:{EVIL}">x</a>
<iframe srcdoc="<script>parent.{EVIL}</script>"></iframe>
<style>#seen {{ position: fixed; top: 0; }}</style>
<p id="seen" style="position: fixed; top: 0;">x</p>
<base href="https://example.org/">
<form id="form" action="https://example.org/"></form>
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["report", "comparison", "detections"])
def test_what_gets_into_a_page_does_nothing(browser, few, detections, tmp_path, kind):
    """Were a name ever not escaped: no program, no handler, no style and no address of its own."""
    path = {"report": few, "detections": detections, "comparison": few}[kind]
    text = (a_comparison(tmp_path) if kind == "comparison" else path).read_text(encoding="utf-8")
    assert "unsafe-" not in text.partition("</head>")[0]
    assert not re.search(r"<[a-z][^<>]* style=", text)
    (tmp_path / "evil.html").write_text(text.replace('<main id="main">', f'<main id="main">{INJECTED}'), "utf-8")
    with browser.new_context(offline=True) as context:
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: request.url.startswith(("data:", "file:")) or said.append(request.url))
        page.goto((tmp_path / "evil.html").as_uri())
        page.locator("#link").evaluate("e => e.click()")
        page.wait_for_timeout(200)
        assert page.evaluate("window.evil") is None
        assert page.locator("#seen").evaluate("e => getComputedStyle(e).position") == "static"
        assert page.evaluate("document.baseURI").startswith("file:")
        if kind == "report":
            # The page's own program is at work all the same.
            page.locator('.matrix [data-cell="0-1"]').click()
            assert page.locator("#clips article").count() == 1
        page.evaluate("setTimeout(() => document.querySelector('#form').submit())")
        page.wait_for_timeout(200)
        assert not [line for line in said if line.startswith("http")]
        assert sum("Content Security Policy" in line for line in said) >= 9, said
