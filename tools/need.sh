#!/bin/sh
# need.sh GROUP...          fail, naming packages, when one of packages.txt is missing
# need.sh --missing GROUP...  print the missing packages
# need.sh --install GROUP...  install them
# GROUP "all" means every one.
cd "$(dirname "$0")/.." || exit 1
PATH="$PATH:/usr/sbin:/sbin"
mode=check
case "$1" in
--missing | --install)
    mode="${1#--}"
    shift
    ;;
esac

missing=$(
    group=
    while read -r package probe rest; do
        case "$package" in
        '#'* | '') continue ;;
        '['*)
            group="${package#[}"
            group="${group%]}"
            continue
            ;;
        esac
        wanted=no
        for name in "$@"; do
            [ "$name" = all ] || [ "$name" = "$group" ] && wanted=yes
        done
        [ $wanted = yes ] || continue
        case "$probe" in
        /*) [ -e "$probe" ] || printf '%s ' "$package" ;;
        *) command -v "$probe" >/dev/null || printf '%s ' "$package" ;;
        esac
    done <packages.txt
)
[ "$mode" = missing ] && echo "$missing" && exit 0
[ -z "$missing" ] && exit 0
if [ "$mode" = check ]; then
    echo "error: missing Debian packages: ${missing}- install them with: make deps" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    command -v sudo >/dev/null || {
        echo "error: not root and no sudo: install as root: $missing" >&2
        exit 1
    }
fi
echo "installing: $missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # a list
if ! { $sudo apt-get update -qq &&
    $sudo apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: apt-get failed; its whole output is in $log" >&2
    exit 1
fi
rm -f "$log"
