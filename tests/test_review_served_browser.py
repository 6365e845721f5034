"""The served page in a real browser: answers arrive as they are given, from two tabs and over an outage."""

import csv
import statistics

import pytest

import review_folder
from dawnchorus.review import answers
from review_folder import served
from test_report_browser import CONTRAST, HOSTILE, RATIOS, browser  # noqa: F401
from test_review_browser import ALL_READY, WATCHED, ready, shown

N, MANY = 8, 64
# As long as the page needs to look again whether the server is there, and more.
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        review_folder.write(folder, N, (HOSTILE[0], HOSTILE[2]))
        yield folder


@pytest.fixture
def rows(folder):
    return review_folder.rows_of(N, (HOSTILE[0], HOSTILE[2]))


@pytest.fixture
def opened(browser):  # noqa: F811
    """Open an address; at the end of the test nothing else may have been asked for, nor anything complained about."""
    contexts, problems = [], []

    def open_page(address, context=None, scheme="light", width=1280):
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            contexts.append(context)
        page, start = context.new_page(), address.rsplit("/", 2)[0]
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda of: of.url.startswith(("data:", start)) or problems.append(of.url))
        # A connection that is refused and a status that is none of 200 are in every console.
        page.on("console", lambda of: of.text.startswith("Failed to load resource") or problems.append(of.text))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def wait(page, condition, given=None):
    """Wait until an expression of ``given`` holds in a page, whose policy lets nobody evaluate a text from inside."""
    page.evaluate(
        f"""async (given) => {{
          const end = performance.now() + {PATIENCE_MS};
          while (!({condition})) {{
            if (performance.now() > end) throw new Error(`${{given}}: ${{document.body.innerText}}`);
            await new Promise((again) => setTimeout(again, 5));
          }}
        }}""",
        given,
    )


# The clip is there to be seen, and the answers of whoever listens are known: a key is an answer now.
IS_THERE = """
document.getElementById('image').src && document.querySelector('[data-answer]').ariaDisabled === 'false'
"""


def until(page, text):
    """Wait until the line of progress begins so, and the clip that it names is there."""
    wait(page, f"document.getElementById('answered').textContent.startsWith(given) && {IS_THERE}", text)


def says(page, text):
    """Wait until the page shows a text."""
    wait(page, "document.body.innerText.includes(given)", text)


def begun(page, name="Ann", count=0, of=N):
    ready(page, name)
    until(page, f"{count} of {of} answered; this is {min(count, of - 1) + 1}")
    return page


def press(page, key):
    """Press a key when the page takes answers, as a person would who looks at it."""
    wait(page, IS_THERE)
    page.keyboard.press(key)


def written(page):
    """Wait until the page knows that all of its answers are written."""
    wait(page, "!Object.keys(localStorage).some((key) => key.includes(' unsent '))")


def kept(folder, rows, name="Ann"):
    """Return the answers of a file, by clip number."""
    path = folder / f"reviews/{name}.csv"
    answers.read([path], {row["clip"]: row for row in rows})
    with path.open(newline="") as file:
        return {int(row["clip"], 16): (row["answer"], row["other_species"]) for row in csv.DictReader(file)}


