"""What stands in for Azure and Google where the test servers leave something out: tokens that are checked, and end.

A gate takes requests that carry a bearer token that holds, and passes them to the server behind, signed with the
account's key where that is Azure's. The token services give tokens out for a service account's key, a user's
refresh token, a client secret, or to a machine.
"""

import http.server
import json
import urllib.parse
import uuid

import servers
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fault_proxy import FaultProxy


class StoreProxy(FaultProxy):
    """Sessions of uploads are named with this proxy's address, and asked by it how much they have: fake-gcs-server takes
    that question for the end of the upload."""

    def __init__(self, target):
        super().__init__(target)
        self.sessions = {}  # the answer to the last part that the server got

    def _forward(self, handler, body):
        if handler.headers.get("content-range") == "bytes */*":
            return self.sessions.get(handler.path, (308, [], b""))
        status, headers, content = super()._forward(handler, body)
        target = f"http://{self.host}:{self.port}"
        answer = status, [(name, value.replace(target, self.url)) for name, value in headers], content
        if handler.headers.get("content-range"):
            self.sessions[handler.path] = answer
        return answer


class TokenGate(StoreProxy):
    def __init__(self, target, is_azure):
        super().__init__(target)
        self.is_azure = is_azure
        self.tokens = set()
        self.refused = 0

    def _forward(self, handler, body):
        if handler.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            self.refused += 1
            return 401, [], b'{"error": {"message": "Invalid Credentials"}}'
        del handler.headers["authorization"]
        if self.is_azure:
            self._sign(handler, body)
        return super()._forward(handler, body)

    def _sign(self, handler, body):
        path, _, query = handler.path.partition("?")
        own = {name.lower(): value for name, value in handler.headers.items() if name.lower().startswith("x-ms-")}
        names = ["content-type", "if-none-match", "range"]
        standard = {name: handler.headers[name] for name in names if handler.headers.get(name)}
        signed = servers.shared_key(handler.command, path, urllib.parse.parse_qsl(query, keep_blank_values=True), own, body, standard=standard)
        for name, value in signed.items():
            del handler.headers[name]
            handler.headers[name] = value


class TokenServices:
    """Google's and Azure's token servers, and the metadata server of Google's machines."""

    def __init__(self, gate):
        self.gate = gate
        self.life_s = 3600
        self.asked = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, answer = services.answer(self, dict(urllib.parse.parse_qsl(body.decode())))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()

    def account_file(self, path):
        text = {"type": "service_account", "client_email": "me@project.iam.gserviceaccount.com", "private_key_id": "k1",
                "private_key": self.pem(), "token_uri": f"{self.url}/token"}
        path.write_text(json.dumps(text))
        return str(path)

    def user_file(self, path):
        text = {"type": "authorized_user", "client_id": "client", "client_secret": "client+secret", "refresh_token": "refresh/token",
                "token_uri": f"{self.url}/token"}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(text))
        return str(path)

    def secrets(self):
        return [*self.gate.tokens, "client+secret", "refresh/token", *self.pem().splitlines()[1:3]]

    def end_tokens(self):
        self.gate.tokens.clear()

    def _give(self):
        token = f"token.{uuid.uuid4().hex}"
        self.gate.tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.life_s}

    def _is_signed(self, assertion):
        text, _, signature = assertion.rpartition(".")
        claims = json.loads(servers.from_base64_url(text.split(".")[1]))
        try:
            self.key.public_key().verify(servers.from_base64_url(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return claims["iss"].startswith("me@") and claims["aud"] == f"{self.url}/token" and claims["exp"] > claims["iat"]

    def answer(self, handler, form):
        self.asked.append(form.get("grant_type") or f"{handler.command} {handler.path}")
        if handler.command == "GET":
            return self._give() if handler.headers.get("metadata-flavor") == "Google" else (403, {})
        grant = form.get("grant_type")
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            is_right = self._is_signed(form["assertion"])
        elif grant == "refresh_token":
            is_right = (form["client_id"], form["client_secret"], form["refresh_token"]) == ("client", "client+secret", "refresh/token")
        else:
            is_right = handler.path == "/tenant/oauth2/v2.0/token" and (form["client_id"], form["client_secret"]) == ("client", "client+secret")
            is_right = is_right and form["scope"] == "https://storage.azure.com/.default"
        return self._give() if is_right else (401, {"error": "invalid_client", "error_description": json.dumps(form)})
