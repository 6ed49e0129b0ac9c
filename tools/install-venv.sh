#!/usr/bin/env bash
# Debian ships Python without the module that makes environments: install it where we may, else say how.
set -euo pipefail
as_root=()
if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
        echo "Python's venv module is missing: run 'sudo apt-get install python3-venv' once, then make again" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi
echo "installing python3-venv"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
