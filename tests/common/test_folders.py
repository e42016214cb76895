from pathlib import Path

import pytest

from common.folders import output_folder, short_name


def test_short_names() -> None:
    assert short_name("skt/kogpt2-base-v2") == "kogpt2-base-v2"
    assert short_name("checkpoints/ko-gpt2-mini") == "ko-gpt2-mini"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("lora", "gpt2-lora"),
        ("merged", "gpt2-merged"),
        ("8bit", "gpt2-bnb-8bit"),
        ("4bit", "gpt2-bnb-4bit"),
    ],
)
def test_the_folders_of_each_kind(kind: str, name: str) -> None:
    assert output_folder(Path("out"), "openai/gpt2", kind) == Path("out") / name
