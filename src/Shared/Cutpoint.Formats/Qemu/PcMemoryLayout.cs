using System.Buffers.Binary;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// The layout rules of the pc (i440FX) and q35 machines: QEMU migration stream, section 9.
/// <code>
///   0        640K       768K      1M             low end              4G - bios   4G
///   | RAM    | VGA or RAM | RAM, ROM or PCI | RAM  |  PCI, BARs          | pc.bios | RAM …
/// </code>
/// </summary>
internal sealed class PcMemoryLayout
{
    private const ushort VgaClass = 0x0300;
    private const ulong KiB = 1024;
    private const ulong FourGiB = 1ul << 32;
    private const ulong VideoStart = 0xa0000;
    private const ulong OptionRomStart = 0xc0000;
    private const ulong FirmwareStart = 0xe0000;
    private const ulong FirmwareEnd = 0x100000;

    /// <summary>
    /// From here on AMD CPUs have no memory, and QEMU moves the upper part to 1 TiB for them; the stream does not tell the CPU's maker.
    /// </summary>
    private const ulong HyperTransportStart = 0xfd_0000_0000;

    private static ReadOnlySpan<byte> VirtioMaker => [0xf4, 0x1a];

    private const string VmwareFifo = "vmsvga.fifo";
    private const int PciConfigLength = 256;
    private const int RomRegister = 0x30;

    /// <summary>x86 has physical addresses of at most 52 bits.</summary>
    private const ulong PhysicalLimit = 1ul << 52;

    private readonly PhysicalSurface _surface = new();
    private readonly HashSet<string> _placed = [];
    private readonly QemuConfiguration _configuration;
    private readonly IReadOnlyList<QemuRamBlock> _blocks;
    private readonly List<(string Name, ReadOnlyMemory<byte> Config)> _pciDevices = [];
    private readonly List<(string Name, ulong Address)> _memoryDevices = [];

    public PcMemoryLayout(QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IEnumerable<DeviceSection> devices)
    {
        _configuration = configuration;
        _blocks = blocks;
        foreach (var device in devices)
        {
            foreach (var field in DeviceFields.Read(device))
            {
                if (PciConfigIn(field) is { IsEmpty: false } config) _pciDevices.Add((device.Name, config));
                // virtio-mem sends its address so that a receiver can compare it.
                if (field is { Path: "tmp.addr", IsInteger: true } && device.Name.Contains("/virtio-mem-device", StringComparison.Ordinal))
                    _memoryDevices.Add((device.Name, field.ToUInt64()));
            }
        }
    }

    public GuestPhysicalMap Build(ulong? maxRamBelow4G)
    {
        var isQ35 = _configuration.MachineName.StartsWith("pc-q35-", StringComparison.Ordinal);
        if (!isQ35 && !_configuration.MachineName.StartsWith("pc-i440fx-", StringComparison.Ordinal))
            throw Unknown($"the memory layout of machine '{_configuration.MachineName}' is not known");
        var main = FindMain();
        var low = isQ35 ? LowPartOfQ35((ulong)main.Length, maxRamBelow4G) : LowPartOfI440Fx((ulong)main.Length, maxRamBelow4G);
        Place(main, 0, low, 0, false);
        if (low < (ulong)main.Length)
        {
            var high = (ulong)main.Length - low;
            if (FourGiB + high > HyperTransportStart) throw Unknown("where RAM beyond 1012 GiB lies depends on the CPU's maker");
            Place(main, FourGiB, high, low, false);
        }

        PlaceFirmware();
        PlaceFirmwareArea(main, isQ35 ? ("0000:00:00.0/mch", 0x90) : ("0000:00:00.0/I440FX", 0x59));
        foreach (var block in _blocks) PlaceOnPci(block);

        // Blocks of ACPI tables are read through a device, never mapped.
        var rest = _blocks.FirstOrDefault(b => !_placed.Contains(b.Name) && !b.Name.StartsWith("/rom@", StringComparison.Ordinal));
        if (rest is not null) throw Unknown($"where RAM block '{rest.Name}' is mapped is not known");
        return new GuestPhysicalMap(_surface.Ranges);
    }

