"""The page's server, as programs meet it: gradio_client, curl, and who looks at its sockets."""

import http.server
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch

from chat.models import Models
from common.console import UserError
from infer.models import load_model
from infer.settings import Decoding
from infer.summarize import Summarizer
from tests.chat.web.site import ROOT, Site, serving

gradio_client = pytest.importorskip("gradio_client", reason="needs requirements-web.txt")
from chat.web.page import SLIDERS  # noqa: E402
from chat.web.server import listen  # noqa: E402

QUESTION = "동료와 의견이 달랐던 경험은?"
ANSWER = "편의점에서 점장과 발주 방식을 두고 의견이 갈렸습니다. 기록을 모아 보여 드렸습니다."


def summary(checkpoints: Path, name: str, tokens: int = 120, answer: str = ANSWER) -> str:
    device = torch.device("cpu")
    path = Models(checkpoints, device).found[name]
    summarizer = Summarizer(*load_model(path, device), Decoding(max_new_tokens=tokens))
    return summarizer.summarize([QUESTION], [answer])[0]


@pytest.fixture(scope="module")
def client(site: Site) -> Any:
    return gradio_client.Client(site.address, verbose=False)


def test_a_program_gets_the_summary_as_it_grows(client: Any, checkpoints: Path) -> None:
    texts = list(client.submit(QUESTION, ANSWER, api_name="/summarize"))
    whole = summary(checkpoints, "4bit")
    assert texts[-1] == whole and len({*texts} - {""}) > 1
    assert all(whole.startswith(text) for text in texts)


def test_a_program_chooses_model_and_settings(client: Any, checkpoints: Path) -> None:
    settings = {"max_new_tokens": 10}
    text = client.predict(QUESTION, ANSWER, "lora", settings, api_name="/summarize")
    assert text == summary(checkpoints, "lora", 10)
    assert text == client.predict(
        settings=settings, model="lora", answer=ANSWER, question=QUESTION, api_name="/summarize"
    )


def test_every_setting_has_a_slider_that_reaches_its_default() -> None:
    defaults = vars(Decoding())
    assert list(SLIDERS) == list(defaults)
    for name, (low, high, _) in SLIDERS.items():
        assert low <= defaults[name] <= high, name


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example:{port}"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
    ],
)
def test_the_page_answers_to_its_own_names_only(
    site: Site, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(port=site.port) for name, value in headers.items()}
    for path in ("/", "/gradio_api/info"):
        assert httpx.get(site.address + path, headers=sent).status_code == status


def test_one_function_is_for_programs(client: Any) -> None:
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/summarize"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("", ANSWER), "모두 적으세요"),
        ((QUESTION, "\u200b "), "모두 적으세요"),
        ((None, ANSWER), "모두 적으세요"),
        ((QUESTION, "가" * 20_000), "20,000자"),
        (("질" * 1_001, ANSWER), "1,000자까지"),
        ((QUESTION, ANSWER, "gpt5"), "모르는 모델"),
        ((QUESTION, ANSWER, "base", {"temperature": 1000.0}), "temperature"),
        ((QUESTION, ANSWER, "base", {"max_new_tokens": 0}), "1 이상"),
        ((QUESTION, ANSWER, "base", {"temperature": "뜨겁게"}), "수를 적으세요"),
        ((QUESTION, ANSWER, "base", {"max_new_tokens": None}), "정수를 적으세요"),
        ((QUESTION, ANSWER, "base", {"temprature": 1}), "모르는 설정"),
        ((QUESTION, ANSWER, "base", [0.5]), "이름: 값"),
        (("뷁" * 1_000, ANSWER), "문맥"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    client: Any, arguments: tuple[Any, ...], says: str
) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=says) as error:
        client.predict(*arguments, api_name="/summarize")
    assert "\n" not in str(error.value)


def test_32_clients_at_once_all_get_their_own_answer(site: Site, checkpoints: Path) -> None:
    short = {"max_new_tokens": 8}
    answers = [f"{i}년 동안 {ANSWER}" for i in range(32)]

    def visit(answer: str) -> str:
        one = gradio_client.Client(site.address, verbose=False)
        return str(one.predict(QUESTION, answer, "base", short, api_name="/summarize"))

    with ThreadPoolExecutor(32) as visitors:
        texts = list(visitors.map(visit, answers))
    device = torch.device("cpu")
    model = load_model(Models(checkpoints, device).found["base"], device)
    summarizer = Summarizer(*model, Decoding(max_new_tokens=8))
    assert texts == summarizer.summarize([QUESTION] * 32, answers)


