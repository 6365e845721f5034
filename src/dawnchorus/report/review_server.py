"""The page to listen to a sample on, served to browsers of this machine: clips are cut as they are asked for, and each
answer is kept at once.

Other programs and pages in a browser can send requests here too. So every request has a random token in its address;
its Host is one of this machine's names, else a name of somebody else's was pointed here (DNS rebinding); what writes
says that it comes from the page (Origin), and is JSON, which no form of another page can send.
"""

from __future__ import annotations

import errno
import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dawnchorus.foundation.display_names import escaped, printable
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.spelling import composed
from dawnchorus.report import review_page
from dawnchorus.review.answers import Answer
from dawnchorus.review.kept import Kept, Refused

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")
MOST_BYTES = 100_000  # of a request; the page sends at most 100 answers together
SILENT_S = 30.0  # after which a connection is closed
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
# The page's own policy stands in it, with the hashes of its program and its style sheet.
POLICIES = {HTML: "frame-ancestors 'none'"}
NO_POLICY = "default-src 'none'; frame-ancestors 'none'"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Given(_Strict):
    """An answer as the page sends it; ``other`` and ``time`` as in reviews.csv."""

    clip: str
    answer: Literal["yes", "no", "unsure", "other"]
    other: Annotated[str, Field(max_length=200)]
    time: Annotated[
        str,
        Field(pattern="^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z$"),
    ]


class Exchange(_Strict):
    """What somebody answered, perhaps nothing, and which revision of the answers the page knows."""

    reviewer: Annotated[str, Field(max_length=60)]
    since: Annotated[int, Field(ge=0)]
    answers: list[Given]


class Refusal(Exception):
    """A request that is not answered: its status, and a line for who sent it."""

    def __init__(self, status: HTTPStatus, said: str):
        super().__init__(said)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves the page of the rows of sample.csv at ``address``; ``port`` 0 is any that is free."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, sample: Sequence[Mapping[str, Any]], show_score: bool, kept: Kept):
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            said = "taken by another program" if error.errno == errno.EADDRINUSE else error.strerror
            raise InputError(f"--port {port}: {said}; expected a free one, such as --port {port + 1}") from None
        self.sample, self.kept = {row["clip"]: row for row in sample}, kept
        self.page = review_page.served(sample, show_score).encode()
        self.token = secrets.token_urlsafe()
        self.hosts = {f"{name}:{self.server_port}" for name in HOSTS} | ({*HOSTS} if self.server_port == 80 else set())
        self.address = f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say a line of what went wrong with a connection; that a browser has gone is none."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"error: {type(error).__name__}: {escaped(one_line(error))}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    # As of http.server, a connection is of one request: what else somebody sends is none.
    server: Server
    timeout = SILENT_S

    def do_GET(self) -> None:
        self._answer(self._got)

    def do_POST(self) -> None:
        self._answer(self._posted)

    def _answer(self, made: Callable[[str], tuple[str, bytes]]) -> None:
        try:
            kind, content = made(self._wanted())
        except Refusal as error:
            self._send(error.status, TEXT, str(error).encode())
        except (ConnectionError, TimeoutError):
            raise
        except (InputError, OSError) as error:
            # Of the recordings and of the disk: the page shows it, and the terminal.
            said = printable(str(error))
            print(f"error: {escaped(said)}", file=sys.stderr)
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, said.encode(errors="replace"))
        else:
            self._send(HTTPStatus.OK, kind, content)

    def _wanted(self) -> str:
        """Return what a request asks for, behind the token."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            raise Refusal(HTTPStatus.FORBIDDEN, f"Host: expected one of {', '.join(sorted(self.server.hosts))}")
        before, token, wanted = parts if len(parts := self.path.split("/", 2)) == 3 else ("", "", "")
        if before or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise Refusal(HTTPStatus.FORBIDDEN, "expected the address that `dawnchorus review serve` said")
        return wanted

    def _got(self, wanted: str) -> tuple[str, bytes]:
        if not wanted:
            return HTML, self.server.page
        folder, _, clip = wanted.partition("/")
        if folder != "clips" or clip not in self.server.sample:
            raise Refusal(HTTPStatus.NOT_FOUND, "expected the page, or a clip of this sample")
        return JSON, json.dumps(review_page.card(self.server.sample[clip])).encode()

    def _posted(self, wanted: str) -> tuple[str, bytes]:
        if wanted != "answers":
            raise Refusal(HTTPStatus.NOT_FOUND, "expected answers")
        if self.headers.get_all("Origin", []) != [f"http://{self.headers['Host']}"]:
            raise Refusal(HTTPStatus.FORBIDDEN, "Origin: expected the page of this server")
        if self.headers.get_content_type() != JSON:
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {JSON}")
        try:
            asked = Exchange.model_validate_json(self._body())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "content"
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}") from None
        reviewer = composed(printable(asked.reviewer))
        if not reviewer:
            raise Refusal(HTTPStatus.BAD_REQUEST, "reviewer: expected the name of who answers")
        given = [Answer(of.clip, reviewer, of.answer, printable(of.other), of.time) for of in asked.answers]
        try:
            self.server.kept.take(reviewer, given)
        except Refused as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error)) from None
        revision, news = self.server.kept.since(reviewer, asked.since)
        said = [{"clip": of.clip, "answer": of.answer, "other": of.other, "time": of.time} for of in news]
        return JSON, json.dumps({"revision": revision, "answers": said}).encode()

    def _body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdecimal()):
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "Content-Length: expected the number of bytes")
        # Numbers of thousands of digits are no numbers for Python.
        if len(lengths[0]) > len(str(MOST_BYTES)) or int(lengths[0]) > MOST_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MOST_BYTES} bytes")
        return self.rfile.read(int(lengths[0]))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", POLICIES.get(kind, NO_POLICY))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request that there is an answer to, as :mod:`http.server` finds it."""
        self._send(HTTPStatus(code), TEXT, HTTPStatus(code).phrase.encode())

    def version_string(self) -> str:
        return "dawnchorus"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request: the token would be in every line."""
