"""Who may ask the page, and what a browser may do with it."""

import base64
import hashlib
import ipaddress
import json
import re
from urllib.parse import urlsplit

__all__ = ["Guard", "inline_policy"]

HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def inline_policy(page):
    """Return the Content-Security-Policy under which only this page's own code runs.

    Parameters
    ----------
    page : str
        HTML with its style and script inside.

    Returns
    -------
    str
        Nothing is loaded but images inside the page, and only its own server asked.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_sums(page, 'script')}",
            f"style-src {_sums(page, 'style')}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _sums(page, tag):
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)


class Guard:
    """ASGI middleware: refuses other sites' requests, adds headers to all answers.

    A page of another site can make a browser ask this server: by a name that it
    points to this machine, or by a request across sites. The first shows in `Host`,
    the second in `Origin` and `Sec-Fetch-Site`. A number as host is no such name.

    Parameters
    ----------
    app : callable
        The ASGI application.
    hosts : list of str
        Names of this server beside ``localhost``.
    policy : str
        Content-Security-Policy of all answers.
    """

    def __init__(self, app, *, hosts, policy):
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        headers = {**HEADERS, "content-security-policy": policy}
        self._headers = [(k.encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":  # The server starting, or stopping.
            await self._app(scope, receive, send)
            return

        async def send_guarded(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send_guarded)
        else:
            await _refuse(send_guarded, *problem)

    def _problem(self, scope):
        headers = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        host = headers.get("host", "")
        if not self._is_own(host):
            return 400, (
                f"This page is not served under the name {host!r}: open it as "
                "localhost or by the number of its address, or name the host when it "
                "is made."
            )
        if scope["method"] == "POST" and _from_elsewhere(headers, host):
            return 403, "Requests of other web sites are refused."
        return None

    def _is_own(self, host):
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _from_elsewhere(headers, host):
    """Say whether a page of another site asks; what is no browser says nothing."""
    if "origin" in headers:
        scheme, _, netloc = headers["origin"].partition("://")
        return scheme not in {"http", "https"} or netloc.lower() != host.lower()
    return headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}


async def _refuse(send, status, message):
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json")]
    headers += [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
