# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module starts and ends: the only caller of exit_json and fail_json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error, Missing


def main(run: Callable[[AnsibleModule], dict[str, Any]], **module_options: Any) -> None:
    """Run a module: its result is what ``run`` returns, its failure an :class:`Error` in one line.

    The invocation is not sent to the system log, because which parameters of a template are secret is only known later.
    """
    module = AnsibleModule(no_log=True, supports_check_mode=True, **module_options)
    try:
        result = run(module)
    except Missing as error:
        module.fail_json(msg=missing_required_lib(error.library), exception=error.trace or None)
    except Error as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


def looking(module: AnsibleModule) -> bool:
    """Whether somebody wants to see what would be done, in detail."""
    return bool(module.check_mode or module._diff)


def hide(module: AnsibleModule, *secrets: str | None) -> None:
    """Keep these values out of everything the module prints, its own arguments included."""
    module.no_log_values.update(secret for secret in secrets if secret)