def test_answers_by_keys_arrive_and_a_reload_goes_on(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        page = begun(opened(server.address))
        assert page.locator("#species").inner_text() == HOSTILE[0]
        assert page.title() == "Review"
        assert page.locator("#save").count() == 0
        for key in "ynu":
            press(page, key)
        press(page, "o")
        page.keyboard.type(HOSTILE[2])
        page.keyboard.press("Enter")
        until(page, f"4 of {N}")
        written(page)
        assert kept(tmp_path, rows) == {0: ("yes", ""), 1: ("no", ""), 2: ("unsure", ""), 3: ("other", "s1")}
        page.reload()
        until(page, f"4 of {N} answered; this is 5")
        press(page, "b")
        assert page.locator('[data-answer="other"]').get_attribute("aria-pressed") == "true"
        assert page.locator("#other").input_value() == HOSTILE[2], "by its name, of which the file has the id"
        press(page, "n")
        for key in "yyyy":
            press(page, key)
        page.locator("#done").wait_for()
        written(page)
    assert [answer for answer, _ in kept(tmp_path, rows).values()] == ["yes", "no", "unsure", "no", *["yes"] * 4]


def test_tabs_hear_of_each_other_and_keep_all_answers(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        first = begun(opened(server.address))
        second = opened(server.address, first.context)
        until(second, f"0 of {N}")
        assert second.locator("#reviewer").input_value() == "Ann"
        press(first, "y")
        until(second, f"1 of {N} answered; this is 1")
        assert second.locator('[data-answer="yes"]').get_attribute("aria-pressed") == "true"
        for _ in range(4):
            press(second, "f")
        for key in "nuy":
            press(first, key)
            press(second, key)
        # Another browser, which has nothing of the first one's storage, and another person in a tab of the first.
        third = begun(opened(server.address), count=7)
        until(first, f"7 of {N} answered; this is 5")
        other = opened(server.address, first.context)
        begun(other, "Bob")
        press(other, "u")
        written(other)
        first.reload()
        until(first, f"7 of {N} answered; this is 8")
        assert first.locator("#reviewer").input_value() == "Ann", "each tab is who it was"
        press(third, "u")
        until(first, f"8 of {N}")
    expected = ["yes", "no", "unsure", "yes", "no", "unsure", "yes", "unsure"]
    assert [answer for answer, _ in kept(tmp_path, rows).values()] == expected
    assert kept(tmp_path, rows, "Bob") == {0: ("unsure", "")}


def test_what_the_server_did_not_hear_is_kept_and_sent_again(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        port, token = server.server_port, server.token
        page = begun(opened(server.address))
        press(page, "y")
        until(page, f"1 of {N} answered; this is 2")
        written(page)
        # The next ones are there: it goes on without the server for so many.
        for number in range(1, 5):
            wait(page, "performance.getEntriesByType('resource').some((of) => of.name.endsWith(given))", f"{number:x}")
    press(page, "n")
    press(page, "u")
    says(page, "The server does not answer. 2 answers are not written yet, and kept in this browser.")
    assert shown(page) == f"3 of {N} answered; this is 4"
    assert list(kept(tmp_path, rows)) == [0]
    with served(tmp_path, rows, port) as server:
        server.token = token
        written(page)
        page.locator("#lost").wait_for(state="hidden")
        assert list(kept(tmp_path, rows)) == [0, 1, 2]
    # Closed, and opened where the server is started anew.
    press(page, "y")
    says(page, "1 answer is not written yet")
    with served(tmp_path, rows, port) as server:
        says(page, "The server was started anew")
        context = page.context
        page.close()
        page = opened(server.address, context)
        until(page, f"4 of {N} answered; this is 5")
        written(page)
    assert kept(tmp_path, rows)[3] == ("yes", "")


def test_a_clip_that_cannot_be_cut_is_said_and_not_answered(opened, tmp_path, rows):
    rows[1] = {**rows[1], "path": "gone.flac"}
    with served(tmp_path, rows) as server:
        page = begun(opened(server.address))
        press(page, "y")
        # The next clip is fetched ahead: its error may be there before the answer to this one is.
        says(page, f"1 of {N} answered; this is 2")
        says(page, "gone.flac: missing: no such file")
        page.keyboard.press("y")
        assert shown(page) == f"1 of {N} answered; this is 2"
        page.keyboard.press("f")
        press(page, "n")
        written(page)
    assert list(kept(tmp_path, rows)) == [0, 2]


def test_a_page_that_waited_for_a_name_takes_it(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        page = opened(server.address)
        # Longer than it takes until it looks for answers of others.
        page.clock.install()
        page.reload()
        page.clock.run_for(10_000)
        begun(page)
        press(page, "y")
        written(page)
    assert list(kept(tmp_path, rows)) == [0]


def test_answers_wait_for_those_that_were_given_before(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        page = opened(server.address)
        until(page, f"0 of {N}")
        page.context.set_offline(True)
        ready(page)
        page.locator('[data-answer="yes"][aria-disabled="true"]').wait_for()
        page.keyboard.press("y")
        assert shown(page) == f"0 of {N} answered; this is 1"
        page.context.set_offline(False)
        press(page, "n")
        written(page)
    assert kept(tmp_path, rows) == {0: ("no", "")}


def test_a_name_is_seen_to_wait_from_the_moment_that_it_is_given(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        page = opened(server.address)
        until(page, f"0 of {N}")
        # All in one turn of the page, before the server can have said anything.
        assert page.evaluate(WAITS_AT_ONCE, "Ann") == ["true"] * 4
        begun(page)
        press(page, "y")
        written(page)
    assert kept(tmp_path, rows) == {0: ("yes", "")}


WAITS_AT_ONCE = """
(name) => {
  const reviewer = document.getElementById("reviewer");
  reviewer.value = name;
  reviewer.dispatchEvent(new Event("change"));
  return [...document.querySelectorAll("[data-answer]")].map((button) => button.ariaDisabled);
}
"""


def test_the_name_of_another_person_is_refused_before_the_first_answer(opened, tmp_path, rows):
    with served(tmp_path, rows) as server:
        page = begun(opened(server.address))
        press(page, "y")
        written(page)
        ready(page, "ANN")
        says(page, "There are answers of 'Ann'")
        page.keyboard.press("y")
        begun(page, "Bob")
        press(page, "n")
        written(page)
    assert kept(tmp_path, rows, "Bob") == {0: ("no", "")}
    assert sorted(path.name for path in (tmp_path / "reviews").iterdir()) == ["Ann.csv", "Bob.csv"]


@pytest.mark.long
def test_from_key_to_next_clip(opened, folder, tmp_path):
    rows = review_folder.rows_of(MANY)
    with served(tmp_path, rows) as server:
        page = opened(server.address)
        page.add_init_script(WATCHED)
        page.reload()
        begun(page, of=MANY)
        times_ms = []
        for number in range(MANY - 1):
            # The next ones come while somebody listens.
            wait(page, "made.length >= given && made.every((sound) => sound.src)", min(number + 5, MANY))
            page.evaluate(ALL_READY)
            times_ms.append(page.evaluate(FROM_KEY_TO_CLIP))
        until(page, f"{MANY - 1} of {MANY} answered; this is {MANY}")
        assert len({number for _, number in page.evaluate("plays")}) == MANY - 1, "each was heard as it came"
        written(page)
    assert len(kept(tmp_path, rows)) == MANY - 1
    p95_ms = statistics.quantiles(times_ms, n=20)[-1]
    print(f"from key to next clip, {len(times_ms)} times: {statistics.median(times_ms):.1f} ms, p95 {p95_ms:.1f} ms")


# From the key until the next picture is decoded and on the screen.
FROM_KEY_TO_CLIP = """
async () => {
  const begin = performance.now(), before = document.getElementById("image");
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "y", bubbles: true }));
  if (document.getElementById("image") === before) throw new Error("the next clip was not there");
  await document.getElementById("image").decode();
  await new Promise(requestAnimationFrame);
  return performance.now() - begin;
}
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1600)])
def test_what_it_says_of_the_server_is_read_at_every_width(opened, tmp_path, rows, scheme, width):
    with served(tmp_path, rows) as server:
        page = begun(opened(server.address, None, scheme, width))
    press(page, "y")
    says(page, "not written yet")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ratios = page.evaluate(RATIOS, "#lost, label, button, #answered, footer, .axis span")
    assert min(ratios)[0] >= CONTRAST, min(ratios)
