"""The web page: its routes, and the server of `run_app`."""

import errno
import html
import importlib.util
import ipaddress
import json
import logging
import os
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from numbers import Integral
from types import SimpleNamespace

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._disk_cache import disable_caches
from sk_posters._base._optional import explain_missing, import_optional
from sk_posters.app._guard import Guard, write_policy
from sk_posters.app._limits import Slots, find_network, limit_time, make_protocol
from sk_posters.app._showcase import Showcase
from sk_posters.app._uploads import MAX_BYTES, Refused, keep_upload, limit_bytes
from sk_posters.app._worker import Worker
from sk_posters.exceptions import PosterFileError

__all__ = ["make_app", "run_app"]

# The page is written by hand: gradio would bring 30 packages, and calls home.

PURPOSE = "The web page"
# After Ctrl-C, requests that are not finished by then are dropped.
SHUTDOWN_SECONDS = 0.5
NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
# What the rest of an upload would be read for.
CUT_OFF = {408, 413, 503, 507}


def make_app(
    model,
    *,
    posters=None,
    target=None,
    label_names=None,
    hosts=(),
    trusted=(),
):
    """Make a web page that predicts the genres of a poster.

    The page shows the probability of each genre as a bar, a saliency map of each genre,
    and the most similar training posters. It loads nothing from elsewhere, and stores
    no poster. :func:`run_app` serves it.

    Parameters
    ----------
    model : estimator, str or path-like
        A fitted pipeline that takes paths and has `predict_proba`, or a file that
        :func:`~sk_posters.save_model` wrote.
    posters : array-like of str or path-like, default=None
        Training posters, of which the page shows the nearest; for models that begin
        with a :class:`~sk_posters.PosterEncoder`. Images in memory are taken as well.
        None shows none.
    target : array-like of shape (n_posters, n_labels), default=None
        True labels of `posters`, 0 or 1, which are shown below the nearest posters: a
        DataFrame whose columns have names, or an array with the columns of the model.
    label_names : array-like of str, default=None
        Names of the labels. None takes those of the model, or of its file.
    hosts : list of str, default=()
        Host names under which the page can be opened, in addition to ``localhost`` and
        IP addresses. Other names are refused, because another website could point a
        name of its own to this server.
    trusted : list of str, default=()
        Dotted names of further types in the file, as in
        :func:`~sk_posters.load_model`.

    Returns
    -------
    starlette.applications.Starlette
        An ASGI application, for any server. ``GET /`` returns the page; ``POST
        /predict`` and ``POST /explain`` return JSON, see ``docs/guide/app.md``.

    Raises
    ------
    TypeError
        If the model predicts no probabilities.
    ValueError
        If `label_names` does not fit the model, or `target` the posters.
    ImportError
        If a package is missing: ``pip install "sk-posters[app]"``.

    See Also
    --------
    run_app : Make the page and serve it.

    Examples
    --------
    >>> from sk_posters import make_poster_pipeline
    >>> from sk_posters.app import make_app
    >>> from sk_posters.datasets import make_posters
    >>> posters = make_posters(12, n_labels=3, random_state=0, data_home="posters")
    >>> pipe = make_poster_pipeline(image_size=(64, 48))
    >>> pipe = pipe.fit(posters.data, posters.target)
    >>> app = make_app(pipe, label_names=posters.target_names)
    >>> [route.path for route in app.routes]
    ['/', '/predict', '/explain']
    """
    starlette = _load_starlette()
    showcase = Showcase(
        model,
        posters=posters,
        target=target,
        label_names=label_names,
        trusted=trusted,
    )
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    views = _Views(showcase, page, starlette)
    make_route = starlette.routing.Route
    make_middleware = starlette.middleware.Middleware
    return starlette.applications.Starlette(
        routes=[
            make_route("/", views.show_page),
            make_route("/predict", views.predict, methods=["POST"]),
            make_route("/explain", views.explain, methods=["POST"]),
        ],
        middleware=[make_middleware(Guard, hosts=hosts, policy=write_policy(page))],
        exception_handlers={
            Refused: views.explain_refusal,
            starlette.exceptions.HTTPException: views.explain_http_error,
            starlette.requests.ClientDisconnect: views.explain_disconnect,
        },
    )


