"""What is acknowledged is on the disk: the order of system calls between a request and its 200, seen by strace.

kill -9 loses nothing that the kernel has; only the synced order shows what a power cut would leave.
"""

import re
import shutil

import pytest

from payloads import MIB, body
from raw import Raw
from server import Server

pytestmark = pytest.mark.backend("local", reason="it looks at the system calls of the directory upstream")

CALLS = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,writev,sendto,sendmsg"


@pytest.fixture
def traced(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    # -D: the tracer is the grandchild, so that signals and waits reach the server itself.
    under = ("strace", "-D", "-f", "-y", "-s", "32", "-o", str(trace), "-e", f"trace={CALLS}")
    server = Server(tmp_path / "own" / "data", tmp_path / "own-server.log", under).start()
    yield server, trace
    if server.alive():
        server.kill()


class Calls:
    """The finished system calls of one request, in the order of their ends."""

    def __init__(self, trace: str):
        self.ended, open_calls = [], {}
        for line in trace.splitlines():
            thread, _, text = line.partition(" ")
            if "<unfinished" in text:
                open_calls[thread] = text
            elif match := re.match(r"\s*<\.\.\. \w+ resumed>(.*)", text):
                self.ended.append(open_calls.pop(thread, "").replace("<unfinished ...>", "") + match.group(1))
            else:
                self.ended.append(text.strip())
            # An answer counts from the moment it begins to be sent.
            if "HTTP/1.1 200" in text or "HTTP/1.1 204" in text:
                self.ended.append("ANSWER")

    def before_the_answer(self) -> list:
        return self.ended[:self.ended.index("ANSWER")]

    def place(self, pattern: str) -> int:
        """Where the last call of this kind before the answer ended."""
        places = [n for n, call in enumerate(self.before_the_answer()) if re.search(pattern, call)]
        assert places, f"no call like {pattern} before the answer:\n" + "\n".join(self.before_the_answer())
        return places[-1]


SYNC = r"^f(data)?sync\(\d+<"
BLOB_SYNC = SYNC + r"[^>]*/objects/[^>]*[0-9a-f]{32}[^>]*>"
BLOB_RENAME = r"^(rename|link)\w*\(.*/?blobs/|^(rename|link)\w*\(.*[0-9a-f]{32}"
FOLDER_SYNC = SYNC + r"[^>]*/blobs/[0-9a-f]{2}>"
NAMES_SYNC = SYNC + r"[^>]*/names\.db-wal>"
STATE_SYNC = SYNC + r"[^>]*/state\.db-wal>"


def test_synced_before_the_answer(traced):
    server, trace = traced
    send = Raw(server)
    assert send("PUT", "/durable").status == 200
    assert send("PUT", "/durable/first", body=b"x").status == 200

    def calls_of(method, path, query=None, data=b"", headers=None):
        before = trace.stat().st_size
        reply = send(method, path, query, data, headers)
        assert reply.status in (200, 204), reply.body
        with open(trace) as file:
            file.seek(before)
            text = file.read()
            # The tracer writes a moment after the answer arrives.
            while "HTTP/1.1 2" not in text:
                text += file.read()
        return Calls(text), reply

    def assert_blob_then_names(calls):
        blob, renamed, folder, names = (calls.place(p) for p in (BLOB_SYNC, BLOB_RENAME, FOLDER_SYNC, NAMES_SYNC))
        assert blob < renamed < folder < names, "\n".join(calls.before_the_answer())

    assert_blob_then_names(calls_of("PUT", "/durable/put", data=body("put", 100_000))[0])
    assert_blob_then_names(calls_of("PUT", "/durable/copy", headers={"x-amz-copy-source": "/durable/put"})[0])
    calls_of("DELETE", "/durable/copy")[0].place(NAMES_SYNC)

    calls, created = calls_of("POST", "/durable/mpu", {"uploads": ""})
    calls.place(STATE_SYNC)
    upload = created.all("UploadId")[0]
    etags = []
    for number, size in ((1, 5 * MIB), (2, 1000)):
        calls, reply = calls_of("PUT", "/durable/mpu", {"partNumber": number, "uploadId": upload}, body(str(number), size))
        assert_blob_then_names(calls)
        assert calls.place(NAMES_SYNC) < calls.place(STATE_SYNC), "the row of a part says that its bytes are there"
        etags.append(reply.headers["etag"])
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(etags, 1))
    xml = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    calls_of("POST", "/durable/mpu", {"uploadId": upload}, xml)[0].place(NAMES_SYNC)
