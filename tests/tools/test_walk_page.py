"""The page of edf.walk in a real browser: buttons, keys, slider, no script, two on one page.

    make test-browser

SHOTS=folder keeps a picture of every step.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import edf
from edf import Affine, Input, Param, SoftmaxCrossEntropy, Tanh

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def perceptron():
    """Build a network with 2 inputs, 3 hidden units, and 2 classes; return its loss."""
    x, labels = Input([[1.0, 2.0]], name="x"), Input([0], name="labels")
    w1, b1 = Param(edf.xavier(2, 3), name="w1"), Param(np.zeros(3), name="b1")
    w2, b2 = Param(edf.xavier(3, 2), name="w2"), Param(np.zeros(2), name="b2")
    return SoftmaxCrossEntropy(Affine(Tanh(Affine(x, w1, b1)), w2, b2), labels)


def product():
    p, q = Param(2.0, name="p"), Param(3.0, name="q")
    c = p * q
    return c * c + p


def head():
    """Build one head of attention on 5 places; return its loss."""
    x, targets = Input(np.eye(5, 4), name="x"), Input(np.ones((5, 3)), name="targets")
    q, k, v = (x @ Param(edf.xavier(4, 3), name=f"w_{name}") for name in "qkv")
    p = edf.Softmax(q @ edf.Transpose(k) / 3 ** 0.5)
    return edf.Mean(edf.SquaredError(p @ v, targets))


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "no Chromium found: install it, or set CHROMIUM to its path"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[
            "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens walks, one below the other; nothing may go wrong in a page."""
    wrong, pages = [], []

    def opened(*walks, width=700, **options):
        file = tmp_path / "page.html"
        walks[0].save(file)
        with file.open("a", encoding="utf-8") as more:
            more.writelines(walk.pictures["text/html"] for walk in walks[1:])
        page = browser.new_page(viewport={"width": width, "height": 700}, **options)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url == file.as_uri()
                or wrong.append(request.url))
        page.goto(file.as_uri())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not wrong


def place(walk):
    return walk.locator("output").inner_text()


def sentence(walk):
    """Return the sentence that is seen, which is also said aloud."""
    seen = walk.locator("figure:visible p").all_inner_texts()
    assert seen == [walk.locator("[aria-live]").inner_text()]
    return seen[0]


# Whether no boxes overlap, each value lies in one box, no values overlap, no name is too long.
LEGIBLE = """svg => {
    const [all, ...values] = svg.querySelectorAll("use");
    const shared = document.querySelector(all.href.baseVal);
    const boxes = [...shared.querySelectorAll("rect")].map(box => Object.fromEntries(
        ["x", "y", "width", "height"].map(side => [side, box[side].baseVal.value])));
    const inside = (a, b) => b.x <= a.x && b.y <= a.y
        && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height;
    const apart = (a, b) => a.x + a.width <= b.x || b.x + b.width <= a.x
        || a.y + a.height <= b.y || b.y + b.height <= a.y;
    const pairwise = list => list.every((a, i) => list.every((b, j) => i == j || apart(a, b)));
    const seen = values.map(use => use.getBBox());
    const long = Math.max(...[...shared.querySelectorAll("text")].map((text, i) =>
        7.3 * text.textContent.length - boxes[i].width));
    return [pairwise(boxes), seen.every(a => boxes.filter(b => inside(a, b)).length == 1),
            pairwise(seen), long < 0 && seen.every(a => a.width > 20 && a.height > 5)]}"""


