"""The official SDK's own client against the local cloud: eval "$(opsctl cloud env)" first."""

import os
import time

from alibabacloud_ros20190910 import models
from alibabacloud_ros20190910.client import Client
from alibabacloud_tea_openapi.models import Config

key, secret = os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
region, endpoint = os.environ["ALIBABA_CLOUD_REGION_ID"], os.environ["OPSCTL_CLOUD_ENDPOINT"]
client = Client(Config(access_key_id=key, access_key_secret=secret, region_id=region, endpoint=endpoint))
template = """{"ROSTemplateFormatVersion": "2015-09-01",
 "Resources": {"Vpc": {"Type": "ALIYUN::ECS::VPC", "Properties": {"CidrBlock": "10.0.0.0/8"}}},
 "Outputs": {"VpcId": {"Value": {"Ref": "Vpc"}}}}"""
made = client.create_stack(models.CreateStackRequest(region_id=region, stack_name="hello", template_body=template))
wanted = models.GetStackRequest(region_id=region, stack_id=made.body.stack_id)
while (stack := client.get_stack(wanted).body).status == "CREATE_IN_PROGRESS":
    time.sleep(0.2)
print(stack.status, {output["OutputKey"]: output["OutputValue"] for output in stack.outputs})
client.delete_stack(models.DeleteStackRequest(region_id=region, stack_id=made.body.stack_id))