def _load_starlette():
    """Return the modules of Starlette that the page uses."""
    import_optional("starlette", extra="app", purpose=PURPOSE)
    if importlib.util.find_spec("python_multipart") is None:
        raise explain_missing("python-multipart", extra="app", purpose=PURPOSE)
    names = ["applications", "exceptions", "middleware", "requests", "responses"]
    names += ["routing"]
    modules = {name: importlib.import_module(f"starlette.{name}") for name in names}
    return SimpleNamespace(**modules)


@validate_params(
    {"port": [Interval(Integral, 0, 65535, closed="both")]},
    prefer_skip_nested_validation=False,
)
def run_app(
    model_file,
    *,
    posters=None,
    target=None,
    host="127.0.0.1",
    port=7860,
    trusted=(),
):
    """Serve the web page of :func:`make_app` until Ctrl-C.

    Parameters
    ----------
    model_file : str or path-like
        A file that :func:`~sk_posters.save_model` wrote; :func:`make_app` also takes
        fitted pipelines.
    posters : array-like of str or path-like, default=None
        Paths of training posters, of which the page shows the nearest.
    target : array-like of shape (n_posters, n_labels), default=None
        True labels of `posters`, as in :func:`make_app`.
    host : str, default="127.0.0.1"
        Address to listen on. The default can be reached from this computer only; any
        other prints a warning, because the page asks for no password and is not
        encrypted.
    port : int, default=7860
        Port to listen on; 0 takes any free port.
    trusted : list of str, default=()
        Dotted names of further types in the file, as in
        :func:`~sk_posters.load_model`.

    Raises
    ------
    OSError
        If the server cannot listen on the address.
    ValueError
        If `port` is out of range, or `target` does not fit the posters.
    ImportError
        If a package is missing: ``pip install "sk-posters[app]"``.
    ModelFileError
        If the model cannot be loaded. It is a ValueError.

    See Also
    --------
    make_app : Make the page for a server of your own.

    Examples
    --------
    >>> from sk_posters.app import run_app
    >>> run_app("genres.model")  # doctest: +SKIP
    sk_posters shows genres.model at http://127.0.0.1:7860 (Ctrl-C ends it)
    """
    uvicorn = import_optional("uvicorn", extra="app", purpose=PURPOSE)
    with _listen(host, port) as listener:
        # On a network, the page may be opened under the name of this machine.
        hosts = [] if _is_loopback(host) else [host, socket.gethostname()]
        app = make_app(
            model_file, posters=posters, target=target, hosts=hosts, trusted=trusted
        )
        if hosts:
            print(
                f"Warning: {host} can be reached from other computers. The page asks "
                "for no password and is not encrypted. host='127.0.0.1' keeps others "
                "out.",
                flush=True,
            )
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        shown = _escape(os.fspath(model_file))
        print(f"sk_posters shows {shown} at {url} (Ctrl-C ends it)", flush=True)
        config = uvicorn.Config(
            app,
            log_config=None,  # Its default resets the logging of the whole process.
            log_level="warning",
            server_header=False,
            ws="none",
            lifespan="off",
            http=make_protocol(),
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        server = uvicorn.Server(config)
        # uvicorn raises it again after its shutdown.
        with suppress(KeyboardInterrupt), _quiet_at_the_end(server):
            server.run(sockets=[listener])


@contextmanager
def _quiet_at_the_end(server):
    """Let uvicorn tell no errors of the requests that Ctrl-C has dropped."""
    logger = logging.getLogger("uvicorn.error")

    def is_told(record):
        return not server.should_exit

    logger.addFilter(is_told)
    try:
        yield
    finally:
        logger.removeFilter(is_told)


def _escape(text):
    """Return a path as text that can be encoded, whatever its bytes."""
    return text.encode(errors="backslashreplace").decode()


def _listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"The web page cannot listen on host={host!r}, port={port!r} "
            f"({error.strerror}). Use the default host, or another port: 0 takes any "
            "free port."
        ) from error


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class _Views:
    """What the three routes return, as pages or JSON."""

    def __init__(self, showcase, page, starlette):
        self._showcase = showcase
        self._page = (
            page.replace("{{title}}", html.escape(_escape(showcase.title)))
            .replace("{{max_bytes}}", str(MAX_BYTES))
            .replace("{{max_megabytes}}", f"{MAX_BYTES / 1e6:g}")
        )
        self._starlette = starlette
        self._worker = Worker()
        self._slots = Slots()

    async def show_page(self, request):
        return self._starlette.responses.HTMLResponse(self._page)

    async def predict(self, request):
        return await self._process(
            request, lambda path, form: self._showcase.predict(path)
        )

    async def explain(self, request):
        return await self._process(
            request, lambda path, form: self._showcase.explain(path, form.get("label"))
        )

    async def explain_refusal(self, request, error):
        return self._respond({"error": error.message}, error.status)

    async def explain_http_error(self, request, error):
        return self._respond({"error": f"{error.detail}."}, error.status_code)

    async def explain_disconnect(self, request, error):
        return self._respond({"error": "The upload was cut off."}, 400)

    async def _process(self, request, function):
        """Return as JSON what a function makes of the poster in a request's form."""
        client = request.scope.get("client")
        with _refuse_faults(), self._slots.take(client):
            receive = limit_bytes(limit_time(request.receive), request.headers)
            request = type(request)(request.scope, receive)
            async with self._read_form(request) as form:
                if not hasattr(form.get("file"), "filename"):
                    raise Refused(
                        400,
                        "Send one poster, as the field 'file' of multipart/form-data.",
                    )
                return self._respond(
                    await self._worker.run(
                        lambda: _apply(function, form), find_network(client)
                    )
                )

    @asynccontextmanager
    async def _read_form(self, request):
        # Starlette decodes with it, and some of Python's encodings take minutes.
        if _find_charset(request) not in ("utf-8", "utf8"):
            raise Refused(400, "Send the form in UTF-8, or say no charset.")
        try:
            form = await request.form(max_files=1, max_fields=1)
        except (LookupError, ValueError) as error:  # An encoding that there is not.
            raise Refused(400, f"The form cannot be read ({error}).") from error
        try:
            yield form
        finally:
            await form.close()

    def _respond(self, content, status=200):
        # In ASCII: names need not be text that can be encoded.
        headers = {"connection": "close"} if status in CUT_OFF else None
        return self._starlette.responses.Response(
            json.dumps(content, separators=(",", ":")),
            status,
            headers,
            "application/json",
        )


def _find_charset(request):
    """Return the charset of a form, read as Starlette reads it."""
    from python_multipart.multipart import parse_options_header

    _, options = parse_options_header(request.headers.get("content-type", ""))
    return options.get(b"charset", b"utf-8").decode("latin-1").lower()


def _apply(function, form):
    upload = form["file"]
    with disable_caches(), keep_upload(upload.file, upload.filename) as path:
        return function(path, form)


@contextmanager
def _refuse_faults():
    """Let an error of the machine say what the visitor can do."""
    try:
        yield
    except PosterFileError:
        raise
    except MemoryError as error:
        raise Refused(503, "The server has no memory left. Try again.") from error
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in NO_SPACE:
            message = "The server has no space left for an upload. Try a smaller copy."
            raise Refused(507, message) from error
        reason = os.strerror(error.errno)
        raise Refused(503, f"The server failed ({reason}). Try again.") from error
