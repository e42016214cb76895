"""The models of a conversation: opened when they are first asked for, and kept open."""

from collections.abc import Callable
from pathlib import Path

import torch

from common.console import UserError
from infer.find import KINDS, command_for, default_kind, find_models, stale_notices
from infer.models import Opened, load_model

# Bytes of weights that stay open. Beyond them, the model that was used longest ago is closed.
OPEN_BYTES = 4 * 10**9


class Models:
    """The newest model of each kind under `checkpoints`.

    Not thread-safe: use it from one thread only.
    """

    def __init__(
        self, checkpoints: Path, device: torch.device, notice: Callable[[str], None] = print
    ) -> None:
        """`notice` is called with a line for each model that is older than the newest adapter.

        Raises:
            UserError: there is no model at all.
        """
        self.checkpoints = checkpoints
        self.device = device
        self.found = find_models(checkpoints)
        self.default = default_kind(self.found)
        self.opened: dict[str, Opened] = {}  # the most recently used one is last
        for text in stale_notices(self.found).values():
            notice(text)

    def check(self, kind: str) -> None:
        """Check that there is a model of this kind.

        Raises:
            UserError: there is no such kind, or no such model yet.
        """
        if kind not in KINDS:
            raise UserError(f"{kind}: 모르는 모델입니다. {', '.join(self.found)} 중에서 고르세요.")
        if kind not in self.found:
            raise UserError(
                f"{kind}: {self.checkpoints}에 없습니다. {command_for(kind)}로 만든 뒤 다시 여세요."
            )

    def open(self, kind: str) -> Opened:
        """The model of this kind and its tokenizer.

        Raises:
            UserError: there is no such model, or it cannot be opened.
        """
        self.check(kind)
        # `load_model` would take a folder that is gone for the name of a base.
        if kind != "base" and not Path(self.found[kind]).is_dir():
            raise UserError(
                f"{self.found[kind]}: 없어졌습니다. {command_for(kind)}로 다시 만드세요."
            )
        opened = self.opened.pop(kind, None) or load_model(self.found[kind], self.device)
        self.opened[kind] = opened
        while len(self.opened) > 1 and sum(map(weight_bytes, self.opened.values())) > OPEN_BYTES:
            del self.opened[next(iter(self.opened))]
        return opened


def weight_bytes(opened: Opened) -> int:
    """Bytes of a model's parameters."""
    return sum(parameter.nbytes for parameter in opened[0].parameters())
