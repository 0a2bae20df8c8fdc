"""What a line of the log looks like."""

import json
import subprocess
import sys

from tests.conftest import ROOT

PROGRAM = """
import logging
from assistant.logs import FIELDS, request_id, set_up
set_up("info", {form!r})
log = logging.getLogger("one.two")
log.info("before\\nit")
request_id.set("abc")
log.info("within %s", "it", extra={{FIELDS: {{"status": 200, "path": "/x"}}}})
log.debug("not said")
logging.getLogger("httpx").info("not said either")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def lines(form: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert run.returncode == 0 and not run.stdout
    assert "not said" not in run.stderr
    return run.stderr.splitlines()


def test_as_text() -> None:
    found = lines("text")
    assert found[0].endswith("INFO    one.two: before")
    assert found[2].endswith("INFO    one.two: within it [abc]") and "200" not in found[2]
    assert found[-1].startswith("ZeroDivisionError")


def test_as_json_one_object_a_line() -> None:
    before, within, failed = map(json.loads, lines("json"))
    assert before | {"time": ""} == {"time": "", "level": "info", "logger": "one.two", "message": "before\nit"}
    assert within | {"time": ""} == before | {
        "time": "", "message": "within it", "request": "abc", "status": 200, "path": "/x"
    }  # fmt: skip
    assert failed["level"] == "error" and failed["error"].endswith("ZeroDivisionError: division by zero")
    assert before["time"].endswith("+00:00")
