"""What runs in Ansible's own process: callback plug-ins that ansible-playbook finds here in runs that opsctl conducts.

Each is loaded by its presence, reads a variable of the environment that is only there when it is wanted, and may
import opsctl: it is the same virtual environment. One file, one purpose, and nothing else of opsctl but `opsctl.judged`
touches Ansible's internals.
"""
