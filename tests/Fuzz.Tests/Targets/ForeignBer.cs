using Cutpoint.Guests;
using Cutpoint.Workers.Export;

namespace Cutpoint.Fuzz.Targets;

/// <summary>A BER snapshot of another writer while it is imported: its outline and its memory.</summary>
internal sealed class ForeignBer
{
    /// <summary>Files that live a millisecond need no disk.</summary>
    private static readonly string Memory = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    private readonly StagedMemory _memory;

    private ForeignBer(ReadOnlyMemory<byte> outline, StagedMemory memory) => (Outline, _memory) = (outline, memory);

    public ReadOnlyMemory<byte> Outline { get; }

    /// <summary>Imports a file and does something with what came of it.</summary>
    public static T Import<T>(byte[] file, Func<ForeignBer, T> use)
    {
        var scratch = Directory.CreateDirectory(Path.Combine(Memory, $"cutpoint-fuzz-{Guid.NewGuid():n}"));
        try
        {
            using var memory = new StagedMemory(scratch.FullName);
            var guest = BerForeignFile.ImportAsync(new MemoryStream(file), memory, CancellationToken.None).GetAwaiter().GetResult();
            return use(new ForeignBer(guest.Devices.Single().State, memory));
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    /// <summary>True for a file that can be imported.</summary>
    public static bool IsSound(byte[] file)
    {
        try
        {
            return Import(file, _ => true);
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    /// <summary>The file as an export writes it.</summary>
    public byte[] Write()
    {
        var output = new MemoryStream();
        var page = new byte[Paging.PageSize];
        var reader = new BerOutlineReader(Outline, _memory.Blocks);
        while (reader.Read())
        {
            output.Write(reader.Octets.Span);
            if (reader.Page is not { } at) continue;
            _memory.Read(at.Block, at.Number * Paging.PageSize, page);
            output.Write(page);
        }

        return output.ToArray();
    }
}
