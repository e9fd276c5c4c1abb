"""Which instances of a stack are started, rebooted, and counted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.revive import Orders, Power, counted, name, orders
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError

RECORDS = {
    "i-1": {"InstanceId": "i-1", "InstanceName": "a-01", "Status": "Running"},
    "i-2": {"InstanceId": "i-2", "InstanceName": "a-02", "Status": "Stopped"},
    "i-3": {"InstanceId": "i-3", "InstanceName": "b-01", "Status": "Starting"},
}
LOGICAL = {"i-1": "A", "i-2": "A", "i-3": "B", "i-4": "B", "i-5": "C"}


def test_who_is_stopped_is_started_and_who_hangs_is_rebooted() -> None:
    assert orders(RECORDS, {"i-1", "i-2", "i-3", "i-4"}) == Orders(start=("i-2",), reboot=("i-1",))
    assert orders(RECORDS, ()) == Orders(start=("i-2",))
    assert not orders({"i-1": RECORDS["i-1"]}, ())


def test_who_is_gone_is_not_counted() -> None:
    assert counted(LOGICAL, RECORDS) == {"A": 2, "B": 1, "C": 0}
    assert name(RECORDS, "i-1") == "a-01"
    assert name(RECORDS, "i-4") == "i-4"


class Cloud:
    """Answers as the compute service does; ``missing``: ids that the first answer lacks."""

    def __init__(self, refused: str = "", missing: str = "") -> None:
        self.rows: dict[str, dict[str, Any]] = {key: dict(row) for key, row in RECORDS.items()}
        self.calls: list[tuple[str, list[str]]] = []
        self._refused = refused
        self._missing = missing

    def ecs(self, action: str, **query: Any) -> dict[str, Any]:
        if action == "DescribeInstances":
            rows = [row for key, row in self.rows.items() if key != self._missing]
            self._missing = ""
            return {"Instances": {"Instance": rows}}
        (one,) = query["InstanceId"]
        self.calls.append((action, [one]))
        if one == self._refused:
            raise CloudError(action, "OperationDenied", "The account is in arrears.", 403)
        self.rows[one]["Status"] = "Running"
        return {}


def test_each_is_switched_by_itself_and_a_refusal_stops_no_other() -> None:
    cloud = Cloud(refused="i-2")
    cloud.rows["i-3"]["Status"] = "Running"
    wrong = Power(cloud, list(RECORDS), 0).carry_out(Orders(start=("i-2",), reboot=("i-3",)))  # type: ignore[arg-type]
    assert cloud.calls == [("StartInstances", ["i-2"]), ("RebootInstances", ["i-3"])]
    assert list(wrong) == ["i-2"]
    assert "arrears" in wrong["i-2"]


def test_one_that_does_not_come_up_is_told() -> None:
    cloud = Cloud()
    wrong = Power(cloud, list(RECORDS), 0).carry_out(Orders(start=("i-2",), reboot=("i-3",)))  # type: ignore[arg-type]
    assert wrong == {}
    cloud.rows["i-1"]["Status"] = "Stopping"
    cloud.ecs = lambda action, **_: {"Instances": {"Instance": list(cloud.rows.values())}}  # type: ignore[method-assign]
    assert Power(cloud, list(RECORDS), 0).carry_out(Orders(reboot=("i-1",))) == {  # type: ignore[arg-type]
        "i-1": "Waited 0 s for the instances to run"
    }


@pytest.mark.parametrize("missing", ["", "i-1"])
def test_an_answer_that_lacks_somebody_is_not_believed_at_once(missing: str) -> None:
    assert set(Power(Cloud(missing=missing), list(RECORDS), 0).look()) == set(RECORDS)  # type: ignore[arg-type]
