"""Which requests the page accepts, and what a browser may do with it."""

import ipaddress
import json
import re
from urllib.parse import urlsplit

from sk_posters._images._display import hash_inline

__all__ = ["Guard", "write_policy"]

HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def write_policy(page):
    """Return the Content-Security-Policy under which only this page's own code runs."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash_all(page, 'script')}",
            f"style-src {_hash_all(page, 'style')}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _hash_all(page, tag):
    codes = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    return " ".join(map(hash_inline, codes))


class Guard:
    """ASGI middleware that refuses other sites' requests and adds safe headers."""

    # Another site can make a browser send requests here: under a name of its own that
    # points to this machine, which shows in Host, or across sites, which shows in
    # Origin and Sec-Fetch-Site. An IP address as host is no such name.
    # Starlette's TrustedHostMiddleware splits Host at its first colon, so that it
    # refuses every IPv6 address.

    def __init__(self, app, *, hosts, policy):
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        headers = {**HEADERS, "content-security-policy": policy}
        self._headers = [(k.encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":  # The server starting, or stopping.
            await self._app(scope, receive, send)
            return

        is_started = False

        async def send_guarded(message):
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        problem = self._find_problem(scope)
        if problem is not None:
            await _refuse(send_guarded, *problem)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:
            # Starlette's own page for errors lies outside, and has no such headers.
            if not is_started:
                await _refuse(send_guarded, 500, "The page failed; its log says why.")
            raise

    def _find_problem(self, scope):
        headers = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        host = headers.get("host", "")
        if not self._is_own(host):
            return 400, (
                f"This page is not served as {host!r}. Open it as localhost or by its "
                "IP address, or pass this name to make_app in hosts."
            )
        if scope["method"] == "POST" and _is_cross_site(headers, host):
            return 403, "Requests from other websites are refused."
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


def _is_cross_site(headers, host):
    """Return whether a page of another site sent this; programs send no such header."""
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
