"""A small S3 client without an SDK: no retries, no pools, and it says when an answer never came."""

import hashlib
import hmac
import http.client
import re
import time
import urllib.parse
from xml.sax.saxutils import unescape


class NoAnswer(Exception):
    """The connection broke: nobody knows whether the request was carried out."""


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def all(self, element) -> list:
        found = re.findall(f"<{element}>(.*?)</{element}>", self.body.decode(), re.S)
        return [unescape(text, {"&quot;": '"', "&#34;": '"'}) for text in found]


class Raw:
    """One connection to a server, signed with SigV4 over UNSIGNED-PAYLOAD."""

    def __init__(self, server):
        self.server = server
        self.host = server.endpoint.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def __call__(self, method, path, query=None, body=b"", headers=None) -> Reply:
        target = urllib.parse.quote(path, safe="/-._~")
        pairs = sorted((urllib.parse.quote(k, safe="-._~"), urllib.parse.quote(str(v), safe="-._~"))
                       for k, v in (query or {}).items())
        line = "&".join(f"{k}={v}" for k, v in pairs)
        signed = self._sign(method, target, line, {k.lower(): v for k, v in (headers or {}).items()})
        try:
            self.connection.request(method, f"{target}?{line}" if line else target, body, signed)
            answer = self.connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise NoAnswer(str(error)) from error

    @property
    def address(self) -> tuple:
        host, port = self.host.rsplit(":", 1)
        return host, int(port)

    def sign(self, method, path) -> dict:
        """The headers of a request without a query, for who writes it to a socket of their own."""
        return self._sign(method, path, "", {})

    def _sign(self, method, target, line, headers) -> dict:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers |= {"host": self.host, "x-amz-date": now, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, target, line, *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names,
                               "UNSIGNED-PAYLOAD"])
        scope = f"{now[:8]}/{self.server.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self.server.secret_key.encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.server.access_key}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers
