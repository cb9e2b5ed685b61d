"""Errors and headers."""

from __future__ import annotations

import json

from profiling_operator.results_server.answers import Refusal, of_file


def test_a_refusal_is_json_with_its_headers() -> None:
    """A `message`, whatever the status."""
    response = Refusal(409, "no", {"Upload-Offset": "5"}).response()

    assert response.status == 409
    assert response.headers["Upload-Offset"] == "5"
    assert json.loads(response.text or "") == {"message": "no"}


def test_what_is_unknown_is_a_download() -> None:
    """By the last part of its path; what is known is shown."""
    unknown, known = of_file("raw/run-0/a b", "0" * 64), of_file("report.html", "0" * 64)

    assert unknown["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b"
    assert "Content-Disposition" not in known
    assert known["Content-Type"].startswith("text/html")
