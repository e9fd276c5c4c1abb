#!/bin/sh
# Makes of a host a Zabbix server with its database, its API, an agent and a Redis that stays down when it is killed.
# Runs once, in the container of which the tests' image is made; where what is kept matters less than how soon it is up.
set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update -q
apt-get install -q -y --no-install-recommends postgresql zabbix-server-pgsql zabbix-agent zabbix-frontend-php php-fpm \
  php-pgsql nginx-light redis-server
rm /usr/sbin/policy-rc.d
apt-get clean

cat > /etc/postgresql/15/main/conf.d/tests.conf <<'CONF'
fsync = off
synchronous_commit = off
full_page_writes = off
CONF
systemctl restart postgresql
runuser -u postgres -- psql -q -c "create role zabbix login password 'zabbix'" -c "create database zabbix owner zabbix"
for part in schema images data; do
  zcat "/usr/share/zabbix-server-pgsql/$part.sql.gz" | PGPASSWORD=zabbix psql -q -h 127.0.0.1 -U zabbix zabbix > /dev/null
done

# Hosts are known at once, and there are enough processes for a storm.
cat > /etc/zabbix/zabbix_server.conf.d/tests.conf <<'CONF'
DBHost=127.0.0.1
DBPassword=zabbix
CacheUpdateFrequency=1
StartAlerters=5
StartPollers=3
StartDiscoverers=1
StartHTTPPollers=1
StartVMwareCollectors=0
CONF
sed -i 's/^\(Server\|ServerActive\|Hostname\)=/#&/' /etc/zabbix/zabbix_agentd.conf
cat > /etc/zabbix/zabbix_agentd.conf.d/tests.conf <<'CONF'
Server=0.0.0.0/0
ServerActive=127.0.0.1
Hostname=Zabbix server
UserParameter=opsctl.redis.ping,redis-cli ping 2>&1
CONF
cat > /etc/zabbix/zabbix.conf.php <<'CONF'
<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = '127.0.0.1';
$DB['PORT'] = '5432';
$DB['DATABASE'] = 'zabbix';
$DB['USER'] = 'zabbix';
$DB['PASSWORD'] = 'zabbix';
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = '10051';
$ZBX_SERVER_NAME = 'tests';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
CONF
chown root:www-data /etc/zabbix/zabbix.conf.php
chmod 640 /etc/zabbix/zabbix.conf.php

version=$(basename /etc/php/8*)
sed -i 's/^pm.max_children = .*/pm.max_children = 10/' "/etc/php/$version/fpm/pool.d/www.conf"
cat > /etc/nginx/sites-available/default <<CONF
server {
  listen 80 default_server;
  root /usr/share/zabbix;
  index index.php;
  location ~ \.php\$ {
    include snippets/fastcgi-php.conf;
    fastcgi_pass unix:/run/php/php$version-fpm.sock;
  }
}
CONF

# The distribution's unit brings it back at once: nobody would ever see it down.
mkdir -p /etc/systemd/system/redis-server.service.d
printf '[Service]\nRestart=no\n' > /etc/systemd/system/redis-server.service.d/tests.conf
systemctl disable -q redis-server
systemctl enable -q zabbix-server zabbix-agent nginx "php$version-fpm" postgresql
systemctl disable -q apache2 2> /dev/null || true
systemctl stop postgresql
sync
