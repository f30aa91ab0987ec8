namespace Cutpoint.Benchmarks.Guests;

/// <summary>What <c>export</c> is held to: a compressed dump against QEMU's own of the same guest, a core against a copy of it.</summary>
internal static class ExportRows
{
    private const int GuestMiB = 1024;

    public static IEnumerable<BenchRow> All =>
    [
        BenchRow.Of("export-kdump-zlib", GuestMiB, (guest, work) => new Contest(
            Exports.Of(guest, work, "kdump-zlib"), Exports.Qemu(guest, work, "kdump-zlib"), 0.6)),
        BenchRow.Of("export-elf", GuestMiB, (guest, work) => new Contest(Exports.Of(guest, work, "elf"), Exports.Copy(guest, work, "elf"), 1.3)),
    ];
}
