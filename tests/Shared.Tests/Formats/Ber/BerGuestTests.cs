using System.Buffers.Binary;
using System.IO.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>A real guest's migration stream as a BER snapshot and back.</summary>
public class BerGuestTests
{
    private static readonly Dictionary<string, ReadOnlyMemory<byte>> _attachments = new()
    {
        ["cutpoint/guest"] = "{\"name\":\"q35\"}"u8.ToArray(),
        ["cutpoint/empty"] = ReadOnlyMemory<byte>.Empty,
    };

    [Fact]
    public async Task A_guest_comes_back_with_every_octet_of_its_devices_and_pages()
    {
        var (memory, part) = await ReadStreamAsync();
        var file = Export(memory, part.Devices, _attachments);
        var read = new RecordedMemory();
        var guest = await BerGuestReader.ReadAsync(new MemoryStream(file), read);

        Assert.Equal(memory.Configuration!.MachineName, read.Configuration!.MachineName);
        Assert.Equal(memory.Configuration.Capabilities, read.Configuration.Capabilities);
        Assert.Equal(memory.Blocks, read.Blocks);
        Assert.Equal(memory.Pages.Count, read.Pages.Count);
        Assert.All(memory.Pages.Zip(read.Pages), pair =>
        {
            Assert.Equal((pair.First.Block, pair.First.Offset), (pair.Second.Block, pair.Second.Offset));
            Assert.Equal(pair.First.Page, pair.Second.Page);
        });
        Assert.True(read.HasEnded);
        Assert.Equal(part.Devices.Count, guest.Devices.Count);
        Assert.All(part.Devices.Zip(guest.Devices), pair =>
        {
            var (expected, device) = pair;
            Assert.Equal((expected.Name, expected.Instance, expected.Version), (device.Name, device.Instance, device.Version));
            Assert.Equal(Convert.ToHexString(expected.Payload.Span), Convert.ToHexString(device.Payload.Span));
            Assert.Equal(expected.Description!.Json.ToArray(), device.Description!.Json.ToArray());
            Assert.Equal(expected.IsDescribed, device.IsDescribed);
            Assert.False(device.IsEarly);
        });
        Assert.Equal(_attachments.Keys.Order(), guest.Attachments.Keys.Order());
        Assert.Equal("{\"name\":\"q35\"}"u8, guest.Attachments["cutpoint/guest"].Span);
    }

    [Fact]
    public async Task Writing_again_what_was_read_gives_the_same_octets()
    {
        var (memory, part) = await ReadStreamAsync();
        var first = Export(memory, part.Devices, _attachments);
        var read = new RecordedMemory();
        var guest = await BerGuestReader.ReadAsync(new MemoryStream(first), read);
        Assert.Equal(first, Export(read, guest.Devices, guest.Attachments));
    }

    [Fact]
    public async Task Devices_are_typed_values_that_any_reader_of_the_format_finds()
    {
        var (memory, part) = await ReadStreamAsync();
        using var reader = new BerSnapshotReader(Export(memory, part.Devices, _attachments));
        var states = new Dictionary<string, BerItem.Group>();
        var opaque = new List<string>();
        while (reader.Read())
        {
            var name = $"{reader.Section!.Name}/{reader.Section.InstanceId}";
            if (reader.Event == BerSnapshotEvent.GroupStart) states.Add(name, reader.ReadState());
            else if (reader.Event == BerSnapshotEvent.Octets && reader.IsFinalPiece) opaque.Add(name);
        }

        Assert.Equal(0, reader.SkippedValues);
        string[] expectedOpaque = ["cutpoint/configuration/0", "cutpoint/empty/0", "cutpoint/guest/0", "cutpoint/description/0"];
        Assert.Equal(expectedOpaque, opaque.Where(name => name.StartsWith(BerGuest.NamePrefix, StringComparison.Ordinal)));
        Assert.Equal(part.Devices.Count, states.Count + opaque.Count - expectedOpaque.Length);
        Assert.True(states.Count > 30, "most devices have typed state");

        for (var cpu = 0u; cpu < 2; cpu++)
        {
            var fields = DeviceFields.Read(part.Devices.Single(device => device.Name == "cpu" && device.Instance == cpu));
            var registers = Assert.IsType<BerItem.Group>(states[$"cpu/{cpu}"].Items[0]).Items.Cast<BerItem.Number>().ToArray();
            Assert.Equal(16, registers.Length);
            for (var register = 0; register < registers.Length; register++)
            {
                Assert.True(fields.TryGet($"env.regs[{register}]", out var field));
                Assert.Equal(BinaryPrimitives.ReadUInt64BigEndian(field.Octets.Span), (ulong)registers[register].Value.Value);
            }

            Assert.Equal(BerSnapshot.CpuCommon, states[$"cpu_common/{cpu}"].Tag);
        }
    }

