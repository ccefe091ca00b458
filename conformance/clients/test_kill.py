"""kill -9 of the proxy, and of what is behind it, at random moments of PUT, UploadPart, Complete, Copy and DELETE.

Every acknowledged object and part is whole afterwards. What was under way when the process died is either not there (the
key still holds what it held before) or there as a whole, when only the answer was lost; a Complete that got no answer
can be asked again. In the end, with everything deleted, no stored bytes are left.
"""

import hashlib
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

import pytest

import differences
from payloads import MIB
from raw import NoAnswer, Raw

# Fewer before a service of its own, where a round takes longer.
ROUNDS = int(os.environ.get("CK_KILL_ROUNDS", "200" if os.environ.get("CK_BACKEND", "local") == "local" else "40"))
WORKERS = 4
KEYS_PER_WORKER = 4
BUCKET = "crash"
SIZES = [0, 1, 16384, 100_000, 1 * MIB, 6 * MIB]


@lru_cache(maxsize=256)
def content(tag: str, size: int) -> bytes:
    return random.Random(tag).randbytes(size)


@lru_cache(maxsize=4096)
def md5(tag: str, size: int) -> bytes:
    return hashlib.md5(content(tag, size)).digest()


@dataclass(frozen=True)
class Value:
    """What a key may hold: one body, or parts."""

    pieces: tuple
    multipart: bool

    @property
    def etag(self) -> str:
        md5s = [md5(*piece) for piece in self.pieces]
        if not self.multipart:
            return f'"{md5s[0].hex()}"'
        return f'"{hashlib.md5(b"".join(md5s)).hexdigest()}-{len(md5s)}"'

    def data(self) -> bytes:
        return b"".join(content(*piece) for piece in self.pieces)


@dataclass
class Upload:
    """A multipart upload that was begun."""

    key: str
    id: str
    parts: dict = field(default_factory=dict)
    # A part that was sent and not answered.
    pending: tuple = None
    completing: bool = False

    def value(self) -> Value:
        return Value(tuple(self.parts[n] for n in sorted(self.parts)), True)

    def complete(self, send):
        listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{md5(*self.parts[n]).hex()}</ETag></Part>"
                         for n in sorted(self.parts))
        xml = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        return send("POST", f"/{BUCKET}/{self.key}", {"uploadId": self.id}, xml.encode())


