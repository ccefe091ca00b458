"""Random operations against a dictionary in memory: after every step HEAD, GET and LIST agree with it."""

import hashlib
import os
import random
from dataclasses import dataclass, field
from urllib.parse import urlencode

from botocore.exceptions import ClientError

import differences
from payloads import KEYS, MIB

STEPS = int(os.environ.get("CK_MODEL_STEPS", "400"))
BUCKET = "model"
NAMES = differences.kept([
    "a", "a/", "a/b", "a/b/c", "a//b", "b-1", "b-2", "b-3", "dir/x", "dir/y", "dir/z", "é", "z" * 900,
    *(KEYS[name] for name in ("spaces", "percent", "plus", "dot_segments", "unicode", "reserved")),
])
SIZES = [0, 1, 2, 1000, 16383, 16384, 16385, 40_000, 300_000]


@dataclass
class Held:
    """An object as it should be."""

    data: bytes
    etag: str
    metadata: dict = field(default_factory=dict)
    content_type: str = "binary/octet-stream"
    tags: dict = field(default_factory=dict)


def single(data, **facts) -> Held:
    return Held(data, f'"{hashlib.md5(data).hexdigest()}"', **facts)


class Model:
    def __init__(self, server, seed):
        self.server, self.random = server, random.Random(seed)
        self.s3, self.objects, self.done = server.boto3(), {}, []
        self.s3.create_bucket(Bucket=BUCKET)

    def data(self, sizes=SIZES) -> bytes:
        return self.random.randbytes(self.random.choice(sizes))

    def facts(self) -> dict:
        facts = {}
        if self.random.random() < 0.5:
            facts["metadata"] = {f"m{n}": self.random.randbytes(6).hex() for n in range(self.random.randint(1, 3))}
        if self.random.random() < 0.5:
            facts["content_type"] = self.random.choice(["text/plain", "image/png", "text/x; charset=utf-8"])
        if differences.TAGS and self.random.random() < 0.3:
            facts["tags"] = {f"t{n}": self.random.choice(["", "v", "a b+c"]) for n in range(self.random.randint(1, 3))}
        return facts

    @staticmethod
    def arguments(facts) -> dict:
        sent = {}
        if "metadata" in facts:
            sent["Metadata"] = facts["metadata"]
        if "content_type" in facts:
            sent["ContentType"] = facts["content_type"]
        if "tags" in facts:
            sent["Tagging"] = urlencode(facts["tags"])
        return sent

    def refused(self, status, call, **arguments):
        try:
            call(Bucket=BUCKET, **arguments)
        except ClientError as error:
            found = error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert found == status, f"{call.__name__} answered {found}, not {status}"
        else:
            raise AssertionError(f"{call.__name__} was not refused with {status}")

    # ---- the steps: each changes the store and the dictionary alike, and returns the key to look at

    def put(self, key):
        data, facts = self.data(), self.facts()
        algorithm = self.random.choice([None, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, **self.arguments(facts), **extra)
        self.objects[key] = single(data, **facts)

    def put_if(self, key):
        data, held = self.data(), self.objects.get(key)
        condition, holds = self.random.choice([
            ({"IfNoneMatch": "*"}, held is None),
            ({"IfMatch": held.etag if held else '"0"'}, held is not None),
            ({"IfMatch": '"00000000000000000000000000000000"'}, False),
        ])
        if not differences.CONDITIONAL_WRITES:
            self.refused(501, self.s3.put_object, Key=key, Body=data, **condition)
        elif holds:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, **condition)
            self.objects[key] = single(data)
        else:
            status = 404 if held is None else 412
            self.refused(status, self.s3.put_object, Key=key, Body=data, **condition)

    def multipart(self, key):
        facts = self.facts()
        at = {"Bucket": BUCKET, "Key": key}
        at["UploadId"] = self.s3.create_multipart_upload(Bucket=BUCKET, Key=key, **self.arguments(facts))["UploadId"]
        count = self.random.randint(1, 3)
        numbers = sorted(self.random.sample(range(1, 10001), count))
        sizes = [5 * MIB + self.random.randint(0, 3) for _ in numbers[:-1]] + [self.random.choice(SIZES)]
        parts, etags = {}, {}
        order = list(zip(numbers, sizes))
        self.random.shuffle(order)
        for number, size in order:
            for _ in range(self.random.choice([1, 1, 2])):  # some are sent twice, with other bytes
                parts[number] = self.random.randbytes(size)
                etags[number] = self.s3.upload_part(PartNumber=number, Body=parts[number], **at)["ETag"]
        listed = self.s3.list_parts(**at)["Parts"]
        assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed] == [(n, len(parts[n]), etags[n]) for n in numbers]
        if self.random.random() < 0.15:
            self.s3.abort_multipart_upload(**at)
            return
        chosen = [{"PartNumber": n, "ETag": etags[n]} for n in numbers]
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": chosen}, **at)
        md5s = b"".join(hashlib.md5(parts[n]).digest() for n in numbers)
        etag = f'"{hashlib.md5(md5s).hexdigest()}-{count}"'
        self.objects[key] = Held(b"".join(parts[n] for n in numbers), etag, **facts)

    def copy(self, key):
        source = self.random.choice(NAMES)
        held, at = self.objects.get(source), {"Bucket": BUCKET, "Key": source}
        if held is None:
            # Onto itself it is refused for that, before anything is looked up.
            status = 400 if source == key else 404
            return self.refused(status, self.s3.copy_object, Key=key, CopySource=at)
        if self.random.random() < 0.4:
            facts = self.facts() | {"metadata": {"replaced": "1"}}
            arguments = self.arguments({k: v for k, v in facts.items() if k != "tags"})
            self.s3.copy_object(Bucket=BUCKET, Key=key, CopySource=at, MetadataDirective="REPLACE", **arguments)
            self.objects[key] = Held(held.data, held.etag, facts["metadata"],
                                     facts.get("content_type", "binary/octet-stream"), held.tags)
        elif source == key:
            self.refused(400, self.s3.copy_object, Key=key, CopySource=at)
        else:
            self.s3.copy_object(Bucket=BUCKET, Key=key, CopySource=at, CopySourceIfMatch=held.etag)
            self.objects[key] = Held(held.data, held.etag, held.metadata, held.content_type, held.tags)

    def delete(self, key):
        held = self.objects.get(key)
        if held and self.random.random() < 0.3:
            self.refused(412 if differences.CONDITIONAL_DELETE else 501, self.s3.delete_object, Key=key, IfMatch='"0"')
            return
        self.s3.delete_object(Bucket=BUCKET, Key=key)
        self.objects.pop(key, None)

    def delete_many(self, key):
        chosen = {key, *self.random.sample(NAMES, 2)}
        reply = self.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in chosen]})
        assert {d["Key"] for d in reply["Deleted"]} == chosen
        for gone in chosen:
            self.objects.pop(gone, None)

    def tag(self, key):
        tags = self.facts().get("tags", {})
        tag_set = [{"Key": k, "Value": v} for k, v in tags.items()]
        if key not in self.objects:
            return self.refused(404, self.s3.put_object_tagging, Key=key, Tagging={"TagSet": tag_set})
        self.s3.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": tag_set})
        self.objects[key].tags = tags

    def ranges(self, key):
        held = self.objects.get(key)
        if not held or not held.data:
            return
        size = len(held.data)
        first = self.random.randrange(size)
        last = self.random.choice([first, size - 1, size + 10, min(size - 1, first + 16384), self.random.randrange(first, size)])
        for text, expected in ((f"bytes={first}-{last}", held.data[first:last + 1]), (f"bytes={first}-", held.data[first:]),
                               (f"bytes=-{first + 1}", held.data[-first - 1:])):
            got = self.s3.get_object(Bucket=BUCKET, Key=key, Range=text, IfMatch=held.etag)
            assert got["Body"].read() == expected, text
        self.refused(412, self.s3.get_object, Key=key, IfMatch='"0"')
        self.refused(304, self.s3.get_object, Key=key, IfNoneMatch=held.etag)

    def crash(self, key):
        self.server.kill()
        self.server.start()
        self.s3 = self.server.boto3()

    STEPS = [(put, 30), (put_if, 12), (multipart, 7), (copy, 14), (delete, 8), (delete_many, 3), (tag, 5), (ranges, 16),
             (crash, 1)]

    # ---- what must hold after each

    def check(self, key):
        held = self.objects.get(key)
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=key, MaxKeys=1).get("Contents", [])
        listed = [entry for entry in listed if entry["Key"] == key]
        if held is None:
            self.refused(404, self.s3.head_object, Key=key)
            self.refused(404, self.s3.get_object, Key=key)
            assert not listed, "a deleted key is listed"
            return
        head, got = self.s3.head_object(Bucket=BUCKET, Key=key), self.s3.get_object(Bucket=BUCKET, Key=key)
        assert got["Body"].read() == held.data, "other bytes"
        assert [(r["ContentLength"], r["ETag"]) for r in (head, got)] == [(len(held.data), held.etag)] * 2
        assert [(e["Size"], e["ETag"]) for e in listed] == [(len(held.data), held.etag)]
        for reply in (head, got):
            assert (reply["Metadata"], reply["ContentType"]) == (held.metadata, held.content_type)
            assert reply.get("TagCount", 0) == len(held.tags)
        tags = self.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        assert {t["Key"]: t["Value"] for t in tags} == held.tags

    def check_listing(self):
        """A random view of the whole bucket, in pages of a random size."""
        prefix = self.random.choice(["", "", "a", "a/", "b", "dir/", "nothing"])
        delimiter = self.random.choice(["", "", "/", "//", "-"])
        expected = set()
        for key in self.objects:
            if key.startswith(prefix):
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                expected.add(key if cut < 0 else key[:cut + len(delimiter)])
        shown = []
        size = self.random.choice([1, 2, 5, 1000])
        for version in ("list_objects", "list_objects_v2"):
            extra = {"Delimiter": delimiter} if delimiter else {}
            pages = self.s3.get_paginator(version).paginate(
                Bucket=BUCKET, Prefix=prefix, PaginationConfig={"PageSize": size}, **extra)
            shown = [e.get("Key", e.get("Prefix")) for p in pages for e in p.get("Contents", []) + p.get("CommonPrefixes", [])]
            assert len(shown) == len(set(shown)), f"{version} shows a key twice: {shown}"
            assert set(shown) == expected, f"{version} prefix {prefix!r} delimiter {delimiter!r} by {size}"

    def step(self):
        kinds, weights = zip(*self.STEPS)
        kind, key = self.random.choices(kinds, weights)[0], self.random.choice(NAMES)
        self.done.append(f"{kind.__name__} {key[:40]!r}")
        kind(self, key)
        self.check(key)
        if self.random.random() < 0.2:
            self.done.append("list")
            self.check_listing()


def test_random_operations_against_a_dictionary(own_server, report):
    seed = os.environ.get("CK_SEED") or str(random.SystemRandom().randrange(2**32))
    model = Model(own_server, seed)
    try:
        for number in range(STEPS):
            model.step()
        for key in NAMES:
            model.check(key)
    except (AssertionError, ClientError) as error:
        last = "; ".join(model.done[-5:])
        raise AssertionError(f"seed {seed}, step {number}, after {last}: {error}") from error
    report(f"model: seed {seed}, {STEPS} steps, {len(model.objects)} objects at the end, no difference")