    [Fact]
    public async Task Everything_the_format_has_no_place_for_is_kept()
    {
        var memory = new RecordedMemory();
        memory.OnConfiguration(new QemuConfiguration("virt-7.2")
        {
            TargetPageBits = 14,
            Capabilities = [QemuCapability.IgnoreShared, "other"],
            Uuid = Guid.NewGuid().ToByteArray(),
        });
        memory.OnBlocks([new QemuRamBlock("ram", 1 << 16) { Address = ulong.MaxValue }, new QemuRamBlock("rom", 1 << 14)]);
        memory.OnPage(1, 0, new byte[1 << 14]);
        memory.OnZeroPage(0, 1 << 14);
        var early = new DeviceSection("virtio-mem-early", 3, 1, 9, new byte[] { 1, 2, 3 }) { IsEarly = true };
        var late = new DeviceSection("slirp", 0, 4, 1, ReadOnlyMemory<byte>.Empty);
        var read = new RecordedMemory();
        var file = Export(memory, [early, late], _attachments);
        var guest = await BerGuestReader.ReadAsync(new MemoryStream(file), read);

        Assert.Equal(memory.Configuration!.TargetPageBits, read.Configuration!.TargetPageBits);
        Assert.Equal(memory.Configuration.Capabilities, read.Configuration.Capabilities);
        Assert.Equal(memory.Configuration.Uuid.ToArray(), read.Configuration.Uuid.ToArray());
        Assert.Equal(memory.Blocks, read.Blocks);
        Assert.Equal([("virtio-mem-early", true), ("slirp", false)], guest.Devices.Select(device => (device.Name, device.IsEarly)));
        Assert.Equal([1, 2, 3], guest.Devices[0].Payload.ToArray());
        Assert.Equal(file, Export(read, guest.Devices, guest.Attachments));
    }

