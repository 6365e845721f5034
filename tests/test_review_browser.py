"""The page to listen in a real browser, by keys and by touch: answers, their file and their keeping."""

import csv
import statistics
from pathlib import Path

import pytest

from dawnchorus.report import review_page
from dawnchorus.review import answers
from test_detections import write_sound
from test_report_browser import CONTRAST, HOSTILE, RATIOS, browser, opened, wait_until  # noqa: F401

PATHS = ("a <b>1</b>.flac", "b.flac")
N = 8


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The rows of a sample, and the page of it, with hostile names."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, name in enumerate(PATHS):
            write_sound(Path(name), 12, number)
        rows = [
            {
                "clip": f"clip{k}",
                "path": PATHS[k % 2],
                "recording_id": PATHS[k % 2].removesuffix(".flac"),
                "start_s": float(k),
                "end_s": k + 3.0,
                "species_id": "=s0" if k < 5 else "s1",
                "species_name": HOSTILE[0] if k < 5 else HOSTILE[2],
                "score": 0.5,
            }
            for k in range(N)
        ]
        page = folder / review_page.NAME
        page.write_text(review_page.html(rows, False, lambda path: None))
    return rows, page


def ready(page, name="Ann"):
    page.locator("#reviewer").fill(name)
    page.locator("#reviewer").press("Enter")
    return page


def shown(page):
    return page.locator("#answered").inner_text()


