#!/usr/bin/env bash
# Installs the programs that the tests start; calls apt-get only when one is missing, as root or through sudo.
set -euo pipefail

# What must be there, and the Debian package that brings it.
needs=(
    "/usr/lib/postgresql/15/bin/postgres postgresql-15"
    "/usr/bin/ceph ceph-common"
    "/usr/bin/ceph-mon ceph-mon"
    "/usr/bin/ceph-osd ceph-osd"
    "/usr/bin/radosgw radosgw"
    "/usr/bin/setpriv util-linux"
    "/usr/bin/age age"
    "/usr/bin/unshare util-linux"
    "/usr/sbin/nginx nginx-light"
    "/usr/bin/curl curl"
    "/usr/bin/chromium chromium"
    "/usr/share/fonts/truetype/dejavu fonts-dejavu-core"
    "/usr/bin/go golang-go"
    "/usr/share/gocode/src/golang.org/x/mod golang-golang-x-mod-dev"
    "/usr/bin/unzip unzip"
    "/usr/lib/$(uname -m)-linux-gnu/libatomic.so.1 libatomic1"
    "/usr/bin/systemd-analyze systemd"
)

missing=()
for need in "${needs[@]}"; do
    read -r file package <<<"$need"
    [[ -e $file ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "the tests need the Debian packages ${missing[*]}: install them, or run this as root" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
# No package may start a database server of its own: the tests start what they need. (Ceph's start nothing unasked.)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" mkdir -p /etc/postgresql-common
if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    echo "create_main_cluster = false" | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
# nginx would start at once, on a port that may be somebody else's.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