class Worker:
    """Owns its keys, so what they may hold is known."""

    def __init__(self, number, seed):
        self.number, self.random = number, random.Random(f"{seed} {number}")
        self.keys = [f"w{number}/{n}" for n in range(KEYS_PER_WORKER)]
        self.held = dict.fromkeys(self.keys)  # acknowledged; None is absent
        self.pending = {}  # key -> what it may hold as well
        self.upload = None
        self.serial, self.counts, self.faults = 0, Counter(), []

    def tag(self) -> str:
        self.serial += 1
        return f"{self.number} {self.serial}"

    def run(self, server, stop):
        send = Raw(server)
        try:
            while not stop.is_set():
                self.step(send)
        except NoAnswer:
            self.counts["unanswered"] += 1
        except Exception as error:  # a thread's failure must reach the test
            self.faults.append(repr(error))

    def step(self, send):
        key = self.random.choice(self.keys)
        choice = self.random.random()
        full = [k for k in self.keys if self.held[k]]
        if self.upload or choice < 0.35:
            self.multipart(send, key)
        elif choice < 0.5 and full:
            source = self.random.choice(full)
            if source == key:
                return
            headers = {"x-amz-copy-source": f"/{BUCKET}/{source}"}
            self.change(key, self.held[source], lambda: send("PUT", f"/{BUCKET}/{key}", headers=headers), "copy")
        elif choice < 0.6 and self.held[key]:
            self.change(key, None, lambda: send("DELETE", f"/{BUCKET}/{key}"), "delete")
        else:
            piece = (self.tag(), self.random.choice(SIZES))
            value = Value((piece,), False)
            self.change(key, value, lambda: send("PUT", f"/{BUCKET}/{key}", body=content(*piece)), "put")

    def change(self, key, value, act, kind):
        """`act` replaces what the key holds; until it is answered both are possible."""
        self.pending[key] = value
        self.accept(act(), kind)
        self.held[key] = value
        del self.pending[key]

    def accept(self, reply, kind):
        if reply.status == 503 and self.backend_may_die:
            raise NoAnswer("whether the dead backend carried it out, nobody knows")
        if reply.status not in (200, 204) or b"<Error>" in reply.body[:200]:
            raise AssertionError(f"{kind} answered {reply.status} {reply.body[:300]!r}")
        self.counts[kind] += 1
        return reply

    def multipart(self, send, key):
        if not self.upload:
            reply = self.accept(send("POST", f"/{BUCKET}/{key}", {"uploads": ""}), "create")
            self.upload = Upload(key, reply.all("UploadId")[0])
            return
        upload = self.upload
        # One or two full parts, one of them sometimes sent again, and a small tail.
        number = len(upload.parts) + 1
        if number > 1 and self.random.random() < 0.2:
            number -= 1
        last_is_small = upload.parts and upload.parts[max(upload.parts)][1] < 5 * MIB
        if last_is_small and number > len(upload.parts):
            upload.completing = True
            self.change(upload.key, upload.value(), lambda: upload.complete(send), "complete")
            self.upload = None
            return
        small = last_is_small or self.random.random() < 0.6
        piece = (self.tag(), self.random.choice([0, 1, 70_000]) if small else 5 * MIB + self.random.choice([0, 1]))
        upload.pending = (number, piece)
        query = {"partNumber": number, "uploadId": upload.id}
        self.accept(send("PUT", f"/{BUCKET}/{upload.key}", query, content(*piece)), "part")
        upload.parts[number], upload.pending = piece, None

    def verify(self, send, listed):
        """After the restart: what is there, and that it is whole. Leaves a known state behind."""
        for key in self.keys:
            possible = [self.held[key]] + ([self.pending[key]] if key in self.pending else [])
            found = self.look(send, key, possible, listed)
            if key in self.pending:
                self.counts["unanswered and done" if found != possible[0] else "unanswered and not done"] += 1
            else:
                self.counts["acknowledged and whole"] += 1
            self.held[key] = found
        self.pending.clear()
        if self.upload:
            self.finish_upload(send)

    def look(self, send, key, possible, listed):
        reply = send("GET", f"/{BUCKET}/{key}")
        if reply.status == 404:
            assert None in possible, f"{key} is gone; it should hold {possible}"
            assert key not in listed, f"{key} is listed and not there"
            return None
        assert reply.status == 200, f"{key} answers {reply.status} {reply.body[:300]!r}; it should hold {possible}"
        for value in possible:
            if value and value.etag == reply.headers["etag"]:
                assert reply.body == value.data(), f"{key}: the ETag of {value} on other bytes"
                assert listed.get(key) == (value.etag, len(reply.body)), f"{key}: LIST says {listed.get(key)}"
                return value
        raise AssertionError(f"{key} holds {reply.headers['etag']}, {len(reply.body)} bytes; it should hold {possible}")

    def finish_upload(self, send):
        upload, self.upload = self.upload, None
        if upload.completing:
            # The client asks again until it knows.
            reply = upload.complete(send)
            if reply.status != 200 and differences.LOSES_UPLOADS_HALF_COMPLETED:
                assert reply.all("Code")[0] in differences.CODES_OF_LOST_UPLOADS, reply.body
                assert self.held[upload.key] != upload.value(), f"{upload.key} was published, and is told to be lost"
                self.accept(send("DELETE", f"/{BUCKET}/{upload.key}", {"uploadId": upload.id}), "lost by the backend, and aborted")
                self.settle(send, upload.key, self.held[upload.key])
                return
            self.accept(reply, "complete again")
            self.settle(send, upload.key, upload.value())
            return
        reply = send("GET", f"/{BUCKET}/{upload.key}", {"uploadId": upload.id})
        assert reply.status == 200, f"an acknowledged upload is gone: {reply.status} {reply.body[:300]!r}"
        shown = dict(zip(map(int, reply.all("PartNumber")), (e.strip('"') for e in reply.all("ETag"))))
        for number, piece in upload.parts.items():
            allowed = {md5(*piece).hex()}
            if upload.pending and upload.pending[0] == number:
                allowed.add(md5(*upload.pending[1]).hex())
            assert shown.get(number) in allowed, f"part {number} of {upload.key}: {shown.get(number)}, not {allowed}"
            self.counts["acknowledged parts whole"] += 1
        if upload.pending and shown.get(upload.pending[0]) == md5(*upload.pending[1]).hex():
            upload.parts[upload.pending[0]] = upload.pending[1]
        if upload.pending and upload.pending[0] in upload.parts:
            # A part that was sent again without an answer: either attempt may be the part, so it is sent once more.
            number, piece = upload.pending
            query = {"partNumber": number, "uploadId": upload.id}
            self.accept(send("PUT", f"/{BUCKET}/{upload.key}", query, content(*piece)), "part sent again")
            upload.parts[number] = piece
        big_enough = all(upload.parts[n][1] >= 5 * MIB for n in sorted(upload.parts)[:-1])
        if upload.parts and big_enough and self.random.random() < 0.5:
            self.accept(upload.complete(send), "complete after restart")
            self.settle(send, upload.key, upload.value())
        else:
            self.accept(send("DELETE", f"/{BUCKET}/{upload.key}", {"uploadId": upload.id}), "abort")

    def settle(self, send, key, value):
        listed = listing(send)
        self.held[key] = self.look(send, key, [value], listed)


