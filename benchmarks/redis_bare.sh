#!/bin/sh
# The work of the Redis scenario without Ansible, cloud, inventory, checks or record: the lower bound to compare with.
#   redis_bare.sh IMAGE up|down
set -eu
image=$1 network=opsctl-bench-redis names="1 2 3 4 5 6"
name() { echo "opsctl-bench-redis-$1"; }

if [ "$2" = down ]; then
  for n in $names; do docker rm -fv "$(name "$n")" >/dev/null 2>&1 || true; done
  docker network rm "$network" >/dev/null 2>&1 || true
  exit 0
fi

docker network create --subnet 198.18.208.0/24 "$network" >/dev/null
for n in $names; do
  docker run -d --name "$(name "$n")" --hostname "redis$n" --network "$network" --ip "198.18.208.1$n" \
    --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw \
    --tmpfs /run:exec --tmpfs /run/lock --tmpfs /tmp "$image" /sbin/init >/dev/null &
done
wait
for n in $names; do
  docker exec "$(name "$n")" sh -ec '
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y redis-server >/dev/null
    cat >> /etc/redis/redis.conf <<CONF
bind 0.0.0.0
requirepass benchmark
masterauth benchmark
appendonly yes
cluster-enabled yes
CONF
    systemctl restart redis-server' >/dev/null 2>&1 &
done
wait
nodes=$(for n in $names; do printf '198.18.208.1%s:6379 ' "$n"; done)
# shellcheck disable=SC2086  # a list of words is meant
docker exec -e REDISCLI_AUTH=benchmark "$(name 1)" redis-cli --cluster create $nodes --cluster-replicas 1 \
  --cluster-yes >/dev/null
