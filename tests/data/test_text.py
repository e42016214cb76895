import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from data.text import clean_text


def test_nfd_and_nfc_are_one_text() -> None:
    assert clean_text(unicodedata.normalize("NFD", " 한국어 ")) == "한국어"
    assert clean_text(None) == ""


def test_invisible_characters_are_removed() -> None:
    assert clean_text("\u202e가\u200b나\ufeff\x1b[2J\ud800\u2066") == "가나[2J"
    assert clean_text("👩\u200d💻 \t셋\n넷") == "👩\u200d💻 \t셋\n넷"  # emoji keep their joiners


@given(st.text(st.characters(), max_size=50))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    controls = {c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs")}
    assert controls <= set("\t\n\r\x85")