    [Fact]
    public async Task Filled_pages_and_differences_become_whole_pages()
    {
        using var file = new MemoryStream();
        using var values = new BerWriter(file);
        var writer = new BerGuestWriter(values);
        writer.Begin(new QemuConfiguration("pc"), [new QemuRamBlock("pc.ram", 8192)]);
        var page = new byte[4096];
        page[7] = 1;
        writer.WritePage(0, 4096, page);
        values.BeginConstructed(BerSnapshot.RamEntry);
        values.WriteInteger(0L);
        values.WriteInteger((long)(BerRamFlags.Zero | BerRamFlags.Continue));
        values.WriteInteger(0xaaL);
        values.EndConstructed();
        values.BeginConstructed(BerSnapshot.RamEntry);
        values.WriteInteger(4096L);
        values.WriteInteger((long)(BerRamFlags.Xbzrle | BerRamFlags.Continue));
        values.WriteOctetString([8, 2, 0xbb, 0xcc]);
        values.EndConstructed();
        writer.EndMemory();
        writer.Complete();
        values.Flush();

        var read = new RecordedMemory { KeepsPages = true };
        file.Position = 0;
        await BerGuestReader.ReadAsync(file, read);
        Assert.Equal(Enumerable.Repeat((byte)0xaa, 4096), read.Pages[1].Page);
        page[8] = 0xbb;
        page[9] = 0xcc;
        Assert.Equal((0, 4096), (read.Pages[2].Block, read.Pages[2].Offset));
        Assert.Equal(page, read.Pages[2].Page);

        file.Position = 0;
        var error = await Assert.ThrowsAsync<SnapshotException>(() => BerGuestReader.ReadAsync(file, new RecordedMemory()));
        Assert.Contains("XBZRLE", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Attachments_do_not_take_the_names_of_others()
    {
        foreach (var name in new[] { "ram", BerGuest.ConfigurationName, BerGuest.DescriptionName })
        {
            var writer = new BerGuestWriter(new BerWriter(new System.Buffers.ArrayBufferWriter<byte>()));
            var attachments = new Dictionary<string, ReadOnlyMemory<byte>> { [name] = ReadOnlyMemory<byte>.Empty };
            Assert.Throws<ArgumentException>(() => writer.Begin(new QemuConfiguration("pc"), [], attachments));
        }
    }

    [Fact]
    public async Task A_file_cut_between_any_two_sections_is_refused()
    {
        var (memory, part) = await ReadStreamAsync();
        var file = Export(memory, part.Devices.Take(3).ToArray(), _attachments);
        using var sections = new BerSnapshotReader(file);
        while (sections.Read())
        {
            if (sections.Event != BerSnapshotEvent.SectionEnd) continue;
            var cut = new MemoryStream(file, 0, (int)sections.Offset);
            await Assert.ThrowsAsync<MalformedInputException>(() => BerGuestReader.ReadAsync(cut, new RecordedMemory()));
        }
    }

    [Fact]
    public async Task A_state_that_does_not_fit_its_description_is_refused()
    {
        var (memory, part) = await ReadStreamAsync();
        var device = part.Devices.First(device => device.Name == "cpu_common");
        var file = Export(memory, [device], _attachments);
        var text = System.Text.Encoding.Latin1.GetString(file);
        foreach (var (from, to) in new[] { ("\"uint32\"", "\"uint16\""), ("\"size\": 4", "\"size\": 5"), ("\"fields\"", "\"nothng\"") })
        {
            Assert.Contains(from, text, StringComparison.Ordinal);
            var damaged = System.Text.Encoding.Latin1.GetBytes(text.Replace(from, to, StringComparison.Ordinal));
            var error = await Assert.ThrowsAsync<MalformedInputException>(
                () => BerGuestReader.ReadAsync(new MemoryStream(damaged), new RecordedMemory()));
            Assert.Contains("does not fit its description", error.Reason, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("01-empty", "configuration")]
    [InlineData("04-ram", "configuration")]
    [InlineData("05-device", "description of device 'timer'")]
    public async Task Snapshots_of_other_writers_are_refused_with_the_reason(string name, string lack)
    {
        var error = await Assert.ThrowsAsync<SnapshotException>(
            () => BerGuestReader.ReadAsync(new MemoryStream(BerVectors.Read(name)), new RecordedMemory()));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains(lack, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
    }

    [Fact]
    public async Task Mutated_guests_are_read_or_refused_and_nothing_else()
    {
        var (memory, part) = await ReadStreamAsync();
        memory.Pages.RemoveRange(3, memory.Pages.Count - 3);
        var file = Export(memory, part.Devices.Where(device => device.Payload.Length < 600).ToArray(), _attachments);
        for (var number = 0; number < 1000; number++)
        {
            var random = new Random(number);
            var damaged = file.ToArray();
            for (var count = random.Next(1, 4); count > 0; count--) damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                await BerGuestReader.ReadAsync(new MemoryStream(damaged), new RecordedMemory());
            }
            catch (SnapshotException error)
            {
                Assert.NotNull(error.Advice);
            }
        }
    }

    private static byte[] Export(
        RecordedMemory memory, IReadOnlyList<DeviceSection> devices, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> attachments)
    {
        using var file = new MemoryStream();
        using var values = new BerWriter(file);
        var writer = new BerGuestWriter(values);
        writer.Begin(memory.Configuration!, memory.Blocks, attachments, devices.Where(device => device.IsEarly));
        foreach (var (block, offset, page) in memory.Pages)
        {
            if (page is null) writer.WriteZeroPage(block, offset);
            else writer.WritePage(block, offset, page);
        }

        writer.EndMemory();
        foreach (var device in devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        values.Flush();
        return file.ToArray();
    }

    private static async Task<(RecordedMemory Memory, QemuDevicePart Part)> ReadStreamAsync()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "Formats", "Ber", "vectors", "q35.qmig.gz");
        await using var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        var memory = new RecordedMemory();
        return (memory, await QemuStreamParser.ParseAsync(packed, memory));
    }

    private sealed class RecordedMemory : IQemuStreamVisitor
    {
        public QemuConfiguration? Configuration { get; private set; }

        public IReadOnlyList<QemuRamBlock> Blocks { get; private set; } = [];

        public List<(int Block, long Offset, byte[]? Page)> Pages { get; } = [];

        public bool HasEnded { get; private set; }

        public bool KeepsPages { get; init; }

        public void OnConfiguration(QemuConfiguration configuration) => Configuration = configuration;

        public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks) => Blocks = blocks;

        public void OnPage(int block, long offset, ReadOnlySpan<byte> page) => Pages.Add((block, offset, page.ToArray()));

        public void OnZeroPage(int block, long offset) => Pages.Add((block, offset, null));

        public bool TryReadPage(int block, long offset, Span<byte> page)
        {
            if (KeepsPages) Pages.Last(kept => (kept.Block, kept.Offset) == (block, offset)).Page.CopyTo(page);
            return KeepsPages;
        }

        public void OnMemoryEnd() => HasEnded = true;
    }
}
