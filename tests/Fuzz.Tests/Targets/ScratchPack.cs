using System.Diagnostics.CodeAnalysis;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>A pack file that one thread uses again and again, for as long as it lives.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "lives as long as its thread")]
internal sealed class ScratchPack
{
    private readonly FileStream _file;
    private readonly PackRecovery _recovery = new(GoldenRepository.Id);

    /// <param name="protection">What opens it when it is encrypted.</param>
    public ScratchPack(PackProtection? protection)
    {
        var directory = Directory.CreateTempSubdirectory("cutpoint-fuzz-").FullName;
        var id = GoldenRepository.PackId;
        _file = new FileStream(Path.Combine(directory, id.FileName), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        Pack = PackFile.Open(directory, id, protection);
        // Both are open; the name is not needed any more, however the process ends.
        Directory.Delete(directory, recursive: true);
    }

    /// <summary>The file.</summary>
    public PackFile Pack { get; }

    /// <summary>Puts octets into it, and reads them as a repository without a catalog does.</summary>
    /// <returns>What was found, all of it inside of the pack; null when the pack is another repository's.</returns>
    public RecoveredPack? Recover(byte[] octets)
    {
        _file.SetLength(0);
        _file.Position = 0;
        _file.Write(octets);
        var recovered = _recovery.Read(Pack, CancellationToken.None);
        foreach (var entry in recovered?.Entries ?? [])
        {
            if (entry.Offset < 0 || entry.Length <= 0 || entry.Offset > octets.Length - entry.Length) throw new InvalidOperationException("an entry outside of the pack");
        }
        return recovered;
    }
}
