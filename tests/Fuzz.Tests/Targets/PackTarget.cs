using System.Diagnostics.CodeAnalysis;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Packs as files: the way a repository without a catalog looks at them. Damage is a part of the result there, not an error.</summary>
public sealed class PackTarget : FuzzTarget
{
    [ThreadStatic]
    private static ScratchPack? _scratch;

    public override string Name => "pack";

    public override bool DetectsTruncation => false;

    public override IReadOnlyList<byte[]> Words { get; } = [[0x61], [0x62], [0x63], [0x64], [0x65], [0x66], [0x02, 0x01, 0x01], [0x04, 0x20], [0x04, 0x08], [0x84, 0x7f, 0xff, 0xff, 0xff]];

    /// <summary>The window in which the next sound value is sought, and every value that holds.</summary>
    public override long AllocationLimit(int length) => (4L << 20) + (256L * length);

    public override void Read(byte[] octets, Random random)
    {
        var scratch = _scratch ??= new ScratchPack();
        var recovered = scratch.Recover(octets);
        if (recovered is null) return;
        foreach (var entry in recovered.Entries)
        {
            if (entry.Offset < 0 || entry.Length <= 0 || entry.Offset > octets.Length - entry.Length) throw new InvalidOperationException("an entry outside of the pack");
        }
    }

    protected override IEnumerable<byte[]> Golden() => [GoldenRepository.SmallPack, GoldenRepository.Pack];

    /// <summary>A file that one thread uses again and again.</summary>
    [SuppressMessage("Reliability", "CA1001", Justification = "lives as long as its thread")]
    private sealed class ScratchPack
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-fuzz-").FullName;
        private readonly PackId _id = GoldenRepository.PackId;
        private readonly FileStream _file;
        private readonly PackFile _pack;
        private readonly PackRecovery _recovery = new(GoldenRepository.Id);

        public ScratchPack()
        {
            var path = Path.Combine(_directory, _id.FileName);
            _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            _pack = PackFile.Open(_directory, _id, null);
            // Both are open; the name is not needed any more, however the process ends.
            Directory.Delete(_directory, recursive: true);
        }

        public RecoveredPack? Recover(byte[] octets)
        {
            _file.SetLength(0);
            _file.Position = 0;
            _file.Write(octets);
            return _recovery.Read(_pack, CancellationToken.None);
        }
    }
}
