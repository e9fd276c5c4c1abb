"""Resource types, one file a product. :data:`TYPES` maps a type's name to its class.

A new type is one class in one of these files: its properties, its attributes, ``create``, ``update``, ``delete``.
"""

from __future__ import annotations

from opsctl.localcloud.resources.base import Resource
from opsctl.localcloud.resources.ecs import ECS
from opsctl.localcloud.resources.ros import ROS
from opsctl.localcloud.resources.vpc import VPC

TYPES: dict[str, type[Resource]] = {cls.type: cls for cls in (*VPC, *ECS, *ROS)}
