"""Cloud Assistant: commands on hosts and what is told of them."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from tests.integration.cloud.conftest import Town
from tests.integration.cloud.lab import Lab, until
from tests.integration.cloud.parts import att, piece, ref, template

pytestmark = pytest.mark.docker


def test_output_of_both_streams_and_the_exit_code_come_back(cloud: Lab, town: Town) -> None:
    row = cloud.result(cloud.start(town.mail, "echo out; echo err >&2; exit 3"))
    assert (row["InvocationStatus"], row["InvokeRecordStatus"], row["ExitCode"]) == ("Failed", "Finished", 3)
    assert row["Output"] == "out\nerr\n"
    assert (row["ErrorCode"], row["Dropped"], row["Repeats"]) == ("ExitCodeNonzero", 0, 1)
    assert row["ErrorInfo"] == "the command execution exit code is not zero."
    assert row["StartTime"] <= row["FinishedTime"]
    assert row["FinishedTime"].endswith("Z")


def test_success_has_no_error(cloud: Lab, town: Town) -> None:
    row = cloud.result(cloud.start(town.mail, "true"))
    assert (row["InvocationStatus"], row["InvokeRecordStatus"], row["ExitCode"]) == ("Success", "Finished", 0)
    assert (row["ErrorCode"], row["ErrorInfo"], row["Output"]) == ("", "", "")


def test_a_command_runs_in_the_home_of_root_without_input(cloud: Lab, town: Town) -> None:
    assert cloud.run(town.mail, 'pwd; id -un; echo "$HOME"; wc -c')[1] == "/root\nroot\n/root\n0\n"


def test_user_working_directory_and_shebang_count(cloud: Lab, town: Town) -> None:
    script = "#!/usr/bin/env python3\nimport os, pwd\nprint(os.getcwd(), pwd.getpwuid(os.getuid()).pw_name)\n"
    assert cloud.run(town.mail, script, Username="nobody", WorkingDir="/tmp")[1] == "/tmp nobody\n"


@pytest.mark.parametrize(
    ("options", "code"),
    [({"Username": "stranger"}, "AccountNotExists"), ({"WorkingDir": "/nowhere"}, "DirectoryNotExists")],
)
def test_who_or_where_is_not_there_is_said(cloud: Lab, town: Town, options: dict[str, str], code: str) -> None:
    row = cloud.result(cloud.start(town.mail, "echo never", **options))
    assert (row["InvocationStatus"], row["ErrorCode"], row["Output"]) == ("Failed", code, "")
    assert "ExitCode" not in row


def test_a_script_may_come_in_base64(cloud: Lab, town: Town) -> None:
    content = base64.b64encode(b"echo coded").decode()
    assert cloud.run(town.mail, content, ContentEncoding="Base64")[1] == "coded\n"
    refusal = cloud.refused(
        "ecs", "RunCommand", Type="RunShellScript", CommandContent="!", ContentEncoding="Base64", InstanceId=[town.mail]
    )
    assert refusal.code == "InvalidParameter.CommandContent"


def test_parameters_are_filled_in_only_when_enabled(cloud: Lab, town: Town) -> None:
    script = "echo '{{ Name }} {{name}} {{ACS::InstanceId}} {{other}}'"
    filled = cloud.run(town.mail, script, EnableParameter=True, Parameters={"name": "x"})[1]
    assert filled == f"x x {town.mail} {{{{other}}}}\n"
    assert cloud.run(town.mail, "echo '{{name}}'")[1] == "{{name}}\n"


def test_only_the_end_of_long_output_is_kept(cloud: Lab, town: Town) -> None:
    row = cloud.result(cloud.start(town.mail, "head -c 30000 /dev/zero | tr '\\0' a; printf '\\377end'"))
    assert row["Output"].endswith("aaa\ufffdend")
    assert row["Dropped"] == 30004 - 24000


def test_a_command_is_killed_with_all_it_started_at_its_timeout(cloud: Lab, town: Town) -> None:
    begun = time.monotonic()
    row = cloud.result(cloud.start(town.mail, "trap '' TERM; echo on; sleep 987 & wait; sleep 987", Timeout=10))
    assert 9 < time.monotonic() - begun < 40
    assert (row["InvocationStatus"], row["InvokeRecordStatus"]) == ("Timeout", "Failed")
    assert (row["ExitCode"], row["ErrorCode"], row["Output"]) == (1, "ExecutionTimeout", "on\n")
    assert cloud.run(town.mail, "pgrep -f '^sleep 98[7]'")[1] == ""


def test_an_invocation_is_told_as_a_whole(cloud: Lab, town: Town) -> None:
    script = '[ "$(hostname)" = mail ]'
    options: dict[str, Any] = {
        "Name": "who",
        "Description": "whose",
        "Timeout": 30,
        "Tag": [{"Key": "a", "Value": "b"}],
    }
    fields = {"Type": "RunShellScript", "CommandContent": script, "InstanceId": list(town), **options}
    answer = cloud.ecs("RunCommand", **fields)
    invoke = answer["InvokeId"]

    def ended() -> dict[str, Any] | None:
        (row,) = cloud.ecs("DescribeInvocations", InvokeId=invoke)["Invocations"]["Invocation"]
        found: dict[str, Any] = row
        return None if row["InvocationStatus"] in ("Pending", "Running") else found

    row = until("the invocation", ended)
    assert (row["InvocationStatus"], row["InvokeStatus"]) == ("PartialFailed", "Finished")
    assert (row["CommandId"], row["CommandName"], row["CommandDescription"]) == (answer["CommandId"], "who", "whose")
    assert (row["CommandType"], row["RepeatMode"], row["Timeout"]) == ("RunShellScript", "Once", 30)
    assert base64.b64decode(row["CommandContent"]).decode() == script
    assert row["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b"}]
    states = {each["InstanceId"]: each["InvocationStatus"] for each in row["InvokeInstances"]["InvokeInstance"]}
    assert states == {town.mail: "Success", town.web[0]: "Failed", town.web[1]: "Failed"}


def test_results_are_base64_unless_plain_text_is_asked_for(cloud: Lab, town: Town) -> None:
    invoke = cloud.start(town.mail, "echo hi")
    cloud.result(invoke)
    (row,) = cloud.ecs("DescribeInvocationResults", InvokeId=invoke)["Invocation"]["InvocationResults"][
        "InvocationResult"
    ]
    assert base64.b64decode(row["Output"]) == b"hi\n"
    (told,) = cloud.ecs("DescribeInvocations", InvokeId=invoke, IncludeOutput=True, ContentEncoding="PlainText")[
        "Invocations"
    ]["Invocation"]
    assert told["InvokeInstances"]["InvokeInstance"][0]["Output"] == "hi\n"


def test_an_unknown_invocation_is_an_empty_list(cloud: Lab) -> None:
    answer = cloud.ecs("DescribeInvocationResults", InvokeId="t-nobody")["Invocation"]
    assert (answer["TotalCount"], answer["InvocationResults"]["InvocationResult"]) == (0, [])


def test_one_bad_target_and_nothing_runs(cloud: Lab, town: Town) -> None:
    refusal = cloud.refused(
        "ecs",
        "RunCommand",
        Type="RunShellScript",
        CommandContent="touch /root/half",
        InstanceId=[town.mail, "i-nobody"],
    )
    assert (refusal.status, refusal.code) == (404, "InvalidInstance.NotFound")
    assert cloud.run(town.mail, "ls /root/half")[0] != 0


def test_targets_may_be_named_by_tag(cloud: Lab, town: Town) -> None:
    answer = cloud.ecs(
        "RunCommand",
        Type="RunShellScript",
        CommandContent="hostname",
        ResourceTag=[{"Key": "opsctl:group", "Value": "mail"}],
    )
    assert cloud.result(answer["InvokeId"])["Output"] == "mail\n"


def test_a_command_outlives_the_service_and_its_result_still_comes(cloud: Lab, town: Town) -> None:
    invoke = cloud.start(town.mail, "echo begun; sleep 3; echo done >> /root/once; cat /root/once")
    until("the command", lambda: cloud.run(town.mail, "pgrep -x sleep")[0] == 0)
    cloud.kill()
    time.sleep(0.2)
    cloud.up()
    row = cloud.result(invoke)
    assert (row["InvocationStatus"], row["ExitCode"], row["Output"]) == ("Success", 0, "begun\ndone\n")


def test_a_command_that_a_reboot_cut_off_ends_as_an_error(cloud: Lab, town: Town) -> None:
    invoke = cloud.start(town.web[0], "sleep 500", Timeout=600)
    until("the command", lambda: cloud.run(town.web[0], "pgrep -x sleep")[0] == 0)
    cloud.ecs("RebootInstance", InstanceId=town.web[0], ForceStop=True)
    row = cloud.result(invoke)
    assert row["InvocationStatus"] in ("Error", "Failed")
    assert row["ErrorCode"]
    until("the host", lambda: cloud.instance(town.web[0])["Status"] == "Running")


def command(script: str, **properties: Any) -> dict[str, Any]:
    wanted = {"Type": "RunShellScript", "CommandContent": script, "InstanceIds": [ref("Host")], **properties}
    return piece("ALIYUN::ECS::RunCommand", wanted)


def test_a_command_as_a_resource_is_as_good_as_its_exit_code(cloud: Lab, town: Town) -> None:
    parameters = {"Host": {"Type": "String"}}
    good = {"Run": command("hostname", Sync=True, Timeout=30)}
    stack = cloud.create(template(good, {"Told": att("Run", "InvokeResults")}, parameters), Host=town.mail)
    assert stack.status == "CREATE_COMPLETE", stack.reason
    (told,) = stack.output("Told")
    assert (told["InstanceId"], told["Output"], told["ExitCode"]) == (town.mail, "mail\n", 0)
    bad = cloud.create(template({"Run": command("exit 7", Sync=True)}, parameters=parameters), Host=town.mail)
    assert bad.status == "CREATE_ROLLBACK_COMPLETE"
    assert "RunCommandFailed: resources.Run: Command Failed" in bad.reason
    assert "exit code 7" in bad.reason
