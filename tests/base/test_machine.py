"""Who made a result is written beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import torch

from nasbook.base import machine


def test_provenance_names_the_day_the_commit_the_versions_and_the_device():
    before = datetime.now(UTC).date()
    found = machine.provenance(torch.device("cpu"))
    assert before <= date.fromisoformat(found["date"]) <= datetime.now(UTC).date()
    assert set(found) == {"date", "commit", "versions", "device"} and found["device"].startswith("CPU")
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
