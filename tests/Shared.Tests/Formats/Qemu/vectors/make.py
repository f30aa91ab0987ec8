#!/usr/bin/env python3
"""Makes the golden streams beside it with real QEMUs: make.py QEMU-7.2 QEMU-10 [NAME...]. Needs as, objcopy, those of aarch64 and arm, and Linux.

Guests are small on purpose: 1 MiB + 8 KiB of RAM (no multiple of 256 KiB: QEMU < 9.0 would lose writes in live passes under TCG) and a firmware
of 64 KiB (writer.S) that does nothing but write memory. Two have SeaBIOS instead, for what firmware leaves in the chipset.
"""
import array, gzip, hashlib, json, os, shutil, socket, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
OLD, NEW, ONLY = sys.argv[1], sys.argv[2], sys.argv[3:]
WORK = tempfile.mkdtemp()
WRITER = WORK + '/writer.bin'
RAM = '1032K'
SEABIOS = ['-bios', 'bios.bin']
facts = json.load(open(HERE + '/ram0-sha256.json')) if ONLY else {}


class Guest:
    def __init__(self, qemu, args, machine='pc', ram=RAM, bios=None, share=True):
        self.ram = WORK + '/ram'
        backend = 'memory-backend-file,mem-path=' + self.ram + ',share=on' if share else 'memory-backend-ram'
        self.process = subprocess.Popen([
            qemu, '-machine', machine + ',memory-backend=ram0', '-object', backend + ',id=ram0,size=' + ram.split(',')[0], '-m', ram,
            '-accel', 'tcg', '-display', 'none', '-nodefaults', '-no-reboot', '-qmp', 'unix:' + WORK + '/qmp,server=on,wait=off',
            '-serial', 'file:' + WORK + '/serial'] + (bios or ['-bios', WRITER]) + args, stderr=subprocess.DEVNULL)
        while not os.path.exists(WORK + '/qmp'):
            time.sleep(0.02)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(WORK + '/qmp')
        self.file = self.socket.makefile('rb')
        self.file.readline()
        self('qmp_capabilities')
        if bios == SEABIOS:
            time.sleep(5)  # SeaBIOS gives up looking for something to boot
        else:
            while not os.path.getsize(WORK + '/serial'):
                time.sleep(0.02)

    def __call__(self, command, fd=None, **arguments):
        text = json.dumps({'execute': command, 'arguments': arguments}).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))] if fd is not None else []
        self.socket.sendmsg([text], ancillary)
        while True:
            answer = json.loads(self.file.readline())
            if 'error' in answer:
                raise RuntimeError(command + ': ' + answer['error']['desc'])
            if 'return' in answer:
                return answer['return']

    def monitor(self, line):
        return self('human-monitor-command', **{'command-line': line})

    def capabilities(self, names):
        self('migrate-set-capabilities', capabilities=[{'capability': n, 'state': True} for n in names])

    def migrate(self, path, **arguments):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self('getfd', fd=fd, fdname='m')
        os.close(fd)
        self('migrate', uri='fd:m', **arguments)

    def wait(self, *states):
        while self('query-migrate')['status'] not in states:
            time.sleep(0.02)

    def end(self):
        self.process.kill()
        self.process.wait()
        for name in ('qmp', 'serial', 'ram'):
            if os.path.exists(WORK + '/' + name):
                os.unlink(WORK + '/' + name)


def keep(name, path):
    with open(path, 'rb') as source, open(HERE + '/' + name + '.gz', 'wb') as target, gzip.GzipFile('', 'wb', 9, target, 0) as packed:
        shutil.copyfileobj(source, packed)


def vector(name, qemu, args=(), capabilities=(), live=False, prepare=None, also=(), uri=False, migrate=None, **options):
    if ONLY and name not in ONLY:
        return
    guest = Guest(qemu, list(args), **options)
    path = WORK + '/' + name
    if prepare:
        prepare(guest)
    if live:
        # Slow enough for several passes, then to the end at full speed.
        guest.capabilities(list(capabilities) + ['pause-before-switchover'])
        guest('migrate-set-parameters', **{'max-bandwidth': 100000, 'downtime-limit': 1})
        guest.migrate(path)
        while guest('query-migrate').get('ram', {}).get('dirty-sync-count', 0) < 6:
            time.sleep(0.02)
        guest('migrate-set-parameters', **{'max-bandwidth': 0, 'downtime-limit': 2000})
        guest.wait('pre-switchover')
        guest('migrate-continue', state='pre-switchover')
    else:
        if 'background-snapshot' not in capabilities:
            guest('stop')
        guest.capabilities(capabilities)
        if uri:
            guest('migrate', uri='file:' + path)
        else:
            guest.migrate(path, **(migrate or {}))
    guest.wait('completed')
    keep(name + '.qmig', path)
    if os.path.exists(guest.ram) and 'x-ignore-shared' not in capabilities:
        facts[name] = hashlib.sha256(open(guest.ram, 'rb').read()).hexdigest()
    if 'mtree' in also:
        open(HERE + '/' + name + '.mtree.txt', 'w').write(guest.monitor('info mtree -f').replace('\r', ''))
    if 'registers' in also:
        open(HERE + '/' + name + '.registers.txt', 'w').write(guest.monitor('info registers -a').replace('\r', ''))
    if 'elf' in also:
        guest('dump-guest-memory', paging=False, protocol='file:' + path + '.elf')
        keep(name + '.elf', path + '.elf')
    if 'kdump' in also:
        guest('dump-guest-memory', paging=False, protocol='file:' + path + '.kdump', format='kdump-zlib')
        keep('../../Kdump/vectors/' + name + '.kdump-zlib', path + '.kdump')
    guest.end()