    // A virtio device saves itself by code: a version, then the configuration space, which begins with its maker's number.
    private static ReadOnlyMemory<byte> PciConfigIn(DeviceField field) => field switch
    {
        { Type: "pci config", Size: >= PciConfigLength } => field.Octets,
        { Type: "virtio", Size: >= 4 + PciConfigLength } when field.Octets.Span[4..].StartsWith(VirtioMaker) => field.Octets[4..],
        _ => default,
    };

    // Without gigabyte pages in mind the low part could be as large as the hole for PCI allows; every machine since 2.0 cuts it at 3 GiB.
    private static ulong LowPartOfI440Fx(ulong size, ulong? maxRamBelow4G)
    {
        var most = maxRamBelow4G ?? 0xe000_0000;
        return size >= most ? Math.Min(most, 0xc000_0000) : size;
    }

    private static ulong LowPartOfQ35(ulong size, ulong? maxRamBelow4G)
    {
        var most = Math.Min(size >= 0xb000_0000 ? 0x8000_0000 : 0xb000_0000, maxRamBelow4G ?? FourGiB);
        return Math.Min(size, most);
    }

    /// <summary>
    /// The machine's RAM is "pc.ram" or has the id of its backend; everything else has a known name or the place of a PCI device in
    /// front.
    /// </summary>
    private QemuRamBlock FindMain()
    {
        var candidates = _blocks.Where(b => !b.Name.Contains('/') && !HasFixedName(b.Name)).ToList();
        return candidates.Count == 1
            ? candidates[0]
            : throw Unknown($"RAM is in {candidates.Count} blocks (NUMA or plugged in), whose order is not known");
    }

    private static bool HasFixedName(string name) =>
        name is "pc.bios" or "pc.rom" or "isa-bios" or VmwareFifo || name.StartsWith("system.flash", StringComparison.Ordinal);

    private void PlaceFirmware()
    {
        var end = FourGiB;
        foreach (var name in (string[])["pc.bios", "system.flash0", "system.flash1"])
        {
            if (Find(name) is not { } block) continue;
            end -= (ulong)block.Length;
            Place(block, end, (ulong)block.Length, 0, true);
        }
    }

    /// <summary>
    /// 768 KiB to 1 MiB: seven registers of the host bridge say for each part whether RAM or what lies on the bus is seen.
    /// </summary>
    private void PlaceFirmwareArea(QemuRamBlock main, (string Bridge, int Registers) host)
    {
        var config = _pciDevices.Find(d => d.Name == host.Bridge).Config;
        if (config.IsEmpty) throw Unknown("the state of the host bridge is missing");
        var registers = config.Span.Slice(host.Registers, 7);
        for (var part = 0; part < 13; part++)
        {
            // Register 0 has the upper 64 KiB in its upper half; registers 1 to 6 have two parts of 16 KiB each.
            var isTop = part == 12;
            var address = OptionRomStart + (ulong)part * 16 * KiB;
            var length = isTop ? 64 * KiB : 16 * KiB;
            var mode = isTop ? registers[0] >> 4 : registers[1 + part / 2] >> (part % 2 * 4);
            var (readable, writable) = ((mode & 1) != 0, (mode & 2) != 0);
            if (readable) Place(main, address, length, address, !writable);
            else PlaceBusView(address, length);
        }

        if (_pciDevices.Exists(d => BinaryPrimitives.ReadUInt16LittleEndian(d.Config.Span[0x0a..]) == VgaClass))
            _surface.Clear(VideoStart, OptionRomStart - VideoStart);
        if (Find("pc.rom") is { } rom) _placed.Add(rom.Name);
        if (Find("isa-bios") is { } copy) _placed.Add(copy.Name);
    }

