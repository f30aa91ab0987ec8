using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.TestGuests;

/// <summary>
/// What QEMU's dump-guest-memory wrote of a stopped guest, an ELF core: the judge of equality. It is read here without any code of the product.
/// </summary>
public sealed class GuestDump : IDisposable
{
    private const int HeaderLength = 64, ProgramHeaderLength = 56, Load = 1, Note = 4, ChunkLength = 1 << 20;

    private readonly SafeFileHandle _handle;

    private GuestDump(SafeFileHandle handle, List<Segment> segments, List<DumpNote> notes)
    {
        _handle = handle;
        Segments = segments;
        Notes = notes;
    }

    /// <summary>Runs of guest-physical memory, ascending.</summary>
    public IReadOnlyList<Segment> Segments { get; }

    /// <summary>The notes: registers of each CPU, and the kernel's vmcoreinfo when there is such a device.</summary>
    public IReadOnlyList<DumpNote> Notes { get; }

    /// <summary>Octets of guest-physical memory.</summary>
    public long Length => Segments.Sum(segment => segment.Length);

    /// <summary>Has QEMU dump the stopped guest behind a monitor, and reads the dump.</summary>
    public static async Task<GuestDump> TakeAsync(string monitor, string path, CancellationToken cancellation)
    {
        await Guest.DumpAsync(monitor, path, cancellation);
        return Open(path);
    }

    /// <summary>Reads a dump.</summary>
    public static GuestDump Open(string path)
    {
        var handle = File.OpenHandle(path);
        var header = Read(handle, 0, HeaderLength);
        if (BinaryPrimitives.ReadUInt32BigEndian(header) != 0x7f454c46 || header[4] != 2) throw new InvalidDataException($"{path} is not a 64-bit ELF file");
        var table = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56));
        var segments = new List<Segment>();
        var notes = new List<DumpNote>();
        for (var i = 0; i < count; i++)
        {
            var entry = Read(handle, table + (i * ProgramHeaderLength), ProgramHeaderLength);
            long At(int offset) => BinaryPrimitives.ReadInt64LittleEndian(entry.AsSpan(offset));
            switch (BinaryPrimitives.ReadInt32LittleEndian(entry))
            {
                case Load: segments.Add(new Segment((ulong)At(24), At(8), At(32))); break;
                case Note: ReadNotes(Read(handle, At(8), (int)At(32)), notes); break;
            }
        }
        return new GuestDump(handle, [.. segments.OrderBy(segment => segment.Address)], notes);
    }

    /// <summary>What differs between two dumps, a line each; empty when they show the same machine.</summary>
    public static IReadOnlyList<string> Differences(GuestDump expected, GuestDump actual)
    {
        List<string> found = [];
        if (!expected.Segments.Select(s => (s.Address, s.Length)).SequenceEqual(actual.Segments.Select(s => (s.Address, s.Length))))
        {
            found.Add($"memory map {string.Join(' ', expected.Segments)} became {string.Join(' ', actual.Segments)}");
            return found;
        }
        if (expected.Notes.Count != actual.Notes.Count) found.Add($"{expected.Notes.Count} notes became {actual.Notes.Count}");
        foreach (var (a, b) in expected.Notes.Zip(actual.Notes))
        {
            var at = a.Contents.AsSpan().CommonPrefixLength(b.Contents);
            if (a.Name != b.Name || a.Type != b.Type || at != a.Contents.Length || at != b.Contents.Length)
                found.Add($"note {a.Name} {a.Type} differs from octet {at} of {a.Contents.Length} on");
        }
        foreach (var (a, b) in expected.Segments.Zip(actual.Segments)) ComparePages(expected, a, actual, b, found);
        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static void ComparePages(GuestDump expected, Segment a, GuestDump actual, Segment b, List<string> found)
    {
        const int PageSize = 4096, Shown = 8;
        long different = 0;
        for (long offset = 0; offset < a.Length; offset += ChunkLength)
        {
            var length = (int)Math.Min(ChunkLength, a.Length - offset);
            var x = Read(expected._handle, a.Offset + offset, length);
            var y = Read(actual._handle, b.Offset + offset, length);
            if (x.AsSpan().SequenceEqual(y)) continue;
            for (var page = 0; page < length; page += PageSize)
            {
                if (x.AsSpan(page, PageSize).SequenceEqual(y.AsSpan(page, PageSize))) continue;
                if (different++ < Shown) found.Add($"page 0x{a.Address + (ulong)(offset + page):x} differs");
            }
        }
        if (different > Shown) found.Add($"{different} pages differ in all");
    }

    private static void ReadNotes(byte[] octets, List<DumpNote> notes)
    {
        for (var at = 0; at + 12 <= octets.Length;)
        {
            var nameLength = BinaryPrimitives.ReadInt32LittleEndian(octets.AsSpan(at));
            var length = BinaryPrimitives.ReadInt32LittleEndian(octets.AsSpan(at + 4));
            var type = BinaryPrimitives.ReadInt32LittleEndian(octets.AsSpan(at + 8));
            var name = Encoding.ASCII.GetString(octets, at + 12, nameLength).TrimEnd('\0');
            at += 12 + Align(nameLength);
            notes.Add(new DumpNote(name, type, octets[at..(at + length)]));
            at += Align(length);
        }
    }

    private static int Align(int length) => (length + 3) & ~3;

    private static byte[] Read(SafeFileHandle handle, long offset, int length)
    {
        var octets = new byte[length];
        for (var done = 0; done < length;)
        {
            var read = RandomAccess.Read(handle, octets.AsSpan(done), offset + done);
            if (read == 0) throw new EndOfStreamException($"the dump ends at {offset + done}");
            done += read;
        }
        return octets;
    }

    /// <summary>A run of guest-physical memory.</summary>
    public readonly record struct Segment(ulong Address, long Offset, long Length)
    {
        /// <inheritdoc/>
        public override string ToString() => $"[0x{Address:x} +0x{Length:x}]";
    }
}
