"""The page's server: one port, nothing fetched from elsewhere, nothing sent there."""

import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from chat.models import Models
from chat.web.page import FILE_LIMIT, build
from chat.web.worker import Worker
from common.console import UserError
from infer.find import newest_report

# Fonts that the reader's machine has, so that none is loaded.
FONTS = ["Pretendard", "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic",
         "system-ui", "sans-serif"]  # fmt: skip
CSS = Path(__file__).with_name("page.css")

# The browser refuses to load anything from another site, whatever a component asks for.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:"
)

THIS_MACHINE = ["127.0.0.1", "localhost"]

Application = Callable[[Any, Any, Any], Awaitable[None]]


def with_policy(app: Application) -> Application:
    """Wrap an ASGI app: add the policy to every response, ignore clients that disconnect."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", POLICY.encode())
                message = message | {"headers": [*message["headers"], header]}
            await send(message)

        with suppress(ClientDisconnect):  # raised when a client leaves during an upload
            await app(scope, receive, send_more)

    return answer


def for_this_machine_alone(app: Application) -> Application:
    """Wrap an ASGI app: answer requests that name this machine, and refuse those of other sites.

    A site may let its own name resolve to 127.0.0.1 (DNS rebinding). The browser then takes the
    page for a part of the site, but it still sends the site's name as Host and Origin.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":  # the server's start and end are messages of another type
            origin = urlsplit(Headers(scope=scope).get("origin", "")).hostname
            if origin is not None and origin not in THIS_MACHINE:
                response = PlainTextResponse("다른 사이트의 요청은 받지 않습니다.", 403)
                return await response(scope, receive, send)
        await app(scope, receive, send)

    return TrustedHostMiddleware(answer, allowed_hosts=THIS_MACHINE)


async def no_download(url: str, cache_dir: str) -> str:
    """Replaces gradio's download: a request could give a URL in place of an uploaded file."""
    raise gr.Error("CSV 파일을 올리세요.", print_exception=False)


def listen(host: str, port: int) -> socket.socket:
    """Open the only port of the page.

    Raises:
        UserError: the port cannot be opened.
    """
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--port {port}: {host}에서 열 수 없습니다 ({error}). "
            f"다른 프로그램이 쓰고 있다면 --port {port % 60000 + 1}처럼 다른 번호를 주세요."
        ) from error


def serve(models: Models, host: str, port: int) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Raises:
        UserError: the port or the default model cannot be opened.
    """
    # uvicorn re-raises SIGTERM after a clean shutdown. As a KeyboardInterrupt it lets the finally
    # blocks run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port_socket = listen(host, port)
    worker = Worker()
    worker.call(lambda: models.open(models.default))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/report")
    def report() -> FileResponse:
        path = newest_report(models.checkpoints)
        if path is None:
            raise HTTPException(404, "보고서가 없습니다. make train을 먼저 실행하세요.")
        return FileResponse(path)

    gr.processing_utils.async_ssrf_protected_download = no_download

    # Uploads are personal data and are deleted with the server.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # read when the page is built
        page = build(models, worker, report=newest_report(models.checkpoints) is not None)
        # gradio checks only after a launch that the file which a request names was uploaded.
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
        address = f"http://{host}:{port_socket.getsockname()[1]}"
        print(f"페이지: {address}  (끝내려면 Ctrl-C)", flush=True)
        guarded = for_this_machine_alone(app) if host in THIS_MACHINE else app
        config = uvicorn.Config(
            with_policy(guarded), log_level="warning", timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[port_socket])
