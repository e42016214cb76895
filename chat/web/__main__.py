"""`python -m chat.web`: the same models on a page in the browser."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from chat.models import Models
from common.console import UserError, option, parse_options, run
from infer.find import KINDS
from infer.settings import MEMORY_ADVICE
from model.device import pick_device


@dataclass
class WebOptions:
    """Options of the command."""

    host: str = option("127.0.0.1", "여는 주소. 같은 네트워크의 다른 기기에도 보이려면 0.0.0.0")
    port: int = option(7860, "여는 포트")
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    device: str = option("auto", "auto, cuda, mps, cpu")


def main() -> None:
    options = parse_options(WebOptions, "python -m chat.web", "모델을 웹 페이지로 엽니다.")
    if find_spec("gradio") is None:
        raise UserError(
            "페이지에 필요한 gradio가 없습니다. make web을 쓰거나 "
            "pip install -r requirements-web.txt를 실행하세요."
        )
    from chat.web.server import serve  # imported late: gradio may be missing

    models = Models(options.output_dir, pick_device(options.device))
    print(f"모델: {', '.join(KINDS[kind] for kind in models.found)} ({models.device.type})")
    try:
        serve(models, options.host, options.port)
    except KeyboardInterrupt:
        print("\n페이지를 닫았습니다.")


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
