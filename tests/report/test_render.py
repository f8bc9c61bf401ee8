import base64
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from crm_utils.language import prose
from crm_utils.plotting import describe, new_axes, show_figure, use_style
from crm_utils.report.headlines import MIME, make_headline
from crm_utils.report.markdown import Anchors, authored_html, computed_html
from crm_utils.report.mathml import tex_to_mathml
from crm_utils.report.render import css_string, left_out, render_page
from crm_utils.tables import table_html

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(3)</script></svg>'


def page_context(**changes):
    company = {
        "name": "<script>alert(2)</script> Tea",
        "period": "2025-01-01 to 2025-03-01",
        "is_demo": False,
        "tables": ["order_lines"],
        "data_hash": "abc",
        "set_aside_html": "",
    }
    outcome = {"status": "ok", "reason": "", "cell": None, "source": "", "error": "", "message": ""}
    rows = [{"name": "label", "value": "<b>5</b>", "default": "–", "help": "a <i>help</i>", "changed": True}]
    return {
        "title": "file name",
        "company": company,
        "as_of": "2025-03-02",
        "parameters": rows,
        "outcome": outcome,
        "versions": {"Python": "3.11"},
        "notebook_file": "03 <x>.ipynb",
        **changes,
    }


def code(source, *outputs, tags=()):
    return nbformat.v4.new_code_cell(
        source, outputs=list(outputs), id=f"c{abs(hash(source))}", metadata={"tags": list(tags)}
    )


def text(source, *tags):
    return nbformat.v4.new_markdown_cell(source, id=f"t{abs(hash(source))}", metadata={"tags": list(tags)})


def display(data, **metadata):
    return nbformat.v4.new_output("display_data", data, metadata=metadata)


def render(*cells, **changes):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    return render_page(notebook, page_context(**changes), notebook_folder="")


def test_customer_text_stays_text_wherever_it_comes_from():
    hostile = "<script>alert(1)</script>"
    page = render(
        text("# Title"),
        code(
            f"x = '{hostile}'",
            nbformat.v4.new_output("stream", name="stdout", text=hostile),
            nbformat.v4.new_output("stream", name="stderr", text=hostile),
            nbformat.v4.new_output("execute_result", {"text/plain": hostile}),
            display({"text/markdown": hostile}),
            display({MIME: make_headline(hostile, 1, unit=hostile)}),
            display({"image/png": "AAAA"}, crm={"alt": f'"{hostile}'}),
            nbformat.v4.new_output("error", ename=hostile, evalue=hostile, traceback=[hostile]),
        ),
        outcome={
            "status": "failed",
            "reason": hostile,
            "cell": 1,
            "source": hostile,
            "error": hostile,
            "message": hostile,
        },
    )
    assert "alert(1)" in page
    assert "alert(2)" in page
    assert not re.search(r"<script>alert", page)
    assert "<b>5</b>" not in page
    assert "<i>help</i>" not in page


