"""The page as a person meets it: real Chromium, driven by playwright."""

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from chat.models import Models
from data.aihub import DO_NOT_PUBLISH
from data.interviews import SAMPLE_CSV
from data.prompts import build_prompt
from infer.find import KINDS
from infer.models import load_model
from infer.settings import Decoding
from infer.summarize import Summarizer
from tests.chat.web.site import Site

playwright = pytest.importorskip("playwright.sync_api", reason="needs requirements-dev.txt")

QUESTION = "동료와 의견이 달랐던 경험은?"
ANSWER = "편의점에서 점장과 발주 방식을 두고 의견이 갈렸습니다. 기록을 모아 보여 드렸습니다."
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = "<img src='http://example.org/x.png' onerror='window.harmed = 1'>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        # Chromium's sandbox needs rights that a container may lack; only our own page is opened.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A person with a browser, who notes what it asks of other machines and what goes wrong."""

    def __init__(self, chromium: Any, site: Site, **settings: Any) -> None:
        settings = {"viewport": DESK, "locale": "ko-KR"} | settings
        self.context = chromium.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.note(request.url, site.address))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.goto(site.address)
        self.button("요약하기").wait_for()

    def note(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.outside.append(url)

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name)

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def field(self, label: str) -> Any:
        return self.page.get_by_role("textbox", name=label, exact=True)

    @property
    def summary(self) -> Any:
        return self.page.locator("#summary textarea")

    def fill(self, question: str = QUESTION, answer: str = ANSWER) -> None:
        self.field("질문").fill(question)
        self.field("답변").fill(answer)

    def upload(self, path: Path) -> None:
        self.page.locator("input[type=file]").first.set_input_files(path)
        self.page.get_by_label(path.name).wait_for()  # its label: the name itself is split in two

    def complaint(self) -> str:
        """The text of the one error shown, which is then closed."""
        shown = self.page.get_by_test_id("toast-body")
        text = str(shown.get_by_test_id("toast-text").inner_text())
        self.page.get_by_test_id("toast-close").click()
        shown.wait_for(state="hidden")
        return text


def shows(locator: Any, text: str) -> None:
    playwright.expect(locator).to_have_value(text, timeout=60_000)


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Visit]:
    visit = Visit(chromium, site)
    yield visit
    visit.context.close()
    assert not visit.outside and not visit.errors


def summaries(checkpoints: Path) -> dict[str, str]:
    device = torch.device("cpu")
    found = Models(checkpoints, device).found
    return {
        name: Summarizer(*load_model(found[name], device)).summarize([QUESTION], [ANSWER])[0]
        for name in KINDS
    }


def test_a_korean_question_and_the_summary_as_it_grows(visit: Visit, checkpoints: Path) -> None:
    visit.field("질문").press_sequentially(QUESTION)
    visit.field("답변").press_sequentially(ANSWER)
    visit.page.evaluate(
        """() => {
            window.seen = new Set()
            setInterval(() => document.querySelectorAll('textarea').forEach(
                (area) => window.seen.add(area.value)), 5)
        }"""
    )
    visit.button("요약하기").click()
    whole = summaries(checkpoints)["4bit"]
    shows(visit.summary, whole)
    seen = visit.page.evaluate("[...window.seen]")
    assert len([text for text in seen if text and whole.startswith(text)]) > 1
    assert "토큰/초" in visit.page.locator("body").inner_text()


def test_korean_as_an_input_method_composes_it(visit: Visit) -> None:
    visit.field("질문").focus()
    keyboard = visit.context.new_cdp_session(visit.page)
    for syllable in (("ㅎ", "하", "한"), ("ㄱ", "그", "글")):
        for text in syllable:
            at = {"selectionStart": len(text), "selectionEnd": len(text)}
            keyboard.send("Input.imeSetComposition", {"text": text, **at})
        keyboard.send("Input.insertText", {"text": syllable[-1]})
    shows(visit.field("질문"), "한글")


def test_all_models_side_by_side(visit: Visit, checkpoints: Path) -> None:
    visit.fill()
    visit.tab("비교")
    visit.button("모두에게 묻기").click()
    for name, text in summaries(checkpoints).items():
        shows(visit.page.get_by_label(KINDS[name] + " · "), text)


def test_another_model_and_other_settings(visit: Visit, checkpoints: Path) -> None:
    visit.fill()
    visit.page.get_by_label("베이스", exact=True).check()
    visit.button("디코딩 설정").click()
    tokens = visit.page.get_by_label("number input for 요약의 최대 토큰 수")
    shows(tokens, "120")
    tokens.fill("10")
    tokens.press("Tab")
    shows(visit.page.get_by_role("slider", name="요약의 최대 토큰 수"), "10")
    visit.button("요약하기").click()
    model = load_model("ko-gpt2-mini", torch.device("cpu"))
    summarizer = Summarizer(*model, Decoding(max_new_tokens=10))
    shows(visit.summary, summarizer.summarize([QUESTION], [ANSWER])[0])


