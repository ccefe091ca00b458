"""The AWS SDK for JavaScript v3: js/client.mjs does it, here it is only run."""

import json

import differences
from conftest import client_path
from payloads import KEYS


def test_as_an_application_uses_it(tool, server):
    # The SDK normalises dot segments of a URL away before it sends it; no server ever sees them.
    keys = [key for key in differences.kept(list(KEYS.values())) if "/.." not in key]
    node = tool("CK_NODE", client_path("CK_JS_CLIENT"))
    seen = json.loads(node.text(server.endpoint, "js-sdk", json.dumps(keys)))
    assert seen["objects"] == 4 + len(keys) + 3
