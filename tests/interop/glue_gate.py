"""What moto's Glue leaves out, in front of it: signatures and versions are checked, lists come in pages."""

import json
import threading
import urllib.request

from aws_gate import SignedGate

PAGE = 2
# Glue's names of what S3 calls otherwise.
KINDS = {
    "InvalidAccessKeyId": "UnrecognizedClientException",
    "AccessDenied": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "RequestTimeTooSkewed": "InvalidSignatureException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidToken": "UnrecognizedClientException",
}


class GlueGate(SignedGate):
    service = "glue"

    def __init__(self, target, keys):
        super().__init__(target, keys)
        self.target = target
        self.turn = threading.Lock()
        self.actions = []  # (action, request)

    def name_of(self, handler):
        return handler.headers.get("x-amz-target", "").removeprefix("AWSGlue.")

    def refusal(self, kind, message):
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("Date", self.date())]
        return 400, headers, json.dumps({"__type": KINDS.get(kind, kind), "Message": message}).encode()

    def call(self, action, **asked):
        """Past the gate."""
        request = urllib.request.Request(self.target, json.dumps(asked).encode(), {
            "X-Amz-Target": f"AWSGlue.{action}", "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/glue/aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def _pass(self, handler, body):
        action = self.name_of(handler)
        asked = json.loads(body)
        self.actions.append((action, asked))
        with self.turn:
            if action == "UpdateTable" and "VersionId" in asked:
                now = self.call("GetTable", DatabaseName=asked["DatabaseName"], Name=asked["TableInput"]["Name"])
                if now["Table"]["VersionId"] != asked["VersionId"]:
                    return self.refusal("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
            status, headers, content = super()._pass(handler, body)
        key = {"GetTables": "TableList", "GetDatabases": "DatabaseList"}.get(action)
        if key is None or status != 200:
            return status, headers, content
        answer = json.loads(content)
        start = int(asked.get("NextToken", "0"))
        page = {key: answer[key][start : start + PAGE]}
        if start + PAGE < len(answer[key]):
            page["NextToken"] = str(start + PAGE)
        return status, [(n, v) for n, v in headers if n.lower() != "content-length"], json.dumps(page).encode()
