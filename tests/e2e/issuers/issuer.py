"""Issue a token for each line of JSON, as AnyCable's documentation does it in Python."""

from __future__ import annotations

import json
import os
import sys
from time import time

import jwt

for line in sys.stdin:
    claims = {"ext": json.dumps(json.loads(line)), "exp": int(time()) + 3600}
    sys.stdout.write(jwt.encode(claims, os.environ["SECRET"], "HS256") + "\n")
