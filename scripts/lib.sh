# shellcheck shell=bash
# What the scripts beside this file share: places, progress, Debian packages, the virtual environment, Docker.
# It is read with `.`; the caller has already said `set -euo pipefail`.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
# Always the checkout's own: scripts/clean removes all of it, and nobody's real ledger may be there.
export OPSCTL_HOME=$ROOT/.opsctl
LOGS=$OPSCTL_HOME/logs

# A Docker daemon of our own, where there is no service manager to start the packaged one.
DOCKERD_DATA=/var/lib/opsctl-docker
DOCKERD_PID=/run/opsctl-dockerd.pid
DOCKERD_OWNER=$DOCKERD_DATA/opsctl-home # which checkout made it

# Ansible refuses to start in a locale that is not UTF-8, and a bare machine has none.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-C}}}" in
  *[Uu][Tt][Ff]8 | *[Uu][Tt][Ff]-8) ;;
  *) export LC_ALL=C.UTF-8 ;;
esac
export PIP_DISABLE_PIP_VERSION_CHECK=1

# ---------------------------------------------------------------- progress

say() { printf '%s\n' "$*"; }
note() { printf '    %s\n' "$*"; }

# One line that says what, where and what to do; never a trace.
die() {
  printf '%s: %s\n' "scripts/$(basename "$0")" "$*" >&2
  exit 1
}

now() { printf '%s' "${EPOCHREALTIME/[^0-9]/}"; } # microseconds, whatever the locale's decimal sign
seconds() { printf '%d.%01d' "$(($1 / 1000000))" "$(($1 % 1000000 / 100000))"; }

PHASES=()
PHASE=
PHASE_START=0

phase() {
  end_phase
  PHASE=$1
  PHASE_START=$(now)
  printf '\n==> %s\n' "$PHASE"
}

end_phase() {
  [ -n "$PHASE" ] || return 0
  local took
  took=$(seconds $(($(now) - PHASE_START)))
  PHASES+=("$(printf '%8s s  %s' "$took" "$PHASE")")
  note "done in $took s"
  PHASE=
}

print_phases() {
  end_phase
  printf '%s\n' "${PHASES[@]}"
}

# quietly WHAT COMMAND...: output goes to a log; the terminal sees that it lives; a failure shows the log's end.
quietly() {
  local what=$1 log ticker code=0
  shift
  log=$LOGS/$(tr -c 'A-Za-z0-9\n' '-' <<<"$what" | tr -s '-').log
  mkdir -p "$LOGS"
  _tick "$what" &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || code=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [ ! -t 1 ] || printf '\r\033[K'
  if [ "$code" -ne 0 ]; then
    tail -n 20 "$log" | sed 's/^/    | /' >&2
    die "$what failed (exit code $code); all of its output: $log"
  fi
}

# Its parent may be gone without a word (kill -9): it must not tick for ever.
_tick() {
  local start=$SECONDS
  trap 'kill $! 2>/dev/null; exit 0' TERM
  while kill -0 $$ 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r    %s ... %d s ' "$1" $((SECONDS - start))
      sleep 1 &
    else
      printf '    %s ... %d s\n' "$1" $((SECONDS - start))
      sleep 10 &
    fi
    wait $! || true
  done
}

# ---------------------------------------------------------------- Debian packages

is_root() { [ "$(id -u)" -eq 0 ]; }

# packages NAME...: installs what is missing; says the command to type where that is not ours to do.
packages() {
  local name
  local missing=()
  for name in "$@"; do
    dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null | grep -q ' installed$' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "these Debian packages are needed and this machine has no apt-get: ${missing[*]}"
  is_root || die "Debian packages are missing. Install them, then start again: sudo apt-get install ${missing[*]}"
  quietly "installing ${missing[*]}" _install "${missing[@]}"
  note "installed ${missing[*]}"
  printf '%s\n' "${missing[@]}" >>"$OPSCTL_HOME/packages" # scripts/clean names them
}

