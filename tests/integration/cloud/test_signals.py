"""Wait conditions: hosts and callers signal, stacks wait, fail or time out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from tests.integration.cloud.conftest import Town
from tests.integration.cloud.lab import Lab, Stack, until
from tests.integration.cloud.parts import att, condition, handle, host, network, ref, sleep, template

pytestmark = pytest.mark.docker


def waiting(cloud: Lab, timeout: int = 60, handle_options: dict[str, Any] | None = None, **options: Any) -> Stack:
    """A stack that waits."""
    resources = {"Handle": handle(**(handle_options or {})), "Wait": condition(timeout, **options)}
    told = {"Data": att("Wait", "Data"), "Curl": att("Handle", "CurlCli"), "Url": att("Handle", "URL")}
    stack = cloud.begin(template(resources, told))
    until("the wait", lambda: stack.resources.get("Wait", {}).get("Status") == "CREATE_IN_PROGRESS")
    return stack


def signal(stack: Stack, status: str = "SUCCESS", unique: str = "1") -> None:
    stack.lab.ros("SignalResource", StackId=stack.id, LogicalResourceId="Handle", Status=status, UniqueId=unique)


def test_as_many_signals_as_counted_end_the_wait(cloud: Lab) -> None:
    stack = waiting(cloud, Count=2)
    signal(stack, unique="a")
    signal(stack, unique="a")
    time.sleep(0.3)
    assert stack.status == "CREATE_IN_PROGRESS"
    signal(stack, unique="b")
    assert stack.ended().status == "CREATE_COMPLETE"
    assert json.loads(stack.output("Data")) == {"a": None, "b": None}
    signals = [event for event in stack.events if event[1] == "SIGNAL_COMPLETE"]
    assert signals[0] == ("Handle", "SIGNAL_COMPLETE", "Signal: status:SUCCESS reason:Signal 1 received")


def test_a_warning_is_no_success(cloud: Lab) -> None:
    stack = waiting(cloud, timeout=2)
    signal(stack, "WARNING")
    assert stack.ended().status == "CREATE_ROLLBACK_COMPLETE"
    assert "WaitConditionTimeout: resources.Wait: 0 of 1 received" in stack.reason


def test_a_signal_must_say_what_it_is_and_where_it_goes(cloud: Lab) -> None:
    stack = waiting(cloud, timeout=30)
    fields = {"StackId": stack.id, "UniqueId": "1", "LogicalResourceId": "Handle", "Status": "SUCCESS"}
    assert cloud.refused("ros", "SignalResource", **{**fields, "Status": "GREAT"}).code == "InvalidParameter"
    refusal = cloud.refused("ros", "SignalResource", **{**fields, "LogicalResourceId": "Wait"})
    assert (refusal.status, refusal.code) == (404, "ResourceNotFound")
    signal(stack, "FAILURE")
    assert stack.ended().status == "CREATE_ROLLBACK_COMPLETE"


def test_a_host_signals_with_the_command_it_was_given(cloud: Lab, town: Town) -> None:
    stack = waiting(cloud)
    curl = stack.output("Curl")
    assert curl.startswith("curl -i -X POST ")
    assert "-H 'Content-Type: application/json' -H 'Accept: application/json'" in curl
    assert "http://100.100.100.110/waitcondition?stackname=" in curl
    body = json.dumps({"Status": "success", "data": {"n": [1]}, "ID": "me"})
    code, told = cloud.run(town.mail, f"{curl} -d '{body}'")
    assert (code, "200 OK" in told) == (0, True), told
    assert stack.ended().status == "CREATE_COMPLETE"
    assert json.loads(stack.output("Data")) == {"me": {"n": [1]}}


def test_a_failure_carries_its_reason(cloud: Lab, town: Town) -> None:
    stack = waiting(cloud)
    body = json.dumps({"status": "FAILURE", "reason": "disk full"})
    assert cloud.run(town.mail, f"{stack.output('Curl')} -d '{body}'")[0] == 0
    assert stack.ended().status == "CREATE_ROLLBACK_COMPLETE"
    assert stack.reason == "Resource CREATE failed: WaitConditionFailure: resources.Wait: disk full"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("signature=", "signature=0"), "SignatureDoesNotMatch"),
        (("signature=", "signature=%C3%A9"), "SignatureDoesNotMatch"),
        (("resource=Handle", "resource=Other"), "SignatureDoesNotMatch"),
        (("expire=", "expire=9"), "SignatureDoesNotMatch"),
    ],
)
def test_an_address_that_was_touched_opens_nothing(cloud: Lab, town: Town, change: tuple[str, str], code: str) -> None:
    stack = waiting(cloud, timeout=30)
    url = stack.output("Url").replace(*change)
    assert code in cloud.run(town.mail, f"curl -s -X POST '{url}' -d '{{}}'")[1]
    assert not [event for event in stack.events if event[1] == "SIGNAL_COMPLETE"]
    signal(stack)
    stack.ended()


@pytest.mark.parametrize("body", ["[1]", "nonsense", '{"status": "GREAT"}'])
def test_a_body_that_is_no_signal_is_refused(cloud: Lab, town: Town, body: str) -> None:
    stack = waiting(cloud, timeout=30)
    told = cloud.run(town.mail, f"curl -s -X POST '{stack.output('Url')}' -d '{body}'")[1]
    assert json.loads(told)["Code"] == "InvalidParameter"
    signal(stack)
    stack.ended()


def test_signals_come_from_hosts_only(cloud: Lab) -> None:
    stack = waiting(cloud, timeout=30)
    path = stack.output("Url").partition("100.100.100.110")[2]
    answer = requests.post(f"http://127.0.0.1:{cloud.choice.port}{path}", json={}, timeout=5)
    assert (answer.status_code, answer.json()["Code"]) == (403, "Forbidden")
    signal(stack)
    stack.ended()


def test_user_data_reports_when_it_is_done(cloud: Lab) -> None:
    """The way of official templates: a word in the script stands for the handle's command."""
    text = '#!/bin/bash\nset -e\necho 42 > /root/answer\nros-notify -d \'{"data": "ready"}\'\n'
    script = {"Fn::Replace": [{"ros-notify": att("Handle", "CurlCli")}, text]}
    resources = {**network(), "Handle": handle(), "Wait": condition(60), "Host": host(UserData=script)}
    stack = cloud.create(template(resources, {"Data": att("Wait", "Data"), "Host": ref("Host")}))
    assert stack.status == "CREATE_COMPLETE", stack.reason
    assert json.loads(stack.output("Data")) == {"1": "ready"}
    assert cloud.run(stack.output("Host"), "cat /root/answer")[1] == "42\n"
    stack.delete()


def test_an_update_with_increment_waits_anew_and_keeps_the_last_data(cloud: Lab) -> None:
    def body(number: int) -> str:
        resources = {"Handle": handle(Mode="Increment", Count=number), "Wait": condition(60 + number)}
        return template(resources, {"Data": att("Wait", "Data")})

    stack = cloud.begin(body(0))
    until("the wait", lambda: stack.resources.get("Wait", {}).get("Status") == "CREATE_IN_PROGRESS")
    signal(stack, unique="first")
    stack.ended()
    stack.change(body(1), {"ReplacementOption": "Enabled"})
    until("the wait", lambda: stack.resources["Wait"]["Status"] == "CREATE_IN_PROGRESS")
    assert stack.status == "UPDATE_IN_PROGRESS"
    signal(stack, unique="second")
    assert stack.ended().status == "UPDATE_COMPLETE"
    assert json.loads(stack.output("Data")) == {"second": None}


def test_sleep_takes_its_time(cloud: Lab) -> None:
    begun = time.monotonic()
    stack = cloud.create(template({"Pause": sleep(1.5)}))
    assert stack.status == "CREATE_COMPLETE"
    assert 1.5 <= time.monotonic() - begun < 10
