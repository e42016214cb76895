"""Which tokens make up which characters of a text."""

from itertools import pairwise

from transformers import PreTrainedTokenizerBase


def characters(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[str, int]]:
    """Split `text` into the shortest pieces that are whole characters and whole tokens.

    A byte-level token may be a third of a Hangul syllable. The tokens of one character all have its
    offsets, by which they are found here. Returns (piece, number of tokens) pairs, whose pieces
    joined are `text`.
    """
    encoding = tokenizer(text, return_offsets_mapping=True, split_special_tokens=True)
    ends: list[int] = []  # where each piece ends in the text
    counts: list[int] = []  # how many tokens it has
    for start, end in encoding["offset_mapping"]:
        if ends and start < ends[-1]:  # the token continues the last character
            ends[-1] = max(ends[-1], end)
            counts[-1] += 1
        else:
            ends.append(end)
            counts.append(1)
    # Some tokenizers have no offsets for blanks: a piece begins where the one before it ended.
    cuts = [0, *ends[:-1], len(text)]
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    return list(zip(pieces, counts, strict=False))
