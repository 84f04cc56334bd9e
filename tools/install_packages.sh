#!/bin/sh
# Installs the Debian packages listed in the given files where they are missing, if it may (root, or sudo without a
# password); else prints the one command that does, and fails. On other systems it looks for nothing.
#     sh tools/install_packages.sh tools/packages.txt [MORE.txt ...]
set -eu
command -v dpkg-query > /dev/null || exit 0
missing=
for package in $(sed 's/#.*//' "$@"); do
    status=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    run=
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    run=sudo
else
    echo "Packages are missing. This installs them:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
$run apt-get update -q < /dev/null
$run apt-get install -y -q --no-install-recommends $missing < /dev/null
