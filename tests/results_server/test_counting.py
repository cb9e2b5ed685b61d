"""What the server tells Prometheus."""

from __future__ import annotations

from profiling_operator.results_server.counting import Counts


def test_requests_are_counted_by_method_and_code() -> None:
    """Methods that somebody made up are one."""
    counts = Counts()
    counts.answered("GET", 200)
    counts.answered("GET", 200)
    counts.answered("BREW", 405)
    counts.answered("STEEP", 405)

    said = counts.text().decode()
    assert 'profjob_results_requests_total{code="200",method="GET"} 2.0' in said
    assert 'profjob_results_requests_total{code="405",method="other"} 2.0' in said


def test_bytes_are_counted() -> None:
    """Stored, received, sent."""
    counts = Counts()
    counts.received.inc(5)
    counts.sent.inc(6)
    counts.stored.set(7)

    said = counts.text().decode()
    assert "profjob_results_received_bytes_total 5.0" in said
    assert "profjob_results_sent_bytes_total 6.0" in said
    assert "profjob_results_bytes 7.0" in said


def test_servers_do_not_share_metrics() -> None:
    """Each has a registry of its own."""
    Counts().received.inc(5)

    assert "received_bytes_total 0.0" in Counts().text().decode()
