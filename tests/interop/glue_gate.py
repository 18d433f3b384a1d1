"""What moto's Glue leaves out, in front of it: signatures and versions are checked, lists come in pages.

Signatures are made again by botocore's signer and compared; a VersionId that is not the table's is refused as Glue does.
"""

import contextlib
import datetime
import json
import re
import threading
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fault_proxy import FaultProxy

PAGE = 2
SKEW = datetime.timedelta(minutes=5)


def refusal(kind, message, status=400):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Date", now)]
    return status, headers, json.dumps({"__type": kind, "Message": message}).encode()


class GlueGate(FaultProxy):
    def __init__(self, target, access_key, secret):
        super().__init__(target)
        self.target = target
        self.credentials = Credentials(access_key, secret)
        self.turn = threading.Lock()
        self.actions = []  # (action, request)

    def signature_problem(self, handler, body):
        sent = handler.headers.get("authorization", "")
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/glue/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)", sent)
        if found is None:
            return refusal("MissingAuthenticationTokenException", "no signature")
        key, region, names, signature = found.groups()
        if key != self.credentials.access_key:
            return refusal("UnrecognizedClientException", f"{key} is not known")
        date = handler.headers["x-amz-date"]
        moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(datetime.datetime.now(datetime.timezone.utc) - moment) > SKEW:
            return refusal("InvalidSignatureException", f"Signature expired: {date}")
        headers = {name: handler.headers[name] for name in names.split(";")}
        request = AWSRequest("POST", f"http://{handler.headers['host']}{handler.path}", headers=headers, data=body)
        request.context["timestamp"] = date
        signer = SigV4Auth(self.credentials, "glue", region)
        canonical = signer.canonical_request(request)
        if signer.signature(signer.string_to_sign(request, canonical), request) != signature:
            return refusal("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
        return None

    def call(self, action, **asked):
        request = urllib.request.Request(self.target, json.dumps(asked).encode(), {
            "X-Amz-Target": f"AWSGlue.{action}", "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/glue/aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def _forward(self, handler, body):
        action = handler.headers.get("x-amz-target", "").removeprefix("AWSGlue.")
        asked = json.loads(body)
        problem = self.signature_problem(handler, body)
        if problem is not None:
            return problem
        self.actions.append((action, asked))
        with self.turn:
            if action == "UpdateTable" and "VersionId" in asked:
                now = self.call("GetTable", DatabaseName=asked["DatabaseName"], Name=asked["TableInput"]["Name"])
                if now["Table"]["VersionId"] != asked["VersionId"]:
                    return refusal("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
            status, headers, content = super()._forward(handler, body)
        key = {"GetTables": "TableList", "GetDatabases": "DatabaseList"}.get(action)
        if key is None or status != 200:
            return status, headers, content
        answer = json.loads(content)
        start = int(asked.get("NextToken", "0"))
        page = {key: answer[key][start : start + PAGE]}
        if start + PAGE < len(answer[key]):
            page["NextToken"] = str(start + PAGE)
        return status, [(n, v) for n, v in headers if n.lower() != "content-length"], json.dumps(page).encode()


@contextlib.contextmanager
def glue_gate(target, access_key, secret):
    gate = GlueGate(target, access_key, secret)
    thread = threading.Thread(target=gate.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        gate.server.shutdown()
        gate.server.server_close()
        thread.join()