def test_the_page_asks_for_nothing_from_elsewhere_and_runs_only_its_own_script():
    import hashlib

    page = render(text("# Title\n\n$x$"), code("1", display({"image/svg+xml": SVG}, crm={"alt": "A figure"})))
    assert not re.search(r"""(?:src|href)=["'](?!data:|#|index\.html|03%20|headlines\.csv|manifest\.json)""", page)
    assert "url(" not in page
    assert "@import" not in page
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_a_figure_has_its_alternative_text_and_its_numbers():
    page = render(code("1", display({"image/svg+xml": SVG}, crm={"alt": 'A "curve"', "table": "<table>twin</table>"})))
    source = re.search(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="A &#34;curve&#34;"></div>', page)
    assert base64.b64decode(source[1]).decode() == SVG
    assert re.search(r"<summary>Show the numbers</summary>.*<table>twin</table>", page)


def test_cells_are_left_out_by_tag():
    cells = [
        text("# Title"),
        text("EXERCISE", "exercise"),
        code("SOLUTION", tags=["solution"]),
        code("INJECTED", tags=["injected-parameters"]),
        code("PARAMETERS = 1", tags=["parameters"]),
        text("DEMO", "demo"),
        text("SURVEY", "needs:survey"),
        text("ORDERS", "needs:order_lines"),
    ]
    page = render(*cells)
    assert "ORDERS" in page
    for word in ("EXERCISE", "SOLUTION", "INJECTED", "PARAMETERS", "DEMO", "SURVEY"):
        assert word not in page
    demo = render(*cells, company={**page_context()["company"], "is_demo": True, "tables": ["order_lines", "survey"]})
    assert "DEMO" in demo
    assert "SURVEY" in demo


@pytest.mark.parametrize(
    ("tags", "is_demo", "expected"),
    [([], False, False), (["demo"], True, False), (["needs:a", "needs:b"], True, True), (["solution"], True, True)],
)
def test_left_out(tags, is_demo, expected):
    assert left_out(tags, is_demo=is_demo, tables=["a"]) is expected


def test_the_failed_cell_is_shown_even_where_it_would_be_left_out():
    outcome = {"status": "failed", "reason": "r", "cell": 2, "source": "1/0", "error": "E", "message": "m"}
    page = render(text("# T"), code("one"), code("1/0", tags=["solution"]), outcome=outcome)
    assert 'id="code:2" open' in page
    assert 'href="#code:2"' in page


def test_title_and_contents_come_from_the_headings():
    page = render(
        text("# 03 · Value (客户)\n\nThe question."),
        text("## One & two\n\n### Deep\n\n#### Deeper"),
        text("## One & two"),
    )
    assert re.search(r"<title>03 · Value \(客户\) – ", page)
    assert page.count("<h1") == 1
    contents = re.search(r"<ol>(.*?)</ol>", page, re.DOTALL)[1]
    entries = re.findall(r'level-(\d)"><a href="#([^"]+)">([^<]+)<', contents)
    assert entries == [
        ("2", "one-two", "One &amp; two"),
        ("3", "deep", "Deep"),
        ("2", "one-two-2", "One &amp; two"),
        ("2", "data-and-provenance", "Data and provenance"),
    ]
    for _, anchor, _ in entries:
        assert page.count(f'id="{anchor}"') == 1


def test_code_is_numbered_as_the_author_sees_it():
    page = render(code("a"), code("b", tags=["injected-parameters"]), code("c"))
    assert re.findall(r"<summary>Code (\d)</summary>", page) == ["1", "2"]


def test_headlines_that_follow_each_other_share_a_row():
    cards = [display({MIME: make_headline(name, 1)}) for name in "abc"]
    page = render(code("1", *cards))
    assert page.count('<ul class="cards">') == 2  # on top, and where they were published
    assert page.count('<li class="card') == 6


def test_rendering_changes_nothing_and_gives_the_same_bytes():
    notebook = nbformat.v4.new_notebook(cells=[text("# T"), code("1", display({MIME: make_headline("a", 1)}))])
    before = nbformat.writes(notebook)
    pages = {render_page(notebook, page_context(), notebook_folder="") for _ in range(2)}
    assert len(pages) == 1
    assert nbformat.writes(notebook) == before


def test_the_language_of_the_page_is_stated(monkeypatch):
    monkeypatch.setenv("CRM_UTILS_LANGUAGE", "zh-CN")
    assert '<html lang="zh-CN">' in render(text("# T"))


def test_computed_text_is_escaped_once():
    sentence = prose("{name} is **first**.", name="<script>a & b</script> *x* $y$ [l](javascript:alert(1))").markdown
    assert computed_html(sentence) == (
        "<p>&lt;script&gt;a &amp; b&lt;/script&gt; *x* $y$ [l](javascript:alert(1)) is <strong>first</strong>.</p>\n"
    )
    assert "javascript:" not in computed_html("[l](javascript:alert(1))")
    assert "<h1" not in computed_html("# Not a heading of the page")


def test_authored_html_and_maths():
    headings = []
    markup = authored_html(
        "## H\n\n<b>raw</b> $x<y$\n\n$$\\frac{a}{b}$$\n\n| a |\n|--|\n| 1 |",
        anchors=Anchors(),
        on_heading=headings.append,
    )
    assert "<b>raw</b>" in markup
    assert markup.count("<math") == 2
    assert "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>" in markup
    assert "<mo>&lt;</mo>" in markup
    assert '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>' in markup
    assert [heading.text for heading in headings] == ["H"]


@pytest.mark.parametrize(
    "tex",
    [
        r"V = \sum_{t=1}^{T} \frac{Q_t - C_t}{(1+i)^t}",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\begin{cases} 1 & x > 0 \\ 0 & \text{a < b} \end{cases}",
        r"\arg\max_x \hat{\beta} \; \operatorname{Gini}",
    ],
)
def test_maths_is_well_formed_mathml(tex):
    from xml.etree import ElementTree

    markup = tex_to_mathml(tex, block=True)
    assert ElementTree.fromstring(markup).tag.endswith("math")
    assert "\\" not in markup


def test_unknown_tex_is_shown_whole():
    assert tex_to_mathml(r"\nosuchthing{<b>}") == r'<code class="tex">\nosuchthing{&lt;b&gt;}</code>'
    assert tex_to_mathml("") == '<code class="tex"></code>'


def test_a_sharp_png_is_shown_in_its_size_on_the_page():
    size = {"width": 300, "height": 200}
    page = render(code("1", display({"image/png": "AAAA"}, **{"crm": {"alt": "A"}, "image/png": size})))
    assert '<img src="data:image/png;base64,AAAA" alt="A" width="300" height="200">' in page


def test_a_card_shows_the_change_in_words_and_signs():
    record = make_headline("Churn", 0.3, unit="share", better="lower", previous=0.25, previous_label="2024")
    page = render(code("1", display({MIME: record})))
    assert '<span class="card-change bad"><span aria-hidden="true">▲</span> +5.0 points on 2024</span>' in page
    assert "card-change" not in render(code("1", display({MIME: make_headline("Churn", 0.3)}))).split("</style>")[1]


def test_the_title_block_tells_company_period_parameters_and_data():
    header = re.search(r"<header.*?</header>", render(text("# Title")), re.DOTALL)[0]
    for part in (
        "Tea</a>",
        "2025-01-01 to 2025-03-01",
        "as of 2025-03-02",
        "<code>label</code> = &lt;b&gt;5",
        "data abc",
    ):
        assert part in header
    default = [{**page_context()["parameters"][0], "changed": False}]
    assert "Default parameters" in render(text("# Title"), parameters=default)


def test_the_running_title_of_the_print_cannot_leave_its_style():
    assert css_string("客户 – Tea, 1.") == '"客户 – Tea, 1."'
    page = render(text("# Title"), company={**page_context()["company"], "name": '"}</style><script>alert(1)</script>'})
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    running = re.search(r'@top-left \{ content: "([^"]*)"; font', style)[1]
    assert "Title – " in running
    assert not set(running) & set("<>{};/")


def test_chinese_words_are_marked_in_text_title_and_contents():
    page = render(text("# Value (价值)"), text("## Loyalty (忠诚度)\n\n`代码` 流失 $x$"), code("名 = 1"))
    assert page.count('<span lang="zh">价值</span>') == 1
    assert page.count('<span lang="zh">忠诚度</span>') == 2  # heading and contents
    assert '<span lang="zh">流失</span>' in page
    assert "<code>代码</code>" in page
    assert "<title>Value (价值) –" in page


def test_no_chinese_is_marked_in_a_chinese_page(monkeypatch):
    monkeypatch.setenv("CRM_UTILS_LANGUAGE", "zh-CN")
    assert 'lang="zh"' not in render(text("# 价值")).split("</style>")[1]


@pytest.fixture
def drawn(monkeypatch):
    """What `show_figure` publishes, as outputs of a cell."""
    outputs = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata, raw: outputs.append(display(data, **metadata))
    )
    with plt.rc_context():
        use_style()
        yield outputs
    plt.close("all")