    private void PlaceBusView(ulong address, ulong length)
    {
        if (address < FirmwareStart)
        {
            if (Find("pc.rom") is { } rom) Place(rom, address, length, address - OptionRomStart, true);
            return;
        }

        // The last 128 KiB of the firmware, or a copy of them for firmware in flash.
        var block = Find("isa-bios") ?? Find("pc.bios");
        if (block is null) return;
        var shown = Math.Min((ulong)block.Length, FirmwareEnd - FirmwareStart);
        var start = FirmwareEnd - shown;
        if (address + length <= start) return;
        if (address < start) (address, length) = (start, address + length - start);
        Place(block, address, length, (ulong)block.Length - shown + (address - start), true);
    }

    /// <summary>
    /// Blocks of PCI devices are seen through base address registers, if anywhere. Their names begin with the device's place; VMware's
    /// card alone has a block without.
    /// </summary>
    private void PlaceOnPci(QemuRamBlock block)
    {
        var slash = block.Name.LastIndexOf('/');
        var place = slash > 0 ? block.Name[..(slash + 1)] : "";
        var isVmware = block.Name == VmwareFifo;
        if (place.Length == 0 && !isVmware) return;
        var device = _pciDevices.Find(d => isVmware ? IsVmware(d.Name) : d.Name.StartsWith(place, StringComparison.Ordinal));
        if (BarRegister(block.Name[(slash + 1)..], device.Name) is { } register)
        {
            _placed.Add(block.Name);
            // Only the root bus is looked at, not what bridges let through; firmware leaves ROMs switched off after it has read them.
            if (!device.Config.IsEmpty && device.Name.Count(c => c == ':') == 2 && AddressIn(device.Config.Span, register) is { } address)
                Place(block, address, (ulong)block.Length, 0, register == RomRegister);
            return;
        }

        var plugged = _memoryDevices.Find(d => place.Length > 0 && d.Name.StartsWith(place, StringComparison.Ordinal));
        if (plugged.Name is not null && plugged.Address < PhysicalLimit) Place(block, plugged.Address, (ulong)block.Length, 0, false);
    }

    private static bool IsVmware(string? device) => device is not null && device.EndsWith("/vmware_vga", StringComparison.Ordinal);

    private static int? BarRegister(string block, string? device) => block switch
    {
        "vga.vram" => IsVmware(device) ? 0x14 : 0x10,
        "bochs-display-vram" => 0x10,
        "qxl.vram" => 0x14,
        "qxl.vrom" or VmwareFifo => 0x18,
        _ => block.EndsWith(".rom", StringComparison.Ordinal) ? RomRegister : null,
    };

    private static ulong? AddressIn(ReadOnlySpan<byte> config, int register)
    {
        const int command = 0x04, memoryEnabled = 0x02;
        if ((config[command] & memoryEnabled) == 0) return null;
        var low = BinaryPrimitives.ReadUInt32LittleEndian(config[register..]);
        if (register == RomRegister) return (low & 1) != 0 && low >= 0x800 ? low & ~0x7fful : null;
        var is64Bit = (low & 0b110) == 0b100;
        var address = (low & ~0xful) | (is64Bit ? (ulong)BinaryPrimitives.ReadUInt32LittleEndian(config[(register + 4)..]) << 32 : 0);
        return address is 0 or 0xffff_fff0 or >= PhysicalLimit ? null : address;
    }

    private QemuRamBlock? Find(string name) => _blocks.FirstOrDefault(b => b.Name == name);

    private void Place(QemuRamBlock block, ulong address, ulong length, ulong offset, bool isReadOnly)
    {
        _placed.Add(block.Name);
        if (offset >= (ulong)block.Length) return;
        _surface.Put(new PhysicalRange(address, Math.Min(length, (ulong)block.Length - offset), block.Name, (long)offset, isReadOnly));
    }

    private static SnapshotException Unknown(string reason) => new(
        ErrorCode.Incompatible, reason, "pass the guest's memory map: the answer of the monitor command \"info mtree -f\"");
}
