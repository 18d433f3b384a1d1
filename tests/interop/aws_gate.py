"""What stands in for AWS where the real servers leave something out: requests whose signatures are checked.

Signatures are made again by botocore's signers and compared. What passes goes to the server behind, signed with its
own keys where it checks them. Keys may be temporary, the clock may be another one.
"""

import contextlib
import datetime
import http.server
import json
import re
import threading
import urllib.parse

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fault_proxy import FaultProxy

SKEW = datetime.timedelta(minutes=5)
SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/(\w+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)")


class Refused(Exception):
    """kind, message."""


class SignedGate(FaultProxy):
    """`keys` are (access key, secret, session token or None); a token that ended is in `ended`."""

    service = "s3"

    def __init__(self, target, keys):
        super().__init__(target)
        self.keys = list(keys)
        self.ended = set()
        self.clock_ahead = datetime.timedelta()
        self.seen = []  # access keys of the requests that passed

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + self.clock_ahead

    def signer(self, credentials, region):
        return (S3SigV4Auth if self.service == "s3" else SigV4Auth)(credentials, self.service, region)

    def _check_key(self, key, token):
        for access, secret, expected in self.keys:
            if access == key:
                if token != expected:
                    raise Refused("InvalidToken", "The provided token is malformed or otherwise invalid.")
                if key in self.ended:
                    raise Refused("ExpiredToken", "The provided token has expired.")
                return Credentials(access, secret, token)
        raise Refused("InvalidAccessKeyId", "The key does not exist in our records.")

    def check(self, handler, body):
        """The access key of a request that is signed; Refused."""
        found = SIGNED.fullmatch(handler.headers.get("authorization", ""))
        if found is None:
            raise Refused("AccessDenied", "no signature")
        key, region, service, names, signature = found.groups()
        credentials = self._check_key(key, handler.headers.get("x-amz-security-token"))
        date = handler.headers["x-amz-date"]
        moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(self.now() - moment) > SKEW:
            raise Refused("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        if service != self.service or "host" not in names.split(";"):
            raise Refused("SignatureDoesNotMatch", f"signed for {service}")
        if credentials.token is not None and "x-amz-security-token" not in names.split(";"):
            raise Refused("SignatureDoesNotMatch", "the token is not signed")
        headers = {name: handler.headers[name] for name in names.split(";")}
        request = AWSRequest(handler.command, f"http://{handler.headers['host']}{handler.path}", headers=headers, data=body)
        request.context["timestamp"] = date
        signer = self.signer(credentials, region)
        if signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request) != signature:
            raise Refused("SignatureDoesNotMatch", "The signature we calculated does not match.")
        self.seen.append(key)
        return key

    def refusal(self, kind, message):
        status = 400 if kind in ("ExpiredToken", "InvalidToken") else 403
        return status, [("Date", self.date())], f"<Error><Code>{kind}</Code><Message>{message}</Message></Error>".encode()

    def date(self):
        return self.now().strftime("%a, %d %b %Y %H:%M:%S GMT")

    def _forward(self, handler, body):
        try:
            self.check(handler, body)
        except Refused as refused:
            return self.refusal(*refused.args)
        return self._pass(handler, body)

    def _pass(self, handler, body):
        return super()._forward(handler, body)


class S3Gate(SignedGate):
    """In front of an S3 server whose keys are `own`; `domain` makes it take buckets in the host's name."""

    def __init__(self, target, keys, own, domain=None):
        super().__init__(target, keys)
        self.own = Credentials(*own)
        self.domain = domain
        self.hosts = set()

    def _pass(self, handler, body):
        host = handler.headers["host"]
        self.hosts.add(host)
        path = handler.path
        if self.domain is not None:
            bucket = host.removesuffix(f".{self.domain}:{self.server.server_port}")
            if bucket == host:
                return self.refusal("InvalidRequest", "no bucket in the host's name")
            path = f"/{bucket}{path}"
        kept = {name: value for name, value in handler.headers.items()
                if name.lower() not in ("host", "authorization", "x-amz-date", "x-amz-security-token", "connection")}
        request = AWSRequest(handler.command, f"http://{self.host}:{self.port}{path}", headers=kept, data=body)
        self.signer(self.own, "us-east-1").add_auth(request)
        handler.path = path
        for name in list(handler.headers):
            del handler.headers[name]
        for name, value in {**request.headers, "Host": f"{self.host}:{self.port}"}.items():
            handler.headers[name] = value
        return super()._pass(handler, body)


@contextlib.contextmanager
def running_gate(gate):
    thread = threading.Thread(target=gate.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        gate.server.shutdown()
        gate.server.server_close()
        thread.join()


class KeyServices:
    """STS, and the key services of containers and instances: they give out `next_keys()`."""

    def __init__(self, next_keys, base_keys):
        self.next_keys = next_keys  # () -> (access key, secret, token, seconds until they end)
        self.base = SignedGate("http://nowhere:1", base_keys)
        self.base.service = "sts"
        self.asked = []
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    status, content = services.answer(self, body)
                except Refused as refused:
                    status, content = 403, "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>".format(*refused.args)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())

            do_GET = do_PUT = do_POST = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _ends(self, seconds):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _json(self):
        access, secret, token, seconds = self.next_keys()
        return 200, json.dumps({"Code": "Success", "AccessKeyId": access, "SecretAccessKey": secret, "Token": token, "Expiration": self._ends(seconds)})

    def _xml(self, action):
        access, secret, token, seconds = self.next_keys()
        return 200, (f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result><Credentials>"
                     f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
                     f"<Expiration>{self._ends(seconds)}</Expiration></Credentials></{action}Result></{action}Response>")

    def answer(self, handler, body):
        if handler.command == "POST":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            self.asked.append(form)
            if form["Action"] == "AssumeRole":
                self.base.check(handler, body)
            elif form.get("WebIdentityToken") != "the-web-token":
                raise Refused("InvalidIdentityToken", "no")
            return self._xml(form["Action"])
        self.asked.append(f"{handler.command} {handler.path}")
        if handler.path == "/container":
            return self._json() if handler.headers["authorization"] == "container-secret" else (401, "")
        if handler.command == "PUT":
            return (200, "metadata-token") if handler.headers["x-aws-ec2-metadata-token-ttl-seconds"] else (400, "")
        if handler.headers["x-aws-ec2-metadata-token"] != "metadata-token":
            return 401, ""
        return self._json() if handler.path.endswith("/the-role") else (200, "the-role")
