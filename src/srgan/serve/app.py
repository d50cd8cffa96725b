"""The server's addresses: the page, the queue, results, and ``POST /enlarge`` for other programs.

Each request needs the token, and no part of a request is ever used as a path.
"""

import asyncio
import io
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from srgan.serve.answers import as_download, result_name, told, write_zip
from srgan.serve.networks import Networks
from srgan.serve.tasks import DONE, FAILED, Queue, QueueFullError, Task
from srgan.serve.wishes import Limits, Wish, read_wish
from srgan.serve.work import Work
from srgan.system.pages import page_template

_LONGEST_NAME = 300
_WATCH_S = 1.0  # how often a waiting client is checked for still being connected
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Server:
    """What the addresses do.

    Args:
        networks: Those for whole pictures.
        previews: Those for crops; others, so that a crop does not wait for a whole picture.
        folder: Where pictures and results lie as long as they are needed.
        token: What each request has to know.
        limits: What is accepted.
    """

    def __init__(self, networks: Networks, previews: Networks, *, folder: Path, token: str, limits: Limits) -> None:
        self._networks, self._folder, self._token, self._limits = networks, folder, token, limits
        self._work = Work(networks, previews, limits)
        self.queue = Queue(self._work.do, max_tasks=limits.max_tasks)

    def app(self) -> Starlette:
        """The application."""
        addresses = [
            ("GET", "/", self._page),
            ("POST", "/enlarge", self._enlarge),
            ("GET", "/tasks", self._list),
            ("POST", "/tasks", self._add),
            ("DELETE", "/tasks/{id}", self._remove),
            ("POST", "/tasks/{id}/again", self._again),
            ("GET", "/tasks/{id}/view", self._view),
            ("GET", "/tasks/{id}/crop", self._crop),
            ("GET", "/tasks/{id}/result", self._result),
            ("GET", "/results.zip", self._zip),
        ]
        routes = [Route(path, self._guarded(endpoint), methods=[method]) for method, path, endpoint in addresses]
        # To a name of somebody else's that leads here, nothing is answered.
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
        return Starlette(routes=routes, middleware=[hosts], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(self.queue.close)

    def _guarded(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for those who know the token, whose mistakes come back in words."""

        async def guarded(request: Request) -> Response:
            header = request.headers.get("authorization", "").removeprefix("Bearer ")
            given = request.query_params.get("token") or header
            if not secrets.compare_digest(given.encode(), self._token.encode()):
                return PlainTextResponse("Expected the token that srgan serve has printed, in ?token=.\n", 401)
            try:
                response = await endpoint(request)
            except HTTPException as error:
                response = PlainTextResponse(f"{error.detail}\n", error.status_code)
            except QueueFullError as error:
                response = PlainTextResponse(f"{error}\n", 503, {"Retry-After": "10"})
            except ValueError as error:
                response = PlainTextResponse(f"{error}\n", 400)
            except OSError as error:
                response = PlainTextResponse(f"This cannot be stored here: {error.strerror or error}.\n", 507)
            except ClientDisconnect:
                response = Response(status_code=400)  # to nobody
            response.headers.update(_HEADERS)
            return response

        return guarded

    async def _page(self, request: Request) -> Response:
        nonce = secrets.token_urlsafe(12)
        page = page_template("serve.html").render(
            nonce=nonce,
            weights=self._networks.names,
            start={"blended": self._networks.blended, "token": self._token, "maxBytes": self._limits.max_bytes},
        )
        policy = (
            f"default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; style-src 'nonce-{nonce}';"
            f" script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def _list(self, request: Request) -> Response:
        tasks = [told(task) for task in self.queue.listed()]
        return JSONResponse({"tasks": tasks, "remaining_s": self.queue.remaining()})

    async def _add(self, request: Request) -> Response:
        task = await self._received(request, listed=True)
        self.queue.add(task)
        return JSONResponse(told(task), 201)

    async def _enlarge(self, request: Request) -> Response:
        """A picture in, the larger one back, without a trace in the queue."""
        task = await self._received(request, listed=False)
        if task.state == FAILED:
            self.queue.remove(task)
            raise HTTPException(422, task.message)
        self.queue.add(task)
        over = asyncio.wrap_future(task.over)
        try:
            while not (await asyncio.wait({over}, timeout=_WATCH_S))[0]:
                if await request.is_disconnected():
                    raise ClientDisconnect
        except BaseException:
            self.queue.remove(task)
            raise
        if task.state != DONE:
            self.queue.remove(task)
            raise HTTPException(422, task.message or "The picture could not be enlarged.")
        assert task.result is not None
        return FileResponse(
            task.result,
            headers=as_download(result_name(task)),
            background=BackgroundTask(self.queue.remove, task),
        )

    async def _again(self, request: Request) -> Response:
        task, wish = self._task(request), self._wish(request)
        with _called(task):
            tiles = await run_in_threadpool(self._work.tiles, task.source, wish)
        self.queue.again(task, wish, tiles=tiles)
        return JSONResponse(told(task))

    async def _remove(self, request: Request) -> Response:
        self.queue.remove(self._task(request))
        return Response(status_code=204)

    async def _view(self, request: Request) -> Response:
        task = self._done(request)
        try:
            with _called(task):
                return JSONResponse(await run_in_threadpool(self._work.view, task))
        except MemoryError as error:
            raise HTTPException(507, f"{task.name} is too large to be shown: {error}. It can be downloaded.") from error

    async def _crop(self, request: Request) -> Response:
        task, wish = self._task(request), self._wish(request)
        try:
            left, top, width, height = (int(request.query_params[name]) for name in ("x", "y", "width", "height"))
        except (KeyError, ValueError):
            raise ValueError("Expected x, y, width and height as whole numbers, in pixels of the picture.") from None
        make = partial(self._work.crop, task, wish, left=left, top=top, width=width, height=height)
        encoded = io.BytesIO()
        with _called(task):
            (await run_in_threadpool(make)).save(encoded, "PNG")
        return Response(encoded.getvalue(), media_type="image/png")

    async def _result(self, request: Request) -> Response:
        task = self._done(request)
        assert task.result is not None
        return FileResponse(task.result, headers=as_download(result_name(task)))

    async def _zip(self, request: Request) -> Response:
        done = [task for task in self.queue.listed() if task.result is not None]
        if not done:
            raise HTTPException(404, "Nothing is done yet.")
        path = self._folder / f"{secrets.token_hex(8)}.zip"
        await run_in_threadpool(write_zip, path, done)
        delete = BackgroundTask(path.unlink, missing_ok=True)
        return FileResponse(path, headers=as_download("enlarged.zip"), background=delete)

    async def _received(self, request: Request, *, listed: bool) -> Task:
        """The picture of a request as a task; one that has failed if it cannot be read."""
        self.queue.require_room()
        wish = self._wish(request)
        name = request.query_params.get("name", "")[-_LONGEST_NAME:] or "picture"
        file = tempfile.NamedTemporaryFile(dir=self._folder, prefix="in-", delete=False)  # noqa: SIM115
        source = Path(file.name)
        try:
            with file:
                await self._store(request, file.write)
            task = Task(name, source, 0, wish, listed=listed)
            try:
                with _called(task):
                    task.tiles = await run_in_threadpool(self._work.tiles, source, wish)
            except ValueError as error:
                task.state, task.message = FAILED, str(error)
        except BaseException:
            source.unlink(missing_ok=True)
            raise
        return task

    async def _store(self, request: Request, write: Callable[[bytes], object]) -> None:
        limit, total = self._limits.max_bytes, 0
        too_large = HTTPException(413, f"Expected at most {limit} bytes, and this is more.")
        if int(request.headers.get("content-length") or 0) > limit:
            raise too_large
        async for chunk in request.stream():
            total += len(chunk)
            if total > limit:
                raise too_large
            write(chunk)
        if not total:
            raise ValueError("Expected a picture as the body of the request, and nothing came.")

    def _wish(self, request: Request) -> Wish:
        return read_wish(request.query_params, weights=self._networks.names, blended=self._networks.blended)

    def _task(self, request: Request) -> Task:
        task = self.queue.get(request.path_params["id"])
        if task is None:
            raise HTTPException(404, "There is no such picture any more.")
        return task

    def _done(self, request: Request) -> Task:
        task = self._task(request)
        if task.result is None:
            raise HTTPException(409, f"{task.name} is not done: {task.message or task.state}")
        return task


@contextmanager
def _called(task: Task) -> Iterator[None]:
    """Have mistakes name a picture as its sender does, not by where it lies."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace(str(task.source), task.name)) from error
