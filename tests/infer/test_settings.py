import math

import pytest

from common.console import UserError
from infer.generate import Sampling
from infer.settings import RULES, Decoding
from infer.summarize import DEFAULT, MAX_NEW_TOKENS


def test_the_default_is_what_the_summarizer_does() -> None:
    assert Decoding().sampling == DEFAULT and Decoding().max_new_tokens == MAX_NEW_TOKENS
    assert list(RULES) == list(vars(Decoding()))  # the page's sliders rely on the order


def test_a_change_is_a_copy_of_the_right_type() -> None:
    before = Decoding()
    after = before.changed("temperature", "0.7").changed("top_k", "5")
    assert after.sampling == Sampling(0.7, 5, no_repeat_ngram=4) and before == Decoding()
    assert isinstance(after.top_k, int)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("temprature", "1", "temperature"),  # the names there are
        ("temperature", "뜨겁게", "수를"),
        ("temperature", "", "수를"),
        ("top_k", "1.5", "정수를"),
        ("temperature", "-1", "0.01 이상"),
        ("temperature", "nan", "0.01 이상"),
        ("top_p", "0", "1 이하"),
        ("max_new_tokens", "0", "1 이상"),
        ("seed", str(2**63), "미만"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(name: str, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        Decoding().changed(name, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_refuses_a_nan(name: str) -> None:
    assert Decoding(**{name: math.nan}).broken is not None
