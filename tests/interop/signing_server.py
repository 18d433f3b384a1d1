"""A REST catalog that lends no keys and signs S3 requests instead, as s3.remote-signing-enabled has it."""

import json
import re

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fault_proxy import FaultProxy


class UnsignedPayload(S3SigV4Auth):
    """As signers do that see no body."""

    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


class SigningServer(FaultProxy):
    """In front of a REST catalog. `terms` are added to the configuration of tables; `asked` are the requests that were
    signed, with the path that they came by and their headers; `change` alters an answer, given the request."""

    def __init__(self, target, access_key, secret_key, terms):
        super().__init__(target)
        self.credentials = Credentials(access_key, secret_key)
        self.terms = {"s3.remote-signing-enabled": "true", **terms}
        self.signing_config = None
        self.asked = []
        self.change = lambda request, answer: answer
        self.signer = UnsignedPayload

    def _sign(self, handler, body):
        asked = json.loads(body)
        self.asked.append((handler.path, dict(handler.headers), asked))
        headers = {name: ", ".join(values) for name, values in asked["headers"].items()}
        request = AWSRequest(asked["method"], asked["uri"], headers=headers, data=asked.get("body", ""))
        self.signer(self.credentials, "s3", asked["region"]).add_auth(request)
        answer = {"uri": asked["uri"], "headers": {name: [value] for name, value in request.headers.items()}}
        return 200, [("Content-Type", "application/json")], json.dumps(self.change(asked, answer)).encode()

    def _forward(self, handler, body):
        if handler.command == "POST" and handler.path.endswith("/sign"):
            return self._sign(handler, body)
        del handler.headers["accept-encoding"]
        status, headers, content = super()._forward(handler, body)
        if status == 200 and re.search("/tables(/[^/]+)?$", handler.path.split("?")[0]) and b'"metadata"' in content:
            answer = json.loads(content)
            answer["config"] = self.terms
            if self.signing_config is not None:
                answer["remote-signing-config"] = self.signing_config
            content = json.dumps(answer).encode()
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return status, headers, content
