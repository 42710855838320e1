"""Markdown on the demo's page: what each piece of it becomes, however it arrives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from langchain_streamkit.serve.app import STATIC
from langchain_streamkit.testing import Turn
from tests.demo.demos import demo
from tests.demo.pages import ask, has_text, status, text_of

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")

RENDER = """async ([text, sizes]) => {
    const { Markdown } = await import("/markdown.js");
    const made = (size) => {
        const element = document.createElement("div");
        const markdown = new Markdown(element);
        for (let at = 0; at < text.length; at += size) markdown.append(text.slice(at, at + size));
        markdown.finish();
        element.normalize();
        return element.innerHTML.replaceAll(' target="_blank" rel="noopener noreferrer"', "");
    };
    return [...new Set(sizes.map(made))];
}"""


async def loaded(page: Page) -> None:
    """The page's own scripts, anew, without its server, which they need not."""

    async def fulfill(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name:
            await route.fulfill(path=STATIC / name)
        else:
            await route.fulfill(content_type="text/html", body="<title>none</title>")

    await page.route("http://page.test/**", fulfill)
    await page.goto("http://page.test/")


async def rendered(page: Page, text: str) -> list[str]:
    """The markup of a text, each different one, when it comes in pieces of every size."""
    await loaded(page)
    made: list[str] = await page.evaluate(RENDER, [text, list(range(1, len(text) + 2))])
    return made


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("a **b c** d", "<p>a <strong>b c</strong> d</p>"),
        ("*i **b** i* and _this_", "<p><em>i <strong>b</strong> i</em> and <em>this</em></p>"),
        ("***both*** **a *b***", (
            "<p><strong><em>both</em></strong> <strong>a <em>b</em></strong></p>"
        )),
        ("`a*b*` and ``c`d``", "<p><code>a*b*</code> and <code>c`d</code></p>"),
        ("# One\n## Two\n### Three\ntext", "<h4>One</h4><h5>Two</h5><h6>Three</h6><p>text</p>"),
        ("- a\n- b **c**\n* d", "<ul><li>a</li><li>b <strong>c</strong></li><li>d</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n   - b\n   - c\n2. d", (
            '<ol start="1"><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ol>'
        )),
        ("- a\n\n  more\n\n- b\n\nafter", "<ul><li>a<p>more</p></li><li>b</li></ul><p>after</p>"),
        ("so:\n- a\n- b", "<p>so:</p><ul><li>a</li><li>b</li></ul>"),
        ("```py\nif a:\n    **b**\n\n```\nend", (
            "<pre><code>if a:\n    **b**\n\n</code></pre><p>end</p>"
        )),
        ("- a\n  ```\n  x\n    y\n  ```\n- b", (
            "<ul><li>a<pre><code>x\n  y\n</code></pre></li><li>b</li></ul>"
        )),
        ("~~~\n```\n~~~", "<pre><code>```\n</code></pre>"),
        ("a\n\n---\nb", "<p>a</p><hr><p>b</p>"),
        ("| a | `x|y` |\n|---|:-:|\n| 1 | **2** |\nend", (
            '<div class="table"><table><tr><th>a</th><th><code>x|y</code></th></tr>'
            "<tr><td>1</td><td><strong>2</strong></td></tr></table></div><p>end</p>"
        )),
        ("[a **b**](https://x.example/p_(q)?r=1)", (
            '<p><a href="https://x.example/p_(q)?r=1">a <strong>b</strong></a></p>'
        )),
        (r"\*not\* C:\dir", r"<p>*not* C:\dir</p>"),
    ],
)  # fmt: skip
async def test_markdown_is_the_same_in_whatever_pieces_it_comes(
    shared_page: Page, text: str, markup: str
) -> None:
    assert await rendered(shared_page, text) == [markup]


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 and 17 ** 5 / 3",
        "snake_case_name",
        "a ** b **c and *d",
        "1, 2, 3.",
        "1984",
        "-5 degrees",
        "#tag",
        "in\n1984. That year",
        "see [1] and [2](",
        "[x](javascript:alert(1))",
        "[x](data:text/html,1) [y](//z.example) [z](ftp://z.example)",
        "one ` only",
    ],
)
async def test_text_that_only_looks_like_markdown_stays_as_it_is(
    shared_page: Page, text: str
) -> None:
    assert await rendered(shared_page, text) == [f"<p>{text}</p>"]


async def test_code_that_is_never_closed_is_code_to_the_end(shared_page: Page) -> None:
    made = await rendered(shared_page, "so:\n```\na = 1\n\n- b")
    assert made == ["<p>so:</p><pre><code>a = 1\n\n- b</code></pre>"]


async def test_markup_in_every_place_of_markdown_stays_text(shared_page: Page) -> None:
    evil = "<img src=x onerror=alert(1)>"
    text = "\n".join([
        f"# {evil}", f"- {evil}", f"1. **{evil}**", "", f"| {evil} |", "", "```", evil, "```", "",
        f'`{evil}` *{evil}* [{evil}](https://x.example/{evil}) [a](https://x.example/"onclick=1)',
    ])  # fmt: skip
    (made,) = await rendered(shared_page, text)
    assert "<img" not in made
    assert made.count("&lt;img") >= 7
    assert " onclick" not in made


async def test_answer_is_rendered_while_it_streams(page: Page) -> None:
    gates = {2: threading.Event(), 4: threading.Event()}
    pieces = ["It is **wa", "rm**.\n\n``", "`\nx = 1", "\n", "```\n- a"]
    with demo([Turn(pieces, hold=gates)]) as served:
        await ask(page, served, "hi")
        await has_text(text_of(page).locator("p strong"), "warm")
        await status(page, "running")
        gates[2].set()
        await has_text(text_of(page).locator("pre code"), "x = 1")
        await status(page, "running")
        gates[4].set()
        await status(page, "done")
        await has_text(text_of(page).locator("ul > li"), "a")


@pytest.mark.parametrize(
    "unit",
    ["word ", "*word ", "- item\n", "| a | b |\n", "x\n\n", "`", "**", "[", "_a ", "| "],
)
async def test_long_answer_costs_as_much_at_its_end_as_at_its_beginning(
    shared_page: Page, unit: str
) -> None:
    """Work, not time: the characters that are given to a pattern, and the nodes that are made."""
    await loaded(shared_page)
    early, late = await shared_page.evaluate(
        """async (unit) => {
            const { Markdown } = await import("/markdown.js");
            let work = 0;
            const { exec } = RegExp.prototype;
            RegExp.prototype.exec = function (text) {
                work += text.length;
                return exec.call(this, text);
            };
            RegExp.prototype.test = function (text) {
                return this.exec(text) !== null;
            };
            for (const name of ["createElement", "createTextNode"]) {
                const make = document[name];
                document[name] = function (text) {
                    work += 1;
                    return make.call(document, text);
                };
            }
            const markdown = new Markdown(document.createElement("div"));
            const spent = (pieces) => {
                const before = work;
                for (let n = 0; n < pieces; n++) markdown.append(unit);
                return work - before;
            };
            spent(3000); // up to where a mark is given up as never closed
            const early = spent(3000);
            spent(12000);
            return [early, spent(3000)];
        }""",
        unit,
    )
    assert 0 < late < 2 * early