def bitmaps(guest):
    guest('block-dirty-bitmap-add', node='d0', name='b0', granularity=65536, persistent=False)
    guest('block-dirty-bitmap-add', node='d0', name='off', disabled=True)
    guest.monitor('qemu-io -d /machine/peripheral/x/virtio-backend "write 1M 1M"')


open(WORK + '/disk', 'wb').write(bytes(2 << 20) + b'disk' * (1 << 18))
subprocess.check_call(['as', '--32', '-o', WORK + '/writer.o', HERE + '/writer.S'])
subprocess.check_call(['objcopy', '-O', 'binary', WORK + '/writer.o', WRITER])
for source, tools, kernel in (('virt', 'aarch64-linux-gnu-', HERE + '/virt.elf'), ('virt32', 'arm-linux-gnueabi-', WORK + '/virt32.elf')):
    subprocess.check_call([tools + 'as', '-o', WORK + '/kernel.o', HERE + '/' + source + '.S'])
    subprocess.check_call([tools + 'ld', '-N', '-s', '-Ttext=0x40080000', '-o', kernel, WORK + '/kernel.o'])
ARM = OLD.replace('x86_64', 'aarch64')
disk = ['-drive', 'file=' + WORK + '/disk,format=raw,if=none,id=d0', '-device', 'virtio-blk,drive=d0,romfile=']
dirty = ['-blockdev', 'driver=file,filename=' + WORK + '/disk,node-name=f0', '-blockdev', 'driver=raw,file=f0,node-name=d0',
         '-device', 'virtio-blk,drive=d0,romfile=,id=x']
many = ['-device', 'VGA,romfile=', '-netdev', 'user,id=n0', '-device', 'e1000,netdev=n0,romfile=', '-device', 'ich9-intel-hda', '-device', 'hda-duplex,audiodev=a0',
        '-audiodev', 'none,id=a0', '-device', 'nec-usb-xhci', '-device', 'usb-tablet', '-device', 'virtio-rng', '-device', 'pcie-root-port,chassis=1']
plugged = ['-object', 'memory-backend-ram,id=vm0,size=4M', '-device', 'virtio-mem-pci,memdev=vm0,requested-size=2M']

vector('pc-7.2', OLD, ['-smp', '2', '-device', 'vmcoreinfo'], bios=SEABIOS, also=('mtree', 'registers', 'elf'))
vector('q35-devices-7.2', OLD, many, machine='q35', bios=SEABIOS, also=('mtree',))
vector('q35-devices-10.0', NEW, many, machine='q35', bios=SEABIOS, also=('mtree',))
vector('xbzrle-7.2', OLD, capabilities=['xbzrle'], live=True)
vector('compress-7.2', OLD, capabilities=['compress'], live=True)
vector('background-7.2', OLD, capabilities=['background-snapshot'], share=False)
vector('dirty-bitmap-7.2', OLD, dirty, ['dirty-bitmaps'], prepare=bitmaps)
vector('block-7.2', OLD, disk, migrate={'blk': True})
vector('pc-5g-ignore-shared-7.2', OLD, capabilities=['x-ignore-shared'], ram='5G', also=('mtree',))
vector('q35-5g-ignore-shared-10.0', NEW, capabilities=['x-ignore-shared'], ram='5G', machine='q35', also=('mtree',))
vector('mapped-ram-10.0', NEW, capabilities=['mapped-ram'], uri=True)
vector('mapped-ram-multifd-10.0', NEW, capabilities=['mapped-ram', 'multifd'], uri=True)
vector('early-10.0', NEW, plugged, ram='8200K,maxmem=1G', also=('mtree',))
vector('virt-7.2', ARM, ['-cpu', 'cortex-a57', '-smp', '2'], machine='virt', ram='4M', bios=['-kernel', HERE + '/virt.elf'], also=('mtree', 'registers', 'elf', 'kdump'))
vector('virt32-7.2', ARM, ['-cpu', 'cortex-a15'], machine='virt', ram='4M', bios=['-kernel', WORK + '/virt32.elf'], also=('mtree', 'registers', 'elf', 'kdump'))
json.dump(facts, open(HERE + '/ram0-sha256.json', 'w'), indent=1)
shutil.rmtree(WORK)
