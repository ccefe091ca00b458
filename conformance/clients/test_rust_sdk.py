"""The AWS SDK for Rust: rust/src/main.rs does it, here it is only run."""

import json

import differences
from payloads import KEYS


def test_as_an_application_uses_it(tool, server):
    keys = [key for key in differences.kept(list(KEYS.values())) if "/.." not in key]
    client = tool("CK_RUST_CLIENT")
    seen = json.loads(client.text(server.endpoint, "rust-sdk", json.dumps(keys)))
    assert seen["objects"] == 4 + len(keys) + 2
