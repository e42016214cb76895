import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from common.console import UserError
from data.encode import encode_prompt
from data.prompts import build_prompt
from model.tokenizer import check_tokenizer, load_tokenizer
from tests.bases import VOCABULARY, metaspace, write_base
from tests.conftest import encode_row

TEXT = "동료와 의견이 달랐던 경험"


def changed(tokenizer: str, **parts: object) -> str:
    return json.dumps(json.loads(tokenizer) | parts)


def test_the_tokenizer_is_what_the_file_says(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    tokenizer = load_tokenizer(folder)
    truth = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in (TEXT, build_prompt("왜?", "네, 그렇습니다.")):
        assert tokenizer(text)["input_ids"] == truth.encode(text).ids
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    # The reason not to ask AutoTokenizer. When it learns to, this and `load_tokenizer` can go.
    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs(TEXT)["input_ids"] != truth.encode(TEXT).ids and len(theirs) > VOCABULARY


def test_special_tokens_come_from_the_config(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path))
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("</s>", 1)
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == ("<pad>", 3)
    assert tokenizer.unk_token == "<unk>" and len(tokenizer) == VOCABULARY
    assert check_tokenizer(tokenizer, VOCABULARY) == ""


def test_tokenizer_config_goes_before_the_config(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    for eos in ("<sys>", {"content": "<sys>", "special": True}):
        settings = {"eos_token": eos, "pad_token": "<never added>", "tokenizer_class": "Nonsense"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = load_tokenizer(folder)
        assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (4, 3)
        assert len(tokenizer) == VOCABULARY


def test_what_is_saved_tokenises_alike_for_us_and_for_transformers(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    before = load_tokenizer(folder)
    before.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_bytes((folder / "config.json").read_bytes())
    for after in (
        load_tokenizer(tmp_path / "saved"),
        AutoTokenizer.from_pretrained(tmp_path / "saved"),
    ):
        assert after(TEXT)["input_ids"] == before(TEXT)["input_ids"]
        assert (after.eos_token_id, after.pad_token_id) == (1, 3) and len(after) == VOCABULARY


def test_an_eos_beyond_the_vocabulary_gives_way_to_the_vocabularys_own(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path, eos_token_id=50256, pad_token_id=50256))
    assert (tokenizer.eos_token, tokenizer.eos_token_id, tokenizer.pad_token_id) == ("</s>", 1, 1)
    assert check_tokenizer(tokenizer, VOCABULARY) == ""


def test_without_eos_there_is_one_line(tmp_path: Path) -> None:
    text = metaspace().replace("</s>", "<nothing>")
    tokenizer = load_tokenizer(write_base(tmp_path, text, eos_token_id=None, pad_token_id=None))
    assert tokenizer.eos_token is None
    with pytest.raises(UserError, match="EOS"):
        check_tokenizer(tokenizer, VOCABULARY)


def test_an_id_beyond_the_rows_is_named(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path))
    tokenizer.add_tokens(["<추가>"])
    with pytest.raises(UserError, match=rf"<추가>.*{VOCABULARY:,}행"):
        check_tokenizer(tokenizer, VOCABULARY)


def test_a_vocabulary_without_newline_is_told_and_works(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path, metaspace(newline=False)))
    notice = check_tokenizer(tokenizer, VOCABULARY)
    assert "줄바꿈" in notice and "\n" not in notice
    answer = "저는 물류 창고에서 일했습니다. " * 40
    ids, kept = encode_prompt(tokenizer, "왜?", answer, 100)
    assert len(ids) <= 100 and answer.startswith(kept) and kept


def test_a_vocabulary_without_hangul_is_refused(tmp_path: Path) -> None:
    content = json.loads(metaspace())
    model = content["model"]
    english = [token for token in model["vocab"] if token.isascii() or token == "▁"]
    model |= {"vocab": {token: i for i, token in enumerate(english)}, "merges": []}
    content["added_tokens"] = [
        t | {"id": english.index(t["content"])} for t in content["added_tokens"]
    ]
    tokenizer = load_tokenizer(write_base(tmp_path, json.dumps(content)))
    with pytest.raises(UserError, match="한국어"):
        check_tokenizer(tokenizer, VOCABULARY)


def closing(*pieces: str) -> str:
    """KoGPT2's tokenizer with special tokens around each text."""
    tokenizer = Tokenizer.from_str(metaspace())
    tokens = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(
        " ".join(pieces), special_tokens=tokens
    )
    return tokenizer.to_str()


def test_bos_begins_an_example_and_not_its_summary(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path, closing("<s>", "$A")))
    assert check_tokenizer(tokenizer, VOCABULARY) == ""
    row = encode_row(tokenizer, "왜?", "네, 물류 일을 했습니다.", "물류 일을 했다.", 200)
    assert row.input_ids[0] == 0 and list(row.input_ids).count(0) == 1
    assert row.input_ids[-1] == 1 and list(row.input_ids).count(1) == 1


def test_a_tokenizer_that_closes_the_prompt_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_base(tmp_path, closing("$A", "</s>")))
    with pytest.raises(UserError, match="EOS로 닫아"):
        check_tokenizer(tokenizer, VOCABULARY)


def test_english_spacing_is_not_cleaned_up(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    settings = {"clean_up_tokenization_spaces": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer("했다 .")["input_ids"]) == "했다 ."


def test_without_tokenizer_json_the_other_files_serve(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast
) -> None:
    """GPT-2's first format: vocab.json and merges.txt."""
    write_base(tmp_path, vocab_size=300, eos_token_id=0, pad_token_id=None)
    (tmp_path / "tokenizer.json").unlink()
    byte_tokenizer.backend_tokenizer.model.save(str(tmp_path))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer(TEXT)["input_ids"] == byte_tokenizer(TEXT)["input_ids"]
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 0
