using Cutpoint.Compression;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;
using Cutpoint.Formats.Qemu;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>What an inspection says of dumps of any writer.</summary>
public sealed class InspectedDumps : IDisposable
{
    private const long PhysicalBase = -713031680;
    private const int PhysicalBaseAt = 4096;

    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task A_physical_base_that_is_not_the_kernels_is_remarked_upon()
    {
        var octets = Kdump();

        var right = await InspectAsync(octets);
        // QEMU reads the decimal number of the note as a hexadecimal one.
        BitConverter.TryWriteBytes(octets.AsSpan(PhysicalBaseAt), -0x713031680L);
        var wrong = await InspectAsync(octets);

        Assert.Equal("-713031680", right.Facts.Single(fact => fact.Name == "physical base").Value);
        Assert.DoesNotContain(right.Notes, note => note.Contains("physical base", StringComparison.Ordinal));
        Assert.Equal("-30383740544", wrong.Facts.Single(fact => fact.Name == "physical base").Value);
        Assert.Contains("not the kernel's, -713031680", Assert.Single(wrong.Notes, note => note.Contains("physical base", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    private static byte[] Kdump()
    {
        var processors = new X86Processors(X86CpuState.ReadAll([new DeviceSection("cpu", 0, 12, 1, new byte[864])]));
        var note = new ElfNote(VmCoreInfo.NoteName, 0, "NUMBER(phys_base)=-713031680\n"u8.ToArray());
        var output = new PlacedStream();
        var writer = new KdumpWriter(
            new ElfTarget(ElfMachine.X86Bits64, ElfClass.Bits64, false), processors, note, [new DumpRange(0, 4096)], KdumpCompression.Zlib, output);
        while (writer.TryWriteHead()) continue;
        using var pages = new KdumpPages(new ZlibCodec(1), KdumpCompression.Zlib, 4096, 1);
        pages.AddZero();
        writer.Write(pages);
        writer.Complete();
        var octets = output.ToArray();
        Assert.Equal(PhysicalBase, BitConverter.ToInt64(octets.AsSpan(PhysicalBaseAt)));
        return octets;
    }

    private async Task<FileInspection> InspectAsync(byte[] octets)
    {
        await File.WriteAllBytesAsync(_file, octets);
        return await FileFormats.InspectAsync(_file, default);
    }

    private sealed class PlacedStream : MemoryStream, IPlacedOutput
    {
        void IPlacedOutput.Write(long position, ReadOnlySpan<byte> octets)
        {
            Position = position;
            Write(octets);
        }
    }
}