_install() {
  export DEBIAN_FRONTEND=noninteractive
  [ -z "$(dpkg --audit)" ] || dpkg --configure -a # an earlier installation was interrupted
  apt-get -o DPkg::Lock::Timeout=300 update
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

# needs COMMAND PACKAGE: a command may come from elsewhere than Debian's package of it.
needs() { command -v "$1" >/dev/null || packages "$2"; }

# ---------------------------------------------------------------- Python

_python_fits() {
  "$1" -c 'import sys, ensurepip, sqlite3, ssl, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in ${OPSCTL_PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
    if _python_fits "$candidate"; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

# virtualenv main|EXTRA: .venv with this checkout in it, editable. A stamp makes the second time free.
virtualenv() {
  local extra=${1#main} python target stamp
  if ! python=$(find_python); then
    packages python3 python3-venv ca-certificates
    python=$(find_python) || die "Python 3.11 or newer with the venv module is needed; name one with OPSCTL_PYTHON=/path/to/python3"
  fi
  target=$ROOT${extra:+[$extra]}
  mkdir -p "$OPSCTL_HOME"
  (
    flock 9 # two scripts at once must not build it twice
    stamp=$VENV/.stamp-${extra:-main}
    if [ -x "$VENV/bin/opsctl" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(_stamp)" ]; then
      note "up to date: $VENV"
      exit 0
    fi
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
      quietly "creating $VENV" "$python" -m venv --clear "$VENV"
    fi
    quietly "installing opsctl${extra:+ and what its $extra extra needs}" \
      "$VENV/bin/python" -m pip install --no-input --editable "$target"
    _stamp | tee "$VENV/.stamp-main" >"$stamp" # an extra brings what main has, too
    note "$("$VENV/bin/python" --version), $("$VENV/bin/opsctl" --version 2>/dev/null || echo opsctl) in $VENV"
  ) 9>"$OPSCTL_HOME/.setup.lock"
}

_stamp() {
  printf '%s ' "$ROOT"
  cat "$ROOT/pyproject.toml" "$ROOT/galaxy.yml" | sha256sum | cut -d' ' -f1
}

# ---------------------------------------------------------------- Docker

docker_answers() {
  if command -v docker >/dev/null; then
    timeout 20 docker info >/dev/null 2>&1
  else
    false
  fi
}

# Leaves a running engine as it is; else installs one, and starts it, when we may.
docker_engine() {
  if docker_answers; then
    note "using the engine that runs: Docker $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
    return 0
  fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset the variable"
  fi
  if ! is_root; then
    if [ -S /var/run/docker.sock ]; then
      die "user $(id -un) may not use Docker; run 'sudo usermod -aG docker $(id -un)', log in again, then start again"
    fi
    die "no Docker engine runs here and only root may start one; run this as root, or ask for: apt-get install docker.io"
  fi
  command -v dockerd >/dev/null || packages docker.io iptables ca-certificates
  needs docker docker.io
  docker_answers || _start_dockerd
  note "started Docker $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
}

_start_dockerd() {
  if [ -d /run/systemd/system ]; then
    quietly "starting the docker service" systemctl start docker
    _wait_for_docker || die "the docker service does not answer; see: journalctl -u docker"
    return 0
  fi
  needs iptables iptables
  local log=$LOGS/dockerd.log
  mkdir -p "$LOGS"
  if ! our_dockerd >/dev/null; then
    _refuse_second_dockerd
    docker_answers && return 0
    rm -f "$DOCKERD_PID"
    mkdir -p "$DOCKERD_DATA"
    [ -e "$DOCKERD_OWNER" ] || printf '%s\n' "$OPSCTL_HOME" >"$DOCKERD_OWNER"
    setsid dockerd --data-root "$DOCKERD_DATA" --pidfile "$DOCKERD_PID" </dev/null >>"$log" 2>&1 &
  fi
  if ! _wait_for_docker; then
    tail -n 10 "$log" | sed 's/^/    | /' >&2
    die "dockerd does not start; all of its output: $log"
  fi
}

# A second daemon would fight with the first one for bridge and filter rules. One that a package's own script has just
# started gets its time; those inside of hosts are in other process namespaces and do no harm.
_refuse_second_dockerd() {
  local pid end=$((SECONDS + 20))
  for pid in $(pidof dockerd || true); do
    while [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ]; do
      ! docker_answers || return 0
      [ $SECONDS -lt $end ] || die "dockerd (process $pid) runs and does not answer at /var/run/docker.sock; set DOCKER_HOST to its address"
      sleep 0.5
    done
  done
}

_wait_for_docker() {
  local end=$((SECONDS + 60))
  while ! docker_answers; do
    [ $SECONDS -lt $end ] || return 1
    if [ -n "${!:-}" ] && ! kill -0 "$!" 2>/dev/null && ! our_dockerd >/dev/null && [ ! -d /run/systemd/system ]; then
      return 1
    fi
    sleep 0.5
  done
}

# Prints the process id of the daemon these scripts started; a pid file alone proves nothing.
our_dockerd() {
  local pid
  pid=$(cat "$DOCKERD_PID" 2>/dev/null) || return 1
  [ -r "/proc/$pid/cmdline" ] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "--pidfile $DOCKERD_PID" || return 1
  printf '%s' "$pid"
}

stop_our_dockerd() {
  local pid end=$((SECONDS + 60))
  pid=$(our_dockerd) || return 0
  note "stopping dockerd (process $pid)"
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do
    [ $SECONDS -lt $end ] || die "dockerd (process $pid) does not stop; its output: $LOGS/dockerd.log"
    sleep 0.2
  done
}

# The host image is pulled where OPSCTL_HOST_IMAGE names one, and else built from the distribution's mirror: as root
# with mmdebstrap alone, as a user in a user namespace.
host_tools() {
  needs ssh openssh-client
  if [ -n "${OPSCTL_HOST_IMAGE:-}" ]; then
    return 0
  elif is_root; then
    needs mmdebstrap mmdebstrap
  elif [ -z "$(docker image ls --quiet opsctl-host)" ]; then
    packages mmdebstrap uidmap
  fi
}

# ---------------------------------------------------------------- Elasticsearch

# The official minimal distribution, for tests: Maven Central has it. They unpack and start it themselves.
ELASTICSEARCH=8.19.16
ELASTICSEARCH_SHA256=c3d95992e27741b33a8057118379cda8b17cfda9e46ff4ec25e3f5b94fc22b52
ELASTICSEARCH_ZIP=$OPSCTL_HOME/cache/elasticsearch-$ELASTICSEARCH.zip

elasticsearch_server() {
  _java_fits || packages default-jre-headless
  if [ -s "$ELASTICSEARCH_ZIP" ]; then
    note "Elasticsearch $ELASTICSEARCH is in $(dirname "$ELASTICSEARCH_ZIP")"
    return 0
  fi
  needs mvn maven
  local fetched=$OPSCTL_HOME/cache/maven
  mkdir -p "$fetched"
  quietly "fetching Elasticsearch $ELASTICSEARCH" timeout 900 mvn -B -ntp "-Dmaven.repo.local=$fetched/repository" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$ELASTICSEARCH:zip" "-DoutputDirectory=$fetched"
  sha256sum --status -c <<<"$ELASTICSEARCH_SHA256  $fetched/elasticsearch-$ELASTICSEARCH.zip" \
    || die "what Maven fetched as Elasticsearch $ELASTICSEARCH is something else; is there a mirror that is not one?"
  mv -- "$fetched/elasticsearch-$ELASTICSEARCH.zip" "$ELASTICSEARCH_ZIP"
  rm -rf -- "$fetched"
  note "fetched Elasticsearch $ELASTICSEARCH"
}

_java_fits() { java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])'; }
