from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from data.tokens import characters

TEXT = st.text(st.sampled_from("가나뷁a1 🙂👩\u200d💻\n.\ufffd<|>"), max_size=60)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=TEXT)
def test_pieces_are_whole_characters_and_whole_tokens(
    byte_tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    ids = byte_tokenizer(text, split_special_tokens=True)["input_ids"]
    pieces = characters(byte_tokenizer, text)
    assert "".join(piece for piece, _ in pieces) == text
    assert sum(tokens for _, tokens in pieces) == len(ids)
    # The decoder is the independent truth: a piece's tokens alone decode to it, and no fewer do.
    start = 0
    for piece, tokens in pieces:
        group = ids[start : start + tokens]
        assert byte_tokenizer.decode(group) == piece
        for length in range(1, 1 if "\ufffd" in piece else tokens):
            assert not piece.startswith(byte_tokenizer.decode(group[:length]))
        start += tokens


def test_a_rare_syllable_is_one_piece_of_three_tokens(
    byte_tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert characters(byte_tokenizer, "뷁a") == [("뷁", 3), ("a", 1)]
    assert characters(byte_tokenizer, "") == []