@pytest.mark.parametrize("width", [400, 700, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("build", [perceptron, product, head])
def test_every_step_is_seen(build, scheme, width, opened):
    loss = build()
    page = opened(edf.walk(loss), width=width, color_scheme=scheme)
    walk = page.locator(".edf-walk")
    steps, said = walk.locator("figure").count(), []
    assert walk.bounding_box()["height"] < 700 and walk.bounding_box()["width"] <= width
    for number in range(steps):
        assert place(walk) == f"{number + 1} / {steps}"
        said.append(sentence(walk))
        graph = walk.locator("figure:visible .edf-graph")
        assert graph.locator("svg").evaluate(LEGIBLE) == 4 * [True]
        if number:              # what is at work is in sight
            at = graph.locator("g > rect:not(.edf-new)").bounding_box()
            around = graph.bounding_box()
            assert around["y"] - 1 <= at["y"] and at["y"] + at["height"] <= (
                around["y"] + around["height"] + 1)
            assert around["x"] - 1 <= at["x"] and at["x"] + at["width"] <= (
                around["x"] + around["width"] + 1)
        if "SHOTS" in os.environ:
            Path(os.environ["SHOTS"]).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(os.environ["SHOTS"]) /
                            f"{build.__name__}-{scheme}-{width}-{number:02}.png")
        walk.get_by_role("button", name="step").click()
    assert len(set(said)) == steps
    assert place(walk) == f"{steps} / {steps}"          # it stays at the end


def test_keys_and_slider(opened):
    page = opened(edf.walk(product()))
    walk = page.locator(".edf-walk")
    walk.focus()
    for key, want in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 8),
                      ("ArrowRight", 8), ("Home", 1), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        assert place(walk) == f"{want} / 8"
    walk.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert place(walk) == "2 / 8"
    walk.get_by_role("slider").fill("6")
    assert place(walk) == "7 / 8" and sentence(walk).startswith("7. backward")
    assert walk.get_by_role("slider").get_attribute("aria-valuetext") == sentence(walk)
    walk.focus()
    page.keyboard.press("Control+ArrowLeft")            # keys of the page are left alone
    assert place(walk) == "7 / 8"


def test_it_plays_to_the_end_and_can_be_stopped(opened):
    page = opened(edf.walk(product()))
    page.clock.install()
    walk, play = page.locator(".edf-walk"), page.get_by_role("button", name="play")
    walk.focus()
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="pause").count() == 1
    page.clock.run_for(3500)
    assert place(walk) == "3 / 8"
    page.keyboard.press("Space")
    page.clock.run_for(5000)
    assert place(walk) == "3 / 8" and play.count() == 1
    play.press("Space")                                 # on the button, it is pressed once
    page.clock.run_for(60_000)
    assert place(walk) == "8 / 8" and play.count() == 1
    play.click()                                        # again, from the start
    assert place(walk) == "1 / 8"
    page.keyboard.press("ArrowRight")                   # whoever steps has stopped it
    page.clock.run_for(5000)
    assert place(walk) == "2 / 8" and play.count() == 1


def test_two_on_a_page_do_not_disturb_each_other(opened):
    one, two = edf.walk(product()), edf.walk(head())
    svg = ".edf-now svg >> visible=true"
    alone = [opened(walk).locator(svg).bounding_box()["width"] for walk in (one, two, one)]
    page = opened(one, two, one)
    assert alone == [svg.bounding_box()["width"] for svg in page.locator(svg).all()]
    walks = page.locator(".edf-walk").all()
    walks[1].get_by_role("button", name="step").click()
    walks[2].focus()
    page.keyboard.press("End")
    assert [place(walk) for walk in walks] == ["1 / 8", "2 / 22", "8 / 8"]
    assert walks[1].locator("figure:visible svg").evaluate(LEGIBLE) == 4 * [True]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id.split('-')[0])")
    assert len(set(ids)) == 2                           # the third shares those of the first


def test_a_notebook_may_run_the_scripts_elsewhere(opened):
    page = opened(edf.walk(product()))
    page.evaluate("""html => {
        document.body.innerHTML = html;         // runs none
        for (const script of document.body.querySelectorAll("script")) {
            const copy = document.createElement("script");
            copy.text = script.text;
            document.head.append(copy)}}""", 2 * edf.walk(product()).pictures["text/html"])
    walks = page.locator(".edf-walk.edf-live").all()
    walks[1].get_by_role("button", name="step").click()
    assert [place(walk) for walk in walks] == ["1 / 8", "2 / 8"]


def test_without_script_it_is_a_film_strip(opened):
    page = opened(edf.walk(product()), java_script_enabled=False)
    assert page.locator("figure:visible").count() == 8
    assert page.get_by_role("button").count() == 0 and page.get_by_role("slider").count() == 0
    tops = [figure.bounding_box()["y"] for figure in page.locator("figure").all()]
    assert tops == sorted(set(tops))
    assert "p.grad = 1 + 36 = 37" in page.locator("figure").last.inner_text()
    if "SHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["SHOTS"]) / "strip.png", full_page=True)


def colours(page):
    return page.locator(".edf-walk").evaluate(
        "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]")


def test_dark_and_light(opened):
    page = opened(edf.walk(product()), color_scheme="dark")
    dark = colours(page)
    page.emulate_media(color_scheme="light")
    light = colours(page)
    assert light == ["rgb(255, 255, 255)", "rgb(17, 17, 17)"] and dark != light
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")       # JupyterLab's own theme
    assert colours(page) == dark
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert colours(page) == light
