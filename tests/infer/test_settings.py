import math
from dataclasses import fields

import pytest

from common.console import UserError, broken_rule, validate
from infer.settings import GREEDY, Decoding

NAMES = [field.name for field in fields(Decoding)]


def test_the_defaults_keep_their_rules_and_greedy_has_no_rule_of_ours() -> None:
    validate(Decoding())
    validate(GREEDY)
    assert list(vars(Decoding()).values()) == [120, 0.0, 0, 1.0, 1.0, 4, 0.5, 1, 42]
    assert list(vars(GREEDY).values()) == [120, 0.0, 0, 1.0, 1.0, 0, 0.0, 1, 42]


def test_a_change_is_a_copy_of_the_right_type() -> None:
    before = Decoding()
    after = before.changed("temperature", "0.7").changed("top_k", "5")
    assert after == Decoding(temperature=0.7, top_k=5) and before == Decoding()
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


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_help_and_a_rule_that_refuses_a_nan(name: str) -> None:
    assert Decoding.__dataclass_fields__[name].metadata["help"]
    broken = broken_rule(Decoding(**{name: math.nan}))
    assert broken is not None and broken[0] == name