def listing(send) -> dict:
    reply = send("GET", f"/{BUCKET}", {"list-type": "2"})
    assert reply.status == 200, reply.body
    return dict(zip(reply.all("Key"), zip(reply.all("ETag"), map(int, reply.all("Size")))))


def backend_dies(server, round_number) -> bool:
    return round_number % 2 == 1 and hasattr(server.backend, "kill")


@pytest.mark.slow
def test_kill_at_random_moments(own_server, report):
    seed = os.environ.get("CK_SEED") or str(random.SystemRandom().randrange(2**32))
    chance = random.Random(seed)
    server, began = own_server, time.monotonic()
    assert Raw(server)("PUT", f"/{BUCKET}").status == 200
    # The first object may make things that stay: keys, records of them.
    assert Raw(server)("PUT", f"/{BUCKET}/first", body=b"1").status == 200
    assert Raw(server)("DELETE", f"/{BUCKET}/first").status == 204
    server.kill()
    server.start()
    before = server.backend.stored()
    workers = [Worker(n, seed) for n in range(WORKERS)]
    starts, backend_deaths = [], 0
    try:
        for round_number in range(ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=w.run, args=(server, stop)) for w in workers]
            for worker, thread in zip(workers, threads):
                worker.backend_may_die = backend_dies(server, round_number)
                thread.start()
            time.sleep(chance.uniform(0.01, 0.35))
            # Where there is a service behind, it dies first in every other round.
            if backend_dies(server, round_number):
                server.backend.kill()
                backend_deaths += 1
            server.kill()
            stop.set()
            for thread in threads:
                thread.join()
            faults = [fault for w in workers for fault in w.faults]
            assert not faults, f"round {round_number}: {faults}"
            started = time.monotonic()
            server.start()
            starts.append(time.monotonic() - started)
            send = Raw(server)
            listed = listing(send)
            for worker in workers:
                worker.backend_may_die = False
                worker.verify(send, listed)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, round {round_number}: {error}") from error
    counts = sum((w.counts for w in workers), Counter())
    report(f"kill -9: seed {seed}, {ROUNDS} rounds in {time.monotonic() - began:.0f} s, {backend_deaths} of them with the backend's death too, "
           f"restart {sum(starts) / len(starts):.2f} s on average, {max(starts):.2f} s at most; "
           + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    for kind in ("put", "part", "complete", "copy"):
        assert counts[kind] > 0, f"no {kind} was ever acknowledged: the rounds were too short to show anything"

    send = Raw(server)
    for key in listing(send):
        assert send("DELETE", f"/{BUCKET}/{key}").status == 204
    uploads = send("GET", f"/{BUCKET}", {"uploads": ""})
    for key, upload in zip(uploads.all("Key"), uploads.all("UploadId")):
        assert send("DELETE", f"/{BUCKET}/{key}", {"uploadId": upload}).status == 204
    server.stop()
    server.start()
    assert Raw(server)("DELETE", f"/{BUCKET}").status == 204, "uploads that no client can see keep the bucket"
    left = server.backend.stored() - before
    assert not left, f"seed {seed}: {len(left)} stored things that nothing names: {sorted(map(str, left))[:5]}"
