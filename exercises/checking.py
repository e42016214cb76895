"""Compare what a reader's function gave with what it should give, and name the mistake."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Wrong(Exception):
    """What is wrong with a reader's answer: one Korean line."""


def expect(condition: bool, diagnosis: str) -> None:
    """Raise `Wrong` with the diagnosis unless the condition holds."""
    if not condition:
        raise Wrong(diagnosis)


def compare(
    name: str,
    got: object,
    want: Tensor,
    mistakes: Mapping[str, Tensor | list[Tensor]] | None = None,
) -> None:
    """Raise `Wrong` unless the tensor `got` is `want`, up to rounding.

    `name` is what the tensor is called in the task. `mistakes` are the wrong tensors that common
    mistakes give, by their diagnoses: where `got` is one of them, its diagnosis is the message.
    """
    if not isinstance(got, Tensor):
        raise Wrong(f"{name}: Tensor가 아니라 {kind_of(got)}")
    if same(got, want) and got.dtype == want.dtype:
        return
    for diagnosis, wrong in (mistakes or {}).items():
        for tensor in wrong if isinstance(wrong, list) else [wrong]:
            if same(got, tensor) and not same(tensor, want):
                raise Wrong(diagnosis)
    raise Wrong(f"{name}: {difference(got, want)}")


def unpack(names: Sequence[str], got: object) -> list[object]:
    """The values that a function returned, as many as there are names."""
    together = ", ".join(names)
    if not isinstance(got, tuple | list):
        raise Wrong(f"{together}: 값 {len(names)}개를 차례로 돌려주어야 하는데 {kind_of(got)}")
    expect(
        len(got) == len(names),
        f"{together}: 값 {len(names)}개여야 하는데 {len(got)}개를 돌려주었습니다",
    )
    return list(got)


def kind_of(got: object) -> str:
    """The Korean phrase for a value of the wrong type."""
    if got is None:
        return "None을 돌려주었습니다. return을 잊지 않았나요?"
    return f"{type(got).__name__}을(를) 돌려주었습니다"


def same(got: Tensor, want: Tensor) -> bool:
    """Whether two tensors have one shape and the same numbers, up to rounding."""
    return got.shape == want.shape and bool(close(got, want).all())


def close(got: Tensor, want: Tensor) -> Tensor:
    """Where two tensors of one shape are equal, up to what another order of the sums may change."""
    half = want.dtype in (torch.float16, torch.bfloat16)  # rounds in the third digit
    got, want = got.detach().double(), want.detach().double()
    largest = float(want[want.isfinite()].abs().amax()) if want.isfinite().any() else 0.0
    rtol, atol = (2e-2, 2e-2 * largest) if half else (1e-4, 1e-5 * largest)
    return torch.isclose(got, want, rtol, atol)


def difference(got: Tensor, want: Tensor) -> str:
    """How `got` differs from `want`, in Korean: shape, dtype, nan, a factor, or the first place."""
    if got.shape != want.shape:
        flipped = ". 행과 열이 뒤바뀌었습니다" if got.shape == want.shape[::-1] else ""
        return f"모양이 {tuple(want.shape)}이어야 하는데 {tuple(got.shape)}입니다{flipped}"
    if same(got, want):
        return f"값은 맞지만 dtype이 {want.dtype}이어야 하는데 {got.dtype}입니다"
    if got.isnan().any():
        return f"{int(got.isnan().sum())}곳이 nan입니다"
    finite = (got.isfinite() & want.isfinite()).detach()
    x, y = got.detach()[finite].double(), want.detach()[finite].double()
    factor = float((x * y).sum() / (y * y).sum().clamp(min=1e-30))
    if factor and same(got, factor * want):
        return f"모든 값이 정답의 {factor:.4g}배입니다"
    if got.dim() == 2 and same(got, want.T):
        return "값이 모두 전치(.T)한 자리에 있습니다"
    apart = ~close(got, want)
    place = apart.nonzero()[0].tolist()
    text = f"{place}에서 정답 {shown(want, place)}, 낸 값 {shown(got, place)}"
    rows = apart.flatten(1).any(dim=1) if got.dim() > 1 else apart[:0]
    if 0 < int(rows.sum()) < len(rows):
        right, wrong = (~rows).nonzero()[0].item(), rows.nonzero()[0].item()
        text = f"{right}번 행은 맞고 {wrong}번 행은 틀립니다. {text}"
    return text


def shown(tensor: Tensor, place: Sequence[int]) -> str:
    """The number at a place, in four digits."""
    return f"{tensor[tuple(place)].item():.4g}"
