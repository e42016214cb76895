"""The page's server: one port, nothing fetched from elsewhere, nothing sent there."""

import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from chat.web.page import FILE_LIMIT, build
from chat.web.worker import Worker
from common.console import UserError
from common.files import newest
from infer.models import Models

# Fonts of the reader's machine: no file to load.
FONTS = ["Pretendard", "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic",
         "system-ui", "sans-serif"]  # fmt: skip
CSS = Path(__file__).with_name("page.css")

# Whatever a component of the page may want of another site, the browser refuses to ask for it.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:"
)

Application = Callable[[Any, Any, Any], Awaitable[None]]


def with_policy(app: Application) -> Application:
    """The ASGI application with the policy in the header of each answer; a client may leave."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", POLICY.encode())
                message = message | {"headers": [*message["headers"], header]}
            await send(message)

        with suppress(ClientDisconnect):  # who leaves during an upload is no mistake of ours
            await app(scope, receive, send_more)

    return answer


async def no_download(url: str, cache_dir: str) -> str:
    """In the place of gradio's own: a request may name an address where a file is meant."""
    raise gr.Error("CSV 파일을 올리세요.", print_exception=False)


def listen(host: str, port: int) -> socket.socket:
    """The one port that is opened.

    Raises:
        UserError: it cannot be had.
    """
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--port {port}: {host}에서 열 수 없습니다 ({error}). "
            f"다른 프로그램이 쓰고 있다면 --port {port % 60000 + 1}처럼 다른 번호를 주세요."
        ) from error


def serve(models: Models, host: str, port: int) -> None:
    """Serve until a signal.

    Raises:
        UserError: the port cannot be had, or the first model cannot be opened.
    """
    # uvicorn ends in good order, then raises the signal again: as Ctrl-C it cuts no cleaning up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    door = listen(host, port)
    worker = Worker()
    worker.call(lambda: models.open(models.best))

    def reports() -> list[Path]:
        return list(models.checkpoints.glob("*-lora/report.html"))

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/report")
    def report() -> FileResponse:
        if not (found := reports()):
            raise HTTPException(404, "보고서가 없습니다. make train을 먼저 실행하세요.")
        return FileResponse(newest(found))

    gr.processing_utils.async_ssrf_protected_download = no_download

    # What people upload is theirs: it goes when the server does.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # read as the page is built
        page = build(models, worker, report=bool(reports()))
        # gradio checks that a "file" a request names was uploaded only where it was launched.
        page.has_launched = True
        gr.mount_gradio_app(
            app,
            page,
            path="/",
            server_name=host,
            server_port=port,
            footer_links=[],
            run_history=False,
            max_file_size=FILE_LIMIT,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            theme=gr.themes.Default(font=FONTS, font_mono=["ui-monospace", "monospace"]),
            css_paths=[CSS],
            js="() => { document.documentElement.lang = 'ko' }",
        )
        print(f"페이지: http://{host}:{door.getsockname()[1]}  (끝내려면 Ctrl-C)", flush=True)
        config = uvicorn.Config(with_policy(app), log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[door])
