import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from common.console import UserError
from common.locks import exclusive, recover_if_idle
from tests.common.test_files import names


def hold(folder: Path, held: Any) -> None:
    with exclusive(folder):
        held.set()
        time.sleep(60)


def test_one_writer_a_folder_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, held))
    process.start()
    assert held.wait(60)
    (tmp_path / ".best.previous-ab").mkdir()
    with pytest.raises(UserError, match="다른 명령이"), exclusive(tmp_path):
        pass
    recover_if_idle(tmp_path)  # not while somebody is writing
    assert names(tmp_path) == [".best.previous-ab"]
    process.kill()
    process.join()
    recover_if_idle(tmp_path)
    assert names(tmp_path) == ["best"]
    with exclusive(tmp_path):
        pass
