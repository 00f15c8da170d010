"""The web page: drop a poster, see its genres, and why."""

import html
import importlib.resources
import importlib.util
import ipaddress
import os
import socket
import threading
from contextlib import suppress
from numbers import Integral

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._disk_cache import disable_caches
from sk_posters._base._optional import explain_missing, import_optional
from sk_posters.app._guard import Guard, inline_policy
from sk_posters.app._showcase import Showcase
from sk_posters.app._uploads import MAX_BYTES, Refused, limited, poster_file

__all__ = ["make_app", "run_app"]

# Uploads taken in at a time; the model answers them one by one.
N_UPLOADS = 8
PURPOSE = "The web page"


def make_app(model, *, posters=None, target=None, label_names=None, hosts=()):
    """Make a web page on which anyone can ask a model about a poster.

    Drop a poster, and the page shows its genres as bars, for each genre where in the
    poster it is seen, and the training posters that are most alike. It loads nothing
    from elsewhere, and keeps no poster. :func:`run_app` serves it.

    Parameters
    ----------
    model : estimator, str or path-like
        A fitted pipeline that takes paths and has `predict_proba`, or a file that
        :func:`~sk_posters.save_model` wrote.
    posters : array-like of str or path-like, default=None
        Paths of training posters, among which the nearest are looked for; for models
        that begin with a :class:`~sk_posters.PosterEncoder`. None shows none.
    target : array-like of shape (n_posters, n_labels), default=None
        True labels of `posters`, 0 or 1, which are shown below those found: a
        dataframe whose columns have names, or columns in the order of the model's.
    label_names : array-like of str, default=None
        Names of the labels. None takes those of the model, or of its file.
    hosts : list of str, default=()
        Names under which the page may be asked for, beside ``localhost`` and the
        numbers of addresses. Other names are refused: a foreign page could point one
        of its own to this server.

    Returns
    -------
    starlette.applications.Starlette
        An ASGI application, for any server. ``GET /`` is the page; ``POST /predict``
        and ``POST /explain`` answer JSON, see ``docs/guide/app.md``.

    Raises
    ------
    TypeError
        If the model gives no probabilities.
    ValueError
        If `label_names` does not fit the model, or `target` the posters.
    ImportError
        If a package is missing: ``pip install "sk-posters[app]"``.

    See Also
    --------
    run_app : Makes the page and serves it.

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
    applications = import_optional(
        "starlette.applications", extra="app", purpose=PURPOSE
    )
    routing = import_optional("starlette.routing", extra="app", purpose=PURPOSE)
    exceptions = import_optional("starlette.exceptions", extra="app", purpose=PURPOSE)
    requests = import_optional("starlette.requests", extra="app", purpose=PURPOSE)
    middleware = import_optional("starlette.middleware", extra="app", purpose=PURPOSE)
    if importlib.util.find_spec("python_multipart") is None:
        raise explain_missing("python-multipart", extra="app", purpose=PURPOSE)
    showcase = Showcase(model, posters=posters, target=target, label_names=label_names)
    template = importlib.resources.files("sk_posters.app") / "page.html"
    page = template.read_text(encoding="utf-8")
    views = _Views(showcase, page)
    policy = inline_policy(page)
    return applications.Starlette(
        routes=[
            routing.Route("/", views.page),
            routing.Route("/predict", views.predict, methods=["POST"]),
            routing.Route("/explain", views.explain, methods=["POST"]),
        ],
        middleware=[middleware.Middleware(Guard, hosts=hosts, policy=policy)],
        exception_handlers={
            Refused: _refusal,
            exceptions.HTTPException: _http_error,
            requests.ClientDisconnect: _cut_off,
        },
    )


@validate_params(
    {"port": [Interval(Integral, 0, 65535, closed="both")]},
    prefer_skip_nested_validation=False,
)
def run_app(model_file, *, posters=None, target=None, host="127.0.0.1", port=7860):
    """Serve the web page of :func:`make_app` until Ctrl-C.

    Parameters
    ----------
    model_file : str or path-like
        A file that :func:`~sk_posters.save_model` wrote; :func:`make_app` takes
        fitted pipelines, too.
    posters : array-like of str or path-like, default=None
        Paths of training posters, among which the nearest are looked for.
    target : array-like of shape (n_posters, n_labels), default=None
        True labels of `posters`, as in :func:`make_app`.
    host : str, default="127.0.0.1"
        Address to listen on. The default can be reached from this computer alone;
        others are warned about, for the page asks for no password and is not
        encrypted.
    port : int, default=7860
        Port to listen on; 0 takes any that is free.

    Raises
    ------
    OSError
        If the address cannot be listened on.
    ValueError
        If there is no such port, or `target` does not fit the posters.
    ImportError
        If a package is missing: ``pip install "sk-posters[app]"``.
    ModelFileError
        If the model cannot be loaded. It is a ValueError.

    See Also
    --------
    make_app : Makes the page for a server of your own.

    Examples
    --------
    >>> from sk_posters.app import run_app
    >>> run_app("genres.model")  # doctest: +SKIP
    sk_posters shows genres.model at http://127.0.0.1:7860 (Ctrl-C ends it)
    """
    uvicorn = import_optional("uvicorn", extra="app", purpose=PURPOSE)
    with _listening(host, port) as listener:
        # Whoever comes by a name of this machine is welcome, if it is on the network.
        hosts = [] if _is_loopback(host) else [host, socket.gethostname()]
        app = make_app(model_file, posters=posters, target=target, hosts=hosts)
        if hosts:
            print(
                f"Warning: {host} can be reached from other computers. The page asks "
                "for no password and is not encrypted; host='127.0.0.1' keeps it here.",
                flush=True,
            )
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        print(
            f"sk_posters shows {os.fspath(model_file)} at {url} (Ctrl-C ends it)",
            flush=True,
        )
        config = uvicorn.Config(
            app,
            log_config=None,  # Its own would reset the logging of the whole process.
            log_level="warning",
            server_header=False,
            ws="none",
            lifespan="off",
        )
        with suppress(KeyboardInterrupt):  # uvicorn raises it again once it is done.
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"The web page cannot listen on host={host!r}, port={port!r} "
            f"({error.strerror}): give another port, or 0 for any that is free",
        ) from error


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class _Views:
    """What the three addresses answer."""

    def __init__(self, showcase, template):
        self._showcase = showcase
        self._page = (
            template.replace("{{title}}", html.escape(showcase.title))
            .replace("{{max_bytes}}", str(MAX_BYTES))
            .replace("{{max_megabytes}}", f"{MAX_BYTES / 1e6:g}")
        )
        self._one_by_one = threading.Lock()
        self._n_uploads = 0

    async def page(self, request):
        responses = import_optional("starlette.responses", extra="app", purpose=PURPOSE)
        return responses.HTMLResponse(self._page)

    async def predict(self, request):
        return await self._answered(
            request, lambda path, form: self._showcase.predict(path)
        )

    async def explain(self, request):
        return await self._answered(
            request,
            lambda path, form: self._showcase.explain(path, form.get("label")),
        )

    async def _answered(self, request, answer):
        """Return as JSON what `answer` makes of the poster in a request's form."""
        if self._n_uploads >= N_UPLOADS:
            raise Refused(503, "Too many posters at a time: try again in a moment.")
        self._n_uploads += 1
        try:
            request = type(request)(
                request.scope, limited(request.receive, request.headers)
            )
            async with request.form(max_files=1, max_fields=1) as form:
                if not hasattr(form.get("file"), "filename"):
                    raise Refused(
                        400,
                        "Send one poster, as the field 'file' of multipart/form-data.",
                    )
                concurrency = import_optional(
                    "starlette.concurrency", extra="app", purpose=PURPOSE
                )
                return _json(
                    await concurrency.run_in_threadpool(self._alone, answer, form)
                )
        finally:
            self._n_uploads -= 1

    def _alone(self, answer, form):
        upload = form["file"]
        with (
            self._one_by_one,
            disable_caches(),
            poster_file(upload.file, upload.filename) as path,
        ):
            return answer(path, form)


def _json(content, status=200):
    responses = import_optional("starlette.responses", extra="app", purpose=PURPOSE)
    return responses.JSONResponse(content, status_code=status)


async def _refusal(request, error):
    return _json({"error": error.message}, error.status)


async def _http_error(request, error):
    return _json({"error": f"{error.detail}."}, error.status_code)


async def _cut_off(request, error):
    return _json({"error": "The upload ended early."}, 400)