def test_an_example_fills_both_fields(visit: Visit) -> None:
    visit.page.locator(".gallery-item").first.click()
    playwright.expect(visit.field("답변")).not_to_be_empty()
    with SAMPLE_CSV.open(encoding="utf-8-sig", newline="") as file:
        rows = {(row["question"], row["answer"]) for row in csv.DictReader(file)}
    assert (visit.field("질문").input_value(), visit.field("답변").input_value()) in rows


def test_the_tokens_in_colour(visit: Visit) -> None:
    visit.fill(QUESTION, f"{ANSWER} {HOSTILE}")
    visit.tab("토큰")
    visit.button("토큰으로 나누기").click()
    tokens = visit.page.locator(".token")
    tokens.first.wait_for()
    text = "".join(tokens.all_text_contents()).replace("⏎", "")
    assert text == build_prompt(QUESTION, f"{ANSWER} {HOSTILE}")
    colour = "element => getComputedStyle(element).backgroundColor"
    parts = ("template", "question", "answer")
    assert len({visit.page.locator(f".part.{part}").evaluate(colour) for part in parts}) == 3


def test_a_csv_comes_back_with_summaries(visit: Visit, checkpoints: Path, tmp_path: Path) -> None:
    upload = tmp_path / "면접 기록.csv"
    upload.write_text(f"id,question,answer\n7,{QUESTION},{ANSWER}\n8,,빈 질문\n", "cp949")
    visit.tab("CSV")
    assert visit.page.get_by_text(DO_NOT_PUBLISH).is_visible()
    visit.upload(upload)
    visit.button("모든 행 요약하기").click()
    visit.page.get_by_text("1행을 요약했습니다.").wait_for()
    with visit.page.expect_download() as download:
        visit.page.locator("a[download]").last.click()
    assert download.value.suggested_filename == "면접 기록-summary.csv"
    download.value.save_as(tmp_path / "back.csv")
    with (tmp_path / "back.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["id", "question", "answer", "summary"],
        ["7", QUESTION, ANSWER, summaries(checkpoints)["4bit"]],
        ["8", "", "빈 질문", ""],
    ]


def test_a_long_csv_is_stopped_and_others_are_served(visit: Visit, tmp_path: Path) -> None:
    upload = tmp_path / "long.csv"
    upload.write_text("question,answer\n" + f"{QUESTION},{ANSWER}\n" * 1000, "utf-8")
    visit.tab("CSV")
    visit.upload(upload)
    visit.button("모든 행 요약하기").click()
    state = visit.page.get_by_text(re.compile(r"^[\d,]+/1,000행$"))
    state.wait_for()
    visit.tab("요약")
    visit.fill()
    visit.button("요약하기").click()  # takes its turn between two batches
    playwright.expect(visit.summary).not_to_be_empty(timeout=60_000)
    visit.tab("CSV")
    visit.button("멈추기").click()
    for _ in range(10):  # a batch that was under way may still be told
        before = state.inner_text()
        visit.page.wait_for_timeout(3000)
        if state.inner_text() == before:
            break
    assert state.inner_text() == before != "1,000/1,000행"


def test_what_cannot_be_answered_is_one_line(visit: Visit, tmp_path: Path) -> None:
    for question, answer, says in (
        ("", "", "질문과 답변을 모두 적으세요."),
        (QUESTION, "가" * 20_000, "답변이 20,000자입니다."),
        (HOSTILE * 20, ANSWER, "질문이 "),
    ):
        visit.fill(question, answer)
        visit.button("요약하기").click()
        line = visit.complaint()
        assert line.startswith(says) and "\n" not in line.strip()
    upload = tmp_path / "hostile.csv"
    upload.write_text(f'question,"{HOSTILE}"\n1,2\n', "utf-8")
    visit.tab("CSV")
    visit.button("모든 행 요약하기").click()
    assert "CSV 파일을 먼저" in visit.complaint()
    visit.upload(upload)
    visit.button("모든 행 요약하기").click()
    line = visit.complaint()
    assert line.startswith("hostile.csv: ") and "answer" in line  # not where it lies here


def test_html_is_text(visit: Visit) -> None:
    visit.fill(HOSTILE, f"{HOSTILE} {ANSWER}")
    visit.button("요약하기").click()
    playwright.expect(visit.summary).not_to_be_empty(timeout=60_000)
    assert visit.page.evaluate("window.harmed") is None


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_light_and_dark_at_each_width(
    chromium: Any, site: Site, size: dict[str, int], tmp_path: Path
) -> None:
    lightness = []
    for scheme in ("light", "dark"):
        visit = Visit(chromium, site, viewport=size, color_scheme=scheme)
        for tab in ("요약", "비교", "토큰", "CSV"):
            visit.tab(tab)
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], tab
        for name in ("background-color", "color"):
            colour = visit.page.evaluate(
                f"getComputedStyle(document.body).getPropertyValue('{name}')"
            )
            lightness.append(sum(map(float, colour.strip("rgba()").split(",")[:3])))
        assert not visit.outside and not visit.errors
        visit.context.close()
    light, ink, dark, chalk = lightness
    assert light - ink > 300 and chalk - dark > 300


def test_the_report_is_a_click_away(visit: Visit) -> None:
    with visit.page.expect_popup() as popup:
        visit.page.get_by_role("link", name="보고서").click()
    assert popup.value.locator("body").inner_text() == "보고서"
