#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# prove-fresh.sh — do the two commands work on a Debian 12 that has nothing on it?
#
#     tools/prove-fresh.sh [WHAT…]    WHAT: user, demo, test, again; all of them by default
#
# Bootstraps a minimal system into a new folder, copies this tree there, and runs
#     user    ./dev demo as a user without sudo: must stop, and name what is missing
#     demo    ./dev demo as root: installs what it needs, prints the word count
#     test    ./dev test as root: installs the rest, passes
#     again   after test: ./dev test lint with an apt-get that fails: must not be called
# Needs root, debootstrap and some 3 GB in $TMPDIR; takes mirror, proxy and name resolution from
# this machine. Not part of ./dev test: it needs the network and a quarter of an hour.
set -eu
cd "$(dirname "$(realpath "$0")")/.."

suite=bookworm

# The first Debian mirror this machine's apt knows.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' |
        grep -m 1 '/debian/*$'
}

bootstrap() {
    echo "== bootstrapping $suite into $root"
    debootstrap --variant=minbase "$suite" "$root" "$(mirror)" >"$root/log" 2>&1 || {
        tail -n 20 "$root/log"
        exit 1
    }
    apt-config dump | grep -E '^Acquire::(http|https|Check)' \
        >"$root/etc/apt/apt.conf.d/99host" || :
    chmod 755 "$root"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$root/src/kcoro"
    tar -c --exclude=./build --exclude=./.git . | tar -x -C "$root/src/kcoro"
    chroot "$root" useradd --create-home reader
}

inside() { # COMMAND
    chroot "$root" /bin/sh -c "cd /src/kcoro && $1"
}

prove_user() {
    echo '== ./dev demo without root: must stop with status 1'
    chroot "$root" chown -R reader /src/kcoro
    status=0
    inside 'su reader -c "./dev demo"' || status=$?
    chroot "$root" chown -R root /src/kcoro
    [ "$status" -eq 1 ]
}

prove_demo() {
    echo '== ./dev demo'
    inside './dev demo'
}

prove_test() {
    echo '== ./dev test'
    inside './dev test'
}

prove_again() {
    echo '== ./dev test lint, where apt-get fails'
    mkdir -p "$root/no-apt"
    printf '#!/bin/sh\necho "apt-get was called" >&2\nexit 1\n' >"$root/no-apt/apt-get"
    chmod +x "$root/no-apt/apt-get"
    inside "PATH=/no-apt:$PATH ./dev test lint"
}

# Runs in a mount namespace of its own, so that no mount outlives it, whatever happens.
prove() { # WHAT…
    bootstrap
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    for what in "$@"; do
        "prove_$what" || {
            echo "== FAILED: $what"
            exit 1
        }
    done
    echo "== all good: $*"
}

if [ "${1:-}" = --in-namespace ]; then
    root=$2
    shift 2
    prove "$@"
else
    root=$(mktemp -d "${TMPDIR:-/tmp}/kcoro-fresh.XXXXXX")
    trap 'rm -rf --one-file-system "$root"' EXIT
    trap 'exit 1' INT TERM
    [ $# -gt 0 ] || set -- user demo test again
    unshare --mount --propagation private tools/prove-fresh.sh --in-namespace "$root" "$@"
fi