def test_a_page_of_sixty_cells_and_fifteen_rich_figures_stays_under_three_megabytes(drawn):
    rng = np.random.default_rng(7)
    twin = pd.DataFrame(rng.normal(size=(5_000, 6)), columns=[f"column_{letter}" for letter in "abcdef"])
    for position in range(15):
        ax = new_axes(None)
        match position % 5:
            case 0:
                ax.scatter(*rng.normal(size=(2, 20_000)), c=rng.random(20_000), s=9)
            case 1:
                ax.plot(rng.normal(size=(5_000, 4)).cumsum(axis=0))
            case 2:
                ax.pcolormesh(rng.random((60, 60)))
            case 3:
                ax.hist(rng.normal(size=(5_000, 3)), bins=100)
            case 4:
                ax.errorbar(range(1_500), rng.normal(size=1_500), yerr=rng.random(1_500), fmt="o")
        ax.set_title(f"Figure {position}")
        show_figure(describe(ax, "A rich figure."), table=twin)
    table = display({"text/html": table_html(twin, max_rows=20)})
    source = "\n".join(f"result_{line} = some_function(first_argument, option={line})" for line in range(15))
    cells = [text("# Title")]
    for position in range(30):
        cells.append(text(f"## Section {position}\n\n" + "A sentence of text that explains. " * 30))
        outputs = [drawn[position // 2]] if position % 2 == 0 else [table]
        cells.append(code(f"{source}\n{position}", *outputs))
    page = render(*cells)
    assert page.count("<figure>") == 15
    assert len(page.encode()) < 3_000_000
