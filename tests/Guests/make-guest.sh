#!/usr/bin/env bash
# Makes DIRECTORY/vmlinuz and DIRECTORY/initrd.gz, unless they are there: Debian's cloud kernel and a busybox initramfs whose program is
# workload/workload. Installs nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=${1:?usage: make-guest.sh DIRECTORY}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
exec 9> "$directory/.lock"
flock 9
if [ -f "$directory/initrd.gz" ]; then
    stale=$(find "$here/make-guest.sh" "$here/init" "$here/numbers" "$here/workload/workload" -newer "$directory/initrd.gz")
    [ -n "$stale" ] || exit 0
fi
work=$(mktemp -d "$directory/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# As root, apt would fetch as a user who may not write here.
fetch() {
    apt-get -q -o APT::Sandbox::User="$(id -un)" download "$1" > fetch.log 2>&1 || { cat fetch.log >&2; return 1; }
    ls "$1"_*.deb
}

kernel_package() { apt-cache depends linux-image-cloud-amd64 2> /dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }

kernel=$(kernel_package)
if [ -z "$kernel" ]; then
    if [ "$(id -u)" = 0 ]; then apt-get -q update; else sudo -n apt-get -q update; fi > update.log 2>&1 || { cat update.log >&2; exit 1; }
    kernel=$(kernel_package)
fi
[ -n "$kernel" ] || { echo "no package linux-image-cloud-amd64 in the lists of apt" >&2; exit 1; }
dpkg-deb -x "$(fetch "$kernel")" kernel
mv kernel/boot/vmlinuz-* vmlinuz

mkdir -p root/bin root/lib root/dev root/proc root/sys root/tmp
if [ -z "$(dpkg-query -L busybox-static 2> /dev/null)" ]; then
    dpkg-deb -x "$(fetch busybox-static)" busybox
    cp "$(find busybox -type f -name busybox -path '*bin*')" root/bin/busybox
else
    cp "$(readlink -f "$(command -v busybox)")" root/bin/busybox
fi
# In the order of their needs.
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover virtio_net qemu_fw_cfg; do
    file=$(find kernel -name "$module.ko*" | head -n 1)
    case "$file" in
        '') continue ;;
        *.xz) xz -dc "$file" > "root/lib/$module.ko" ;;
        *) cp "$file" "root/lib/$module.ko" ;;
    esac
    echo "$module" >> root/lib/order
done
install -m 755 "$here/workload/workload" "$here/init" root/
mv root/workload root/bin/workload
install -m 755 "$here/numbers" root/bin/
(cd root && find . | LC_ALL=C sort | bin/busybox cpio -o -H newc 2> /dev/null | gzip -1n) > initrd.gz
# The initramfs comes last: where it is, the guest is whole.
mv vmlinuz "$directory/"
mv initrd.gz "$directory/"
