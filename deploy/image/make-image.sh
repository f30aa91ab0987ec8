#!/usr/bin/env bash
# Makes an OCI image archive of cutpoint, without a daemon and without a registry: a layer of Debian 12 with the libraries it loads, and one with the program.
# Tries what it made before it puts it in place. Installs nothing.
set -euo pipefail
usage='usage: make-image.sh EXECUTABLE VERSION ARCHIVE'
executable=$(realpath "${1:?$usage}")
version=${2:?$usage}
archive=$(realpath -m "${3:?$usage}")
mkdir -p "$(dirname "$archive")"
work=$(mktemp -d "$(dirname "$archive")/image.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# Equal inputs make an equal archive.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$executable")}
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

echo "Debian 12 and the libraries"
mmdebstrap --variant=essential --quiet --architectures=amd64 \
    --include=ca-certificates,libsqlite3-0,libzstd1,liblz4-1,libxxhash0,liblzo2-2,libsnappy1v5,libssl3 \
    --customize-hook='find "$1/usr/share/doc" -type f ! -name copyright -delete' --customize-hook='rm -rf "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
    bookworm debian.tar

mkdir -p program/usr/bin
install -m 755 "$executable" program/usr/bin/cutpoint
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C program -cf program.tar usr/bin/cutpoint

umoci init --layout image
umoci new --image "image:$version"
umoci raw add-layer --image "image:$version" --history.created "$created" --history.created_by 'mmdebstrap bookworm' debian.tar
umoci raw add-layer --image "image:$version" --history.created "$created" --history.created_by 'cutpoint' program.tar
umoci config --image "image:$version" --no-history --created "$created" --architecture amd64 --os linux \
    --config.user 10001:10001 --config.workingdir / --config.entrypoint /usr/bin/cutpoint --config.cmd=--help \
    --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --config.label org.opencontainers.image.title=Cutpoint --config.label "org.opencontainers.image.version=$version" \
    --config.label org.opencontainers.image.licenses=Apache-2.0
umoci gc --layout image

echo "Trying it: a checkpoint of a reference guest, taken and verified inside"
if [ "$(id -u)" = 0 ]; then
    umoci unpack --image "image:$version" bundle > unpack.log 2>&1 || { cat unpack.log >&2; exit 1; }
    inside() { chroot --userspec=10001:10001 bundle/rootfs "$@"; }
else
    umoci unpack --rootless --image "image:$version" bundle > unpack.log 2>&1 || { cat unpack.log >&2; exit 1; }
    inside() { unshare --user --map-root-user chroot bundle/rootfs "$@"; }
fi
install -d -m 1777 bundle/rootfs/tmp
# A container has these from its runtime.
if [ "$(id -u)" = 0 ]; then
    mount --bind /dev bundle/rootfs/dev
    trap 'umount bundle/rootfs/dev; rm -rf "$work"' EXIT
fi
[ "$(inside /usr/bin/cutpoint --version)" = "cutpoint $version" ]
inside /bin/sh -euc 'export CUTPOINT_REPOSITORY=/tmp/repository XDG_STATE_HOME=/tmp/state
    cutpoint init; cutpoint take "reference:inside?ram=16MiB" --codec zstd; cutpoint verify; rm -rf /tmp/repository /tmp/state'

tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C image -cf archive.tar .
mv archive.tar "$archive"
