"""Real sentences taken apart by kiwipiepy, and said again."""

from random import Random

import pytest
from kiwipiepy import Kiwi

from pretraining.text.sentences import STYLES, Sentences, Unsayable
from pretraining.text.templates import FORMS, conjugation_table, paragraphs_to_templates


@pytest.fixture(scope="module")
def kiwi() -> Kiwi:
    return Kiwi(num_workers=1)


def analysed(kiwi: Kiwi, text: str) -> tuple[list[str], Sentences]:
    templates = next(paragraphs_to_templates(kiwi, [text]))
    statements = [template for template in templates if template[0] != "!"]
    return templates, Sentences(conjugation_table(kiwi, statements))


@pytest.mark.parametrize(
    ("spoken", "plain"),
    [
        ("음, 제가 그때 회의 시간을 저녁 9시로 옮겼습니다.", "그때 회의 시간을 저녁 9시로 옮겼다."),
        ("사실 3학년 때부터 봉사를 하고 싶었거든요.", "3학년 때부터 봉사를 하고 싶었다."),
        ("그 일이 쉽지 않아요.", "그 일이 쉽지 않다."),
        ("저는 주말에도 쉬지 않습니다.", "주말에도 쉬지 않는다."),
        ("결과가 좋아서 기뻤고요.", "결과가 좋아서 기뻤다."),
        ("저희 팀은 다섯 명이었는데요.", "팀은 다섯 명이었다."),
        ("그래서 배운 게 많아요.", "배운 게 많다."),
        ("비행기를 두 번 탔죠.", "비행기를 두 번 탔다."),
        ("매일 아침에 이웃을 돕습니다.", "매일 아침에 이웃을 돕는다."),
        ("그 사람은 좋은 동생이에요.", "그 사람은 좋은 동생이다."),
        ("그게 제일 중요한 겁니다.", "그게 제일 중요한 것이다."),
    ],
)
def test_spoken_sentences_in_plain_style(kiwi: Kiwi, spoken: str, plain: str) -> None:
    (template,), sentences = analysed(kiwi, spoken)
    assert sentences.plain(template) == plain
    assert sentences.original(template) == spoken


@pytest.mark.parametrize("text", ["회의를 옮길까요?", "자리에 앉아 주세요.", "회의 시간 변경."])
def test_what_states_nothing_has_no_template(kiwi: Kiwi, text: str) -> None:
    (template,), sentences = analysed(kiwi, text)
    assert template == "!" + text
    assert sentences.original(template) == text


def test_clauses_can_be_cut_apart_in_speech(kiwi: Kiwi) -> None:
    (template,), sentences = analysed(
        kiwi, "창고의 재고가 자주 틀렸지만 두 달 동안 세어 오차를 줄였다."
    )
    formal = next(i for i, (ends, _) in enumerate(STYLES) if ends.get("formal") == 8)
    spoken = [sentences.spoken(Random(seed), template, formal, cut=1.0) for seed in range(20)]
    assert all(len(parts) == 2 for parts in spoken)
    assert any("틀렸습니다." in parts[0] for parts in spoken)
    assert all("오차를 줄였" in parts[1] for parts in spoken)
    whole = sentences.spoken(Random(0), template, formal, cut=0.0)
    assert len(whole) == 1 and "틀렸지만" in whole[0]


def test_every_form_of_a_predicate_stands_in_the_table(kiwi: Kiwi) -> None:
    (template,), sentences = analysed(kiwi, "회의를 저녁으로 옮겼습니다.")
    assert set(sentences.table) == {"V옮기/VV 었/EP", "V옮기/VV"}
    past, present = sentences.table["V옮기/VV 었/EP"], sentences.table["V옮기/VV"]
    assert past["plain"] == "옮겼다" and present["plain"] == "옮긴다"
    assert past["and"] == "옮겼고" and present["so"] == "옮겨서" and past["note"] == "옮겼음"
    assert set(FORMS) - set(past) == {"so"}  # "옮겼어서" is not said
    with pytest.raises(Unsayable):
        sentences.plain(template, "so")
