"""The official SDKs, unchanged, against the gateway."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_ros20190910 import models as ros
from alibabacloud_ros20190910.client import Client as Ros
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException, ThrottlingException
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as Vpc
from darabonba.policy.retry import RetryOptions

from .conftest import OLD, SECRET, STS, Served


def _get(client: Any, name: str) -> Any:
    return client.get_stack(ros.GetStackRequest(region_id="cn-hangzhou", stack_id=name))


def test_parameters_arrive_as_they_were_given(gateway: Served) -> None:
    request = ros.CreateStackRequest(
        region_id="cn-hangzhou",
        stack_name="my stack*~é中/?&=+%",
        template_body='{"a": "b&c=d +中"}',
        disable_rollback=True,
        timeout_in_minutes=10,
        notification_urls=["http://a/?x=1&y", ""],
        parameters=[ros.CreateStackRequestParameters("A", ""), ros.CreateStackRequestParameters("B", "line\nline\t ")],
        tags=[ros.CreateStackRequestTags("k", None), ros.CreateStackRequestTags("k2", "v")],
    )
    answer = gateway.client().create_stack(request)
    assert answer.body.stack_id == "id-of-my stack*~é中/?&=+%"
    seen = gateway.seen[-1]
    assert answer.body.request_id == seen.request_id == seen.request_id.upper()
    assert (seen.product, seen.version, seen.action) == ("ROS", "2019-09-10", "CreateStack")
    assert seen.region_id == "cn-hangzhou"
    assert seen.params.boolean("DisableRollback") is True
    assert seen.params.integer("TimeoutInMinutes", 10, 1440, 60) == 10
    assert seen.params.required("TemplateBody") == '{"a": "b&c=d +中"}'
    assert seen.params.names("NotificationURLs") == ["http://a/?x=1&y", ""]
    assert seen.params.objects("Parameters") == [
        {"ParameterKey": "A", "ParameterValue": ""},
        {"ParameterKey": "B", "ParameterValue": "line\nline\t "},
    ]
    assert seen.params.objects("Tags") == [{"Key": "k"}, {"Key": "k2", "Value": "v"}]


def test_other_products_are_told_apart_by_version(gateway: Served) -> None:
    gateway.client(Ecs).describe_instances(
        ecs.DescribeInstancesRequest(
            region_id="cn-hangzhou", instance_ids=json.dumps(["i-1"]), tag=[ecs.DescribeInstancesRequestTag("a", "b")]
        )
    )
    assert gateway.seen[-1].product == "Ecs"
    assert gateway.seen[-1].params.parsed("InstanceIds", list) == ["i-1"]
    assert gateway.seen[-1].params.objects("Tag") == [{"Key": "a", "Value": "b"}]
    gateway.client(Vpc).describe_vpcs(vpc.DescribeVpcsRequest(region_id="cn-hangzhou"))
    assert gateway.seen[-1].product == "Vpc"


def test_a_script_of_a_command_travels_in_the_query(gateway: Served) -> None:
    script = "#!/bin/sh\necho 'a b' \"$X\" 中\n" * 2000
    request = ecs.RunCommandRequest(
        region_id="cn-hangzhou", type="RunShellScript", command_content=script, instance_id=["i-1", "i-2"],
        parameters={"name": "Jack & Jill"},
    )  # fmt: skip
    gateway.client(Ecs).run_command(request)
    assert gateway.seen[-1].params["CommandContent"] == script
    assert gateway.seen[-1].params.parsed("Parameters", dict) == {"name": "Jack & Jill"}


@pytest.mark.parametrize("letter", ["a", '"', "中"], ids=["plain", "quoted", "chinese"])
def test_a_template_of_512_kilobytes_fits_in_a_form_and_in_a_query(gateway: Served, letter: str) -> None:
    body = letter * (524_288 // len(letter.encode()))
    client = gateway.client(read_timeout=20_000)
    client.create_stack(ros.CreateStackRequest(region_id="cn-hangzhou", stack_name="big", template_body=body))
    assert gateway.seen[-1].params["TemplateBody"] == body
    client.get_template_summary(ros.GetTemplateSummaryRequest(region_id="cn-hangzhou", template_body=body))
    assert gateway.seen[-1].params["TemplateBody"] == body


def test_an_endpoint_with_its_scheme_works(gateway: Served) -> None:
    assert _get(gateway.client(endpoint=f"http://127.0.0.1:{gateway.port}"), "there").body.stack_name == "there"


def test_a_result_may_hold_any_text_but_not_forge_its_request_id(gateway: Served) -> None:
    body = _get(gateway.client(), "there").body
    assert body.outputs[0]["OutputValue"] == "中\ud800"
    assert body.request_id != "forged"


def test_a_refusal_is_a_client_exception_with_the_real_body(gateway: Served) -> None:
    with pytest.raises(ClientException) as caught:
        _get(gateway.client(), "x")
    error = caught.value
    assert (error.code, error.status_code) == ("StackNotFound", 404)
    assert error.data["Message"] == "The Stack (x) could not be found."
    assert error.data["HostId"] == f"127.0.0.1:{gateway.port}"
    assert error.data["RequestId"] == error.request_id
    assert error.data["Recommend"].startswith(
        "https://api.aliyun.com/troubleshoot?q=StackNotFound&product=ROS&requestId="
    )


def test_a_missing_parameter_is_named(gateway: Served) -> None:
    with pytest.raises(ClientException) as caught:
        gateway.client().create_stack(ros.CreateStackRequest(region_id="cn-hangzhou", stack_name=""))
    assert caught.value.code == "MissingParameter"
    assert caught.value.data["Message"] == "The input parameter StackName should be specified."


@pytest.mark.parametrize("name", ["bug", "odd"])
def test_a_bug_is_a_server_exception_and_its_text_stays_out_of_answer_and_log(
    gateway: Served, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(ServerException) as caught:
        _get(gateway.client(), name)
    assert (caught.value.code, caught.value.status_code) == ("InternalError", 500)
    assert caught.value.data["Message"] == "Server error."
    assert "CANARY" not in caplog.text + str(caught.value.data)
    assert caught.value.request_id in caplog.text
    assert ("RuntimeError" if name == "bug" else "TypeError") in caplog.text


def test_throttling_says_when_to_come_back(gateway: Served) -> None:
    with pytest.raises(ThrottlingException) as caught:
        _get(gateway.client(), "busy")
    assert (caught.value.code, caught.value.retry_after) == ("Throttling.User", 30)


def test_a_client_that_retries_signs_each_attempt_anew(gateway: Served) -> None:
    rule = {"maxAttempts": 3, "backoff": {"policy": "Fixed", "period": 1}, "exception": ["ThrottlingException"]}
    client = gateway.client(retry_options=RetryOptions({"retryable": True, "retryCondition": [rule]}))
    with pytest.raises(ThrottlingException):
        _get(client, "busy")


def test_an_action_that_hangs_is_answered_in_time(hasty: Served) -> None:
    with pytest.raises(ThrottlingException) as caught:
        _get(hasty.client(), "slow")
    assert (caught.value.code, caught.value.status_code) == ("ServiceUnavailable", 503)


def test_an_unknown_action_and_an_unknown_version_are_told_apart(gateway: Served) -> None:
    with pytest.raises(ClientException) as caught:
        gateway.client().list_stacks(ros.ListStacksRequest(region_id="cn-hangzhou"))
    assert (caught.value.code, caught.value.status_code) == ("InvalidAction.NotFound", 404)
    client = gateway.client(Ros)
    client._product_id = "x"
    with pytest.raises(ClientException) as caught:
        client.call_api(*_call_of("GetStack", "2001-01-01"))
    assert (caught.value.code, caught.value.status_code) == ("InvalidVersion", 404)


def _call_of(action: str, version: str) -> tuple[Any, ...]:
    from alibabacloud_tea_openapi.models import OpenApiRequest, Params
    from darabonba.runtime import RuntimeOptions

    params = Params(
        action=action, version=version, protocol="HTTP", pathname="/", method="POST", auth_type="AK", style="RPC",
        req_body_type="formData", body_type="json",
    )  # fmt: skip
    return params, OpenApiRequest(query={"StackId": "there"}), RuntimeOptions()


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        ({"access_key_id": "nobody"}, "InvalidAccessKeyId.NotFound", 404),
        ({"access_key_secret": "wrong"}, "SignatureDoesNotMatch", 400),
        ({"security_token": "made-up"}, "InvalidSecurityToken.Malformed", 400),
        ({"access_key_id": STS.access_key_id, "access_key_secret": STS.secret}, "MissingSecurityToken", 400),
        (
            {"access_key_id": OLD.access_key_id, "access_key_secret": OLD.secret, "security_token": OLD.security_token},
            "InvalidSecurityToken.Expired",
            400,
        ),
    ],
)
def test_a_stranger_is_refused(gateway: Served, options: dict[str, Any], code: str, status: int) -> None:
    with pytest.raises(ClientException) as caught:
        _get(gateway.client(**options), "there")
    assert (caught.value.code, caught.value.status_code) == (code, status)
    assert SECRET not in str(caught.value.data)


def test_a_temporary_key_with_its_token_is_accepted(gateway: Served) -> None:
    client = gateway.client(
        access_key_id=STS.access_key_id, access_key_secret=STS.secret, security_token=STS.security_token
    )
    assert _get(client, "there").body.stack_name == "there"


def test_a_wrong_secret_is_explained_without_repeating_secrets(gateway: Served) -> None:
    request = ros.CreateStackRequest(
        region_id="cn-hangzhou",
        stack_name="shown",
        template_body="CANARY-template",
        parameters=[ros.CreateStackRequestParameters("Password", "CANARY-password")],
    )
    with pytest.raises(ClientException) as caught:
        gateway.client(access_key_secret="wrong").create_stack(request)
    message = caught.value.data["Message"]
    assert "server StringToSign is [ACS3-HMAC-SHA256\n" in message
    assert "StackName=shown" in message
    assert "CANARY" not in message


@pytest.mark.parametrize("options", [{}, {"access_key_secret": "wrong"}])
def test_the_older_signature_of_the_sdk_is_checked_too(gateway: Served, options: dict[str, Any]) -> None:
    client = gateway.client(signature_algorithm="v2", **options)
    request = ros.CreateStackRequest(region_id="cn-hangzhou", stack_name="old é*~ way", template_body="b & c")
    if not options:
        assert client.create_stack(request).body.stack_id == "id-of-old é*~ way"
        assert set(gateway.seen[-1].params) == {"RegionId", "StackName", "TemplateBody"}
        return
    with pytest.raises(ClientException) as caught:
        client.create_stack(request)
    assert caught.value.code == "SignatureDoesNotMatch"
    assert "server string to sign is:POST&%2F&" in caught.value.data["Message"]


def test_the_access_log_says_who_called_what_and_never_with_what(
    gateway: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        request = ros.CreateStackRequest(
            region_id="cn-hangzhou",
            stack_name="logged",
            template_body="CANARY-body",
            parameters=[ros.CreateStackRequestParameters("Password", "CANARY-query")],
        )
        answer = gateway.client().create_stack(request)
    lines = [record.getMessage() for record in caplog.records if record.name == "opsctl.localcloud.access"]
    assert len(lines) == 1
    assert lines[0].startswith(f"{answer.body.request_id} 127.0.0.1 POST 2019-09-10 CreateStack ok 200 ")
    assert "CANARY" not in caplog.text
