using Cutpoint.Formats.Elf;

namespace Cutpoint.Workers.Export;

/// <summary>An ELF core of a guest.</summary>
internal sealed class ElfFile : FileFormat
{
    private const int ReadAtOnce = 1 << 20;

    public override string Name => "elf";

    public override string Title => "ELF core";

    public override bool Matches(ReadOnlySpan<byte> head) => ElfCore.Matches(head);

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var core = await ElfCoreReader.ReadAsync(input, cancellation);
        var blocks = new DumpBlocks();
        var buffer = new byte[ReadAtOnce];
        foreach (var segment in core.Segments)
        {
            blocks.BeginRun(segment.Physical);
            input.Position = Math.Max(segment.FileOffset, 0);
            for (ulong done = 0; done < segment.FileLength;)
            {
                var piece = buffer.AsMemory(0, (int)Math.Min((ulong)buffer.Length, segment.FileLength - done));
                await input.ReadExactlyAsync(piece, cancellation);
                blocks.Add(segment.Physical + done, piece.Span);
                done += (ulong)piece.Length;
            }
            blocks.EndRun(segment.Length - segment.FileLength);
        }
        var hasPaging = core.Segments.Any(segment => segment.Virtual != segment.Physical && segment.Virtual != 0);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts =
            [
                new("machine", NameOf(core.Target.Machine)), new("class", core.Target.Is64Bit ? "64 bit" : "32 bit"),
                new("byte order", core.Target.IsBigEndian ? "big-endian" : "little-endian"), new("addresses", hasPaging ? "virtual and physical" : "physical"),
                .. DumpNotes.Facts(core.Notes),
            ],
            Blocks = blocks.Blocks,
            Units = DumpNotes.Describe(core.Notes, core.Target.IsBigEndian),
            Notes = [.. DumpNotes.Remarks(core.Notes), .. blocks.Remarks()],
        };
    }

    private static string NameOf(ElfMachine machine) => machine switch
    {
        ElfMachine.I386 => "i386",
        ElfMachine.X86Bits64 => "x86_64",
        ElfMachine.Arm => "arm",
        ElfMachine.Arm64 => "aarch64",
        _ => $"number {(ushort)machine}",
    };
}