@pytest.mark.parametrize("readme", ["README.md", "README.en.md"])
def test_the_readme_s_call(site: Site, checkpoints: Path, readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n([^`]*gradio_api[^`]*)```", text)
    script = block.replace("127.0.0.1:7860", f"127.0.0.1:{site.port}")
    result = subprocess.run(["bash", "-ec", script], capture_output=True, encoding="utf-8")
    assert result.returncode == 0 and "event: complete" in result.stdout, result.stderr


def test_it_opens_its_own_port_and_talks_to_this_machine_alone(site: Site, client: Any) -> None:
    client.predict(QUESTION, ANSWER, "base", {"max_new_tokens": 1}, api_name="/summarize")
    process = psutil.Process(site.pid)
    sockets = [s for p in (process, *process.children(True)) for s in p.net_connections("inet")]
    listening = [s.laddr for s in sockets if s.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", site.port)]
    assert {s.raddr.ip for s in sockets if s.raddr} <= {"127.0.0.1"}


def test_what_the_browser_is_told(site: Site, checkpoints: Path) -> None:
    with urllib.request.urlopen(f"{site.address}/") as answer:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        text = answer.read().decode()
    assert 'analytics_enabled":false' in text and "면접 요약기" in text
    with urllib.request.urlopen(f"{site.address}/report") as answer:
        assert answer.read() == (checkpoints / "ko-gpt2-mini-lora" / "report.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    ["/docs", "/gradio_api/file=requirements.txt", "/gradio_api/file=/etc/passwd"],
)
def test_what_it_does_not_give_away(site: Site, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(site.address + path)


def test_a_file_is_what_was_uploaded(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("question,answer,salary-of-the-boss\n1,2,3\n", encoding="utf-8")
    asked: list[str] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    elsewhere = http.server.HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    api = f"{site.address}/gradio_api"
    calls = httpx.get(f"{site.address}/config").json()["dependencies"]
    (call,) = [call for call in calls if call["api_name"] == "summarize_file"]
    for path in (str(secret), f"http://127.0.0.1:{elsewhere.server_port}/x.csv"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        data = ["base", 120, 0, 0, 1, 1, 4, 0.5, 1, 42, file]  # in the order of the components
        body = {"data": data, "fn_index": call["id"], "session_hash": "x"}
        assert httpx.post(f"{api}/run/{call['api_name']}", json=body).status_code >= 400
        httpx.post(f"{api}/queue/join", json=body).raise_for_status()
        events = httpx.get(f"{api}/queue/data", params={"session_hash": "x"}, timeout=60).text
        assert '"success":false' in events and "salary" not in events
        assert "올리세요" in events or path.startswith("/")
    elsewhere.shutdown()
    assert not asked


@pytest.mark.parametrize("port", [None, 70_000, -1])
def test_a_port_that_cannot_be_had(port: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if port is None else port
        with pytest.raises(UserError, match=f"--port {port}: ") as error:
            listen("127.0.0.1", port)
    (hint,) = re.findall(r"--port (\d+)처럼", str(error.value))
    assert 0 < int(hint) < 2**16 and int(hint) != port


def leave_during_an_upload(site: Site) -> None:
    """Half of a request, then nothing: a tab closed, a network gone."""
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    part = '--b\r\nContent-Disposition: form-data; name="files"; filename="half.csv"\r\n\r\nque'
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall((head + part).encode())
        time.sleep(0.5)  # until the server is reading


def test_what_was_uploaded_goes_when_the_server_does(
    checkpoints: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(checkpoints, TMPDIR=str(tmp_path)) as site:
        leave_during_an_upload(site)
        (path,) = httpx.post(
            f"{site.address}/gradio_api/upload", files={"files": ("my.csv", b"question,answer\n")}
        ).json()
        assert Path(path).read_bytes() and Path(path).is_relative_to(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "Traceback" not in capfd.readouterr().err
