import unicodedata

from data.text import clean_text


def test_nfd_and_nfc_are_one_text() -> None:
    assert clean_text(unicodedata.normalize("NFD", " 한국어 ")) == "한국어"
    assert clean_text(None) == ""
