namespace Cutpoint.Formats.Elf;

/// <summary>
/// Reads the headers and notes of an ELF core, whichever program wrote it. Everything they refer to is known to be in the file afterwards; memory is then
/// read from the stream by the segments.
/// </summary>
public static class ElfCoreReader
{
    /// <summary>The most PT_LOADs that are read; QEMU needs a second for 20000 and does not finish with millions.</summary>
    public const int MaxSegments = 1 << 20;

    /// <summary>The most octets of notes: more than 4096 CPUs and a VMCOREINFO note have.</summary>
    public const int MaxNotesLength = 64 << 20;

    private const int HeadersAtOnce = 1024;

    /// <summary>Reads a core.</summary>
    /// <param name="input">The file; seekable, not closed.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">It is damaged or cut short.</exception>
    /// <exception cref="SnapshotException">It is an ELF file of another kind.</exception>
    public static async Task<ElfCore> ReadAsync(Stream input, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(input);
        var file = new DumpInput(input);
        var header = new byte[64];
        await ReadAsync(file, 0, header.AsMemory(0, ElfFields.IdentityLength), "the ELF header", cancellation).ConfigureAwait(false);
        var target = ReadIdentity(header);
        var fields = new ElfFields(target);
        await ReadAsync(file, 0, header.AsMemory(0, fields.HeaderLength), "the ELF header", cancellation).ConfigureAwait(false);
        target = target with { Machine = (ElfMachine)target.Order.Get16(header.AsSpan(18)) };
        var (type, start, sections, entryLength, shortCount, sectionCount) = fields.ReadHeader(header);
        if (type != ElfFields.CoreType) throw Other($"an ELF file of type {type}, not a core");
        if (entryLength != fields.ProgramHeaderLength)
            throw ElfError.Create(fields.HeaderLength - 10, $"program headers of {entryLength} octets, not {fields.ProgramHeaderLength}");
        var first = await ReadSectionsAsync(file, target, Place(sections), sectionCount, cancellation).ConfigureAwait(false);
        long count = shortCount;
        if (shortCount == ElfCoreLayout.ExtendedCount)
        {
            count = first is null
                ? throw ElfError.Create(fields.HeaderLength - 8, "there is no section header to say how many program headers there are")
                : fields.ReadCount(first);
        }
        if (count is 0 or > MaxSegments + 1)
            throw ElfError.Create(fields.HeaderLength - 8, $"{count} program headers; a core has 1 to {MaxSegments + 1}");
        return await ReadAsync(file, target, Place(start), (int)count, cancellation).ConfigureAwait(false);
    }

    private static async Task<ElfCore> ReadAsync(DumpInput file, ElfTarget target, long start, int count, CancellationToken cancellation)
    {
        var fields = new ElfFields(target);
        List<ElfSegment> segments = [];
        List<ElfNote> notes = [];
        var octets = new byte[Math.Min(count, HeadersAtOnce) * fields.ProgramHeaderLength];
        for (var done = 0; done < count; done += HeadersAtOnce)
        {
            var some = octets.AsMemory(0, Math.Min(count - done, HeadersAtOnce) * fields.ProgramHeaderLength);
            var from = start + ((long)done * fields.ProgramHeaderLength);
            await ReadAsync(file, from, some, "the program headers", cancellation).ConfigureAwait(false);
            for (var at = 0; at < some.Length; at += fields.ProgramHeaderLength)
            {
                var (type, offset, address, physical, fileLength, length) = fields.ReadProgramHeader(some.Span[at..]);
                // A segment without octets says all ones for its place.
                if (fileLength > 0 && (offset > (ulong)file.Length || fileLength > (ulong)file.Length - offset))
                    throw ElfError.Truncated(Math.Min(from + at, file.Length), $"a segment of {fileLength} octets at {offset}");
                if (type == ElfFields.NoteType)
                    notes.AddRange(await ReadNotesAsync(file, target, (long)offset, fileLength, from + at, cancellation).ConfigureAwait(false));
                else if (type == ElfFields.LoadType)
                    segments.Add(ReadSegment(offset, address, physical, fileLength, length, from + at));
            }
        }
        return new ElfCore(target, notes, segments);
    }

    /// <summary>Sections mean nothing in a core, but that a file which lacks one of them was cut short.</summary>
    /// <returns>The first section header, or null.</returns>
    private static async Task<byte[]?> ReadSectionsAsync(DumpInput file, ElfTarget target, long start, int count, CancellationToken cancellation)
    {
        const int nullType = 0, noOctetsType = 8;
        byte[]? first = null;
        var fields = new ElfFields(target);
        for (var i = 0; i < count; i++)
        {
            var octets = new byte[fields.SectionHeaderLength];
            await ReadAsync(file, start + ((long)i * octets.Length), octets, "the section headers", cancellation).ConfigureAwait(false);
            first ??= octets;
            var (type, offset, length) = fields.ReadSectionHeader(octets);
            if (type is not (nullType or noOctetsType) && (offset > (ulong)file.Length || length > (ulong)file.Length - offset))
                throw ElfError.Truncated(file.Length, $"a section of {length} octets at {offset}");
        }
        return first;
    }

    private static ElfSegment ReadSegment(ulong offset, ulong address, ulong physical, ulong fileLength, ulong length, long at)
    {
        if (fileLength > length) throw ElfError.Create(at, $"a segment has {fileLength} octets in the file and {length} in memory");
        // A length that ends at 2^64 is one; one that goes beyond is none.
        if (length > 0 && physical > ulong.MaxValue - (length - 1))
            throw ElfError.Create(at, $"a segment of {length} octets at {physical:#x} goes beyond the last address");
        return new ElfSegment(physical, address, length, fileLength == 0 ? -1 : (long)offset, fileLength);
    }

    private static async Task<IReadOnlyList<ElfNote>> ReadNotesAsync(
        DumpInput file, ElfTarget target, long offset, ulong length, long header, CancellationToken cancellation)
    {
        if (length > MaxNotesLength) throw ElfError.Create(header, $"{length} octets of notes; {MaxNotesLength} are the most that are read");
        var octets = new byte[length];
        await ReadAsync(file, offset, octets, "the notes", cancellation).ConfigureAwait(false);
        return ElfNotes.Read(octets, target.IsBigEndian, offset);
    }

    private static ElfTarget ReadIdentity(ReadOnlySpan<byte> header)
    {
        if (!header.StartsWith(ElfFields.Magic)) throw ElfError.Create(0, "no ELF file", "name an ELF core");
        if (header[4] is not (1 or 2)) throw ElfError.Create(4, $"class {header[4]} is not known");
        if (header[5] is not (1 or 2)) throw ElfError.Create(5, $"byte order {header[5]} is not known");
        return new ElfTarget(default, (ElfClass)header[4], header[5] == 2);
    }

    // What is beyond the largest file is beyond this one.
    private static long Place(ulong offset) => (long)Math.Min(offset, long.MaxValue);

    private static async ValueTask ReadAsync(DumpInput file, long offset, Memory<byte> octets, string what, CancellationToken cancellation)
    {
        if (!await file.TryReadAsync(offset, octets, cancellation).ConfigureAwait(false)) throw ElfError.Truncated(file.Length, what);
    }

    private static SnapshotException Other(string what) =>
        new(ErrorCode.Incompatible, $"ELF core: {what}", "name a core: a dump of a guest's memory") { IsPreflight = true };
}