def saved(page, path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save reviews.csv").click()
    assert download.value.suggested_filename == "reviews.csv"
    download.value.save_as(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_by_keys_from_the_first_clip_to_a_file_that_the_summary_reads(opened, sample, tmp_path):  # noqa: F811
    rows, path = sample
    page = ready(opened(path))
    assert shown(page) == f"0 of {N} answered; this is 1"
    for key in "ynu":
        page.keyboard.press(key)
    page.keyboard.press("o")
    page.keyboard.type(HOSTILE[2])
    page.keyboard.press("Enter")
    assert shown(page) == f"4 of {N} answered; this is 5"
    # Back, and another answer instead of the last one, without a species.
    page.keyboard.press("b")
    assert page.locator('[data-answer="other"]').get_attribute("aria-pressed") == "true"
    page.keyboard.press("b")
    page.keyboard.press("n")
    page.keyboard.press("f")
    for key in "yyYn":
        page.keyboard.press(key)
    assert page.locator("#done").is_visible()
    found = saved(page, tmp_path / "reviews.csv")
    assert [row["answer"] for row in found] == ["yes", "no", "no", "other", "yes", "yes", "yes", "no"]
    assert found[3]["other_species"] == "s1", "by its id, where the name is one of the model's"
    assert found[0]["species_id"] == "'=s0", "no spreadsheet runs it"
    given = answers.read([tmp_path / "reviews.csv"], {row["clip"]: row for row in rows})
    assert [answer.reviewer for answer in given] == ["Ann"] * N


def test_answers_stay_by_reviewer_when_the_page_is_closed_and_in_two_tabs(opened, sample, tmp_path):  # noqa: F811
    _, path = sample
    first = ready(opened(path))
    first.keyboard.press("y")
    second = first.context.new_page()
    second.goto(path.as_uri())
    assert second.locator("#reviewer").input_value() == "Ann"
    assert shown(second) == f"1 of {N} answered; this is 2", "it goes on where the last answer was"
    second.keyboard.press("n")
    # The first tab still shows its second clip, and moves on to a third.
    first.keyboard.press("f")
    first.keyboard.press("u")
    first.close()
    second.reload()
    assert shown(second) == f"3 of {N} answered; this is 4"
    ready(second, "__proto__")
    assert shown(second) == f"0 of {N} answered; this is 1", "the answers of another person are not hers"
    second.keyboard.press("n")
    second.reload()
    found = saved(second, tmp_path / "b.csv")
    assert [(row["reviewer"], row["answer"]) for row in found] == [("__proto__", "no")]
    ready(second)
    assert [row["answer"] for row in saved(second, tmp_path / "a.csv")] == ["yes", "no", "unsure"]


def test_nobody_answers_without_a_name(opened, sample):  # noqa: F811
    page = opened(sample[1])
    page.locator('[data-answer="yes"]').click()
    assert shown(page).startswith("0 of")
    assert "your name" in page.locator("#note").inner_text()
    assert page.evaluate("document.activeElement.id") == "reviewer"
    page.keyboard.type("yny")
    assert shown(page).startswith("0 of"), "letters of a name are no answers"


# Every sound that a page makes and every start of one, from before its program runs.
WATCHED = """
window.made = []; window.plays = [];
window.Audio = new Proxy(Audio, {
  construct(target, given) { made.push(new target(...given)); return made.at(-1); },
});
const start = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  plays.push([this.readyState, made.indexOf(this)]);
  return start.call(this);
};
"""
ALL_READY = """
() => Promise.all(made.map((it) => it.readyState > 2 || new Promise((go) => it.addEventListener("canplay", go))))
"""


def watched(page):
    page.add_init_script(WATCHED)
    page.reload()
    return ready(page)


def test_clips_are_heard_and_the_next_ones_are_ready(opened, sample):  # noqa: F811
    page = watched(opened(sample[1]))
    page.evaluate(ALL_READY)
    assert page.evaluate("made.length") == 5, "this one, and the next four"
    page.keyboard.press("r")
    page.keyboard.press("r")
    page.keyboard.press("y")
    page.keyboard.press("b")
    plays = page.evaluate("plays")
    assert [number for _, number in plays] == [0, 0, 1, 0]
    assert min(plays[0][0], plays[2][0]) >= 2, "decoded before anybody asked for it"
    wait_until(page, "#image", "load", "naturalWidth")
    assert page.evaluate("document.querySelectorAll('.picture img').length") == 1
    assert page.locator("#khz").inner_text().split() == ["8", "kHz", "6", "4", "2", "0"]
    assert page.locator("#seconds").inner_text().split()[:2] == ["0.0", "s"]


def test_from_key_to_next_clip(opened, sample):  # noqa: F811
    page = watched(opened(sample[1]))
    times_ms = []
    for _ in range(N - 1):
        page.evaluate(ALL_READY)
        found = page.evaluate(
            """async () => {
              const begin = performance.now();
              document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "y", bubbles: true }));
              await document.getElementById("image").decode();
              await new Promise(requestAnimationFrame);
              return performance.now() - begin;
            }"""
        )
        times_ms.append(found)
    assert shown(page) == f"{N - 1} of {N} answered; this is {N}"
    assert len({number for _, number in page.evaluate("plays")}) == N - 1, "each was heard as it came"
    print(f"from key to next clip: {statistics.median(times_ms):.1f} ms, at most {max(times_ms):.1f} ms")


def test_names_are_text_and_the_score_is_not_there(opened, sample):  # noqa: F811
    page = ready(opened(sample[1]))
    assert page.locator("#species").inner_text() == HOSTILE[0]
    assert PATHS[0].removesuffix(".flac") in page.locator("#where").inner_text()
    assert page.title() == "Review"
    assert "0.5" not in page.locator("#where").inner_text()
    assert "score" not in page.locator("#page-data").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1600])
def test_it_is_read_and_touched_at_every_width(opened, sample, scheme, width):  # noqa: F811
    page = ready(opened(sample[1], scheme, width))
    page.keyboard.press("y")
    page.keyboard.press("b")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator(".answers button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    ratios = page.evaluate(RATIOS, "h1, h2, label, button, kbd, .faint, #answered, .axis span, .up span")
    assert min(ratios)[0] >= CONTRAST, min(ratios)
    # On a phone all that an answer needs is on one screen.
    assert page.locator("#back").bounding_box()["y"] < 900
