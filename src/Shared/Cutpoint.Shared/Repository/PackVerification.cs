using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Reads every octet of one pack and checks it: framing, digests, identities, page hashes, the index, and the catalog's rows. Where the
/// framing is damaged the catalog says where the next value starts, so that one damage does not hide others. Of a sample, only the sections picked are
/// read; of the others only that they are where the catalog says.
/// </summary>
internal sealed class PackVerification(
    Ulid repository, PageHasher hasher, SectionIdentity identity, PackFile file, IReadOnlyList<PackEntry> known, long expectedLength, VerifySample? sample)
{
    private readonly Lock _gate = new();
    private readonly List<(long Offset, string Reason)> _damages = [];

    /// <summary>What does not hold, by offset.</summary>
    public IReadOnlyList<(long Offset, string Reason)> Damages => [.. _damages.OrderBy(damage => damage.Offset)];

    /// <summary>Sections in the pack.</summary>
    public int SectionCount { get; private set; }

    /// <summary>Those of them that were read.</summary>
    public int ReadCount { get; private set; }

    public void Run(IProgress<long>? progress, CancellationToken cancellation)
    {
        var length = file.Length;
        if (length != expectedLength)
            Add(Math.Min(length, expectedLength), $"the pack has {length} octets, the catalog says {expectedLength}");
        var values = Frame(length);
        var entries = new PackEntry?[values.Count];
        var spared = Spare(values, entries);
        using var buffers = new NativeBufferPool(PackFile.SectionBufferLength, Environment.ProcessorCount * 2);
        Parallel.For(
            0,
            values.Count,
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellation },
            index =>
            {
                if (entries[index] is not null) return;
                entries[index] = Check(values[index].Offset, values[index].Length, buffers);
                progress?.Report(values[index].Length);
            });
        SectionCount = entries.Count(entry => entry is { IsSection: true });
        ReadCount = SectionCount - spared;
        CheckIndex(entries);
        CheckRows(entries);
    }

    /// <summary>Fills in the sections that are not in the sample by the catalog's word, so that nobody reads them; returns how many.</summary>
    private int Spare(List<(long Offset, long Length)> values, PackEntry?[] entries)
    {
        if (sample is null) return 0;
        var places = values.Select((value, index) => (value, index)).ToDictionary(place => place.value, place => place.index);
        var sections = known.Where(entry => entry.IsSection && places.ContainsKey((entry.Offset, entry.Length))).ToArray();
        sample.Random.Shuffle(sections);
        // At least one of every pack is read.
        var spared = sections[(int)Math.Ceiling(sections.Length * sample.Share)..];
        foreach (var section in spared) entries[places[(section.Offset, section.Length)]] = section;
        return spared.Length;
    }

    /// <summary>Where the values are, by their headers, and by the catalog where the headers cannot be.</summary>
    private List<(long Offset, long Length)> Frame(long length)
    {
        var values = new List<(long, long)>();
        var next = 0;
        for (long offset = 0; offset < length;)
        {
            while (next < known.Count && known[next].Offset <= offset) next++;
            var limit = next < known.Count ? Math.Min(known[next].Offset, length) : length;
            try
            {
                var header = file.ReadHeader(offset, length)!.Value;
                if (header.TotalLength > limit - offset) throw PackFormat.Damaged(offset, "the value reaches into the next one");
                values.Add((offset, header.TotalLength));
                offset += header.TotalLength;
            }
            catch (MalformedInputException error)
            {
                Add(error.Offset, error.Reason);
                offset = limit;
            }
        }
        return values;
    }

    private PackEntry? Check(long offset, long length, NativeBufferPool buffers)
    {
        try
        {
            using var stored = buffers.Rent();
            var value = length <= PackFile.SectionBufferLength ? file.ReadValue(offset, stored.Span[..(int)length]) : file.ReadValue(offset, length);
            var tag = PackFormat.TagOf(value, offset);
            if ((offset == 0) != (tag == PackFormat.HeaderTag)) throw PackFormat.Damaged(offset, $"{tag} in the wrong place");
            if (tag == PackFormat.SectionTag) return new PackEntry(tag, CheckSection(value, offset, buffers), offset, (int)length);
            PackFormat.Open(value, tag, offset, out var digest);
            if (tag == PackFormat.HeaderTag)
            {
                var found = PackHeader.Read(value);
                found.CheckProtection(file);
                if (found.Repository != repository || found.Pack != file.Id)
                    throw PackFormat.Damaged(offset, $"the header names another pack, {found.Pack}");
            }
            else if (tag == PackFormat.ManifestTag)
            {
                ManifestFormat.Read(value, offset);
            }
            else if (tag == PackFormat.CommitTag)
            {
                CommitFormat.Read(value, offset, out _);
            }
            else if (tag == PackFormat.PlacementTag)
            {
                PlacementFormat.Read(value, offset);
            }
            else if (tag != PackFormat.IndexTag)
            {
                throw PackFormat.Damaged(offset, $"{tag}, which is no value of a pack");
            }
            return new PackEntry(tag, digest, offset, (int)length);
        }
        catch (MalformedInputException error)
        {
            Add(error.Offset < offset || error.Offset >= offset + length ? offset : error.Offset, error.Reason);
            return null;
        }
        catch (SnapshotException error)
        {
            Add(offset, error.Message);
            return null;
        }
    }

    private Digest CheckSection(ReadOnlySpan<byte> value, long offset, NativeBufferPool buffers)
    {
        if (value.Length > SectionHead.MaxSectionLength) throw PackFormat.Damaged(offset, $"a section of {value.Length} octets");
        using var decoded = buffers.Rent();
        var head = SectionHead.Read(value, value.Length, offset);
        var content = decoded.Span[..head.RawLength];
        SectionReader.Decode(head, value, offset, content);
        if (head.IdentityOf(identity, value, content) != head.Identity) throw PackFormat.Damaged(offset, "the section is not what its identity says");
        for (var page = 0; page < head.RawLength / Paging.PageSize && head.Kind == SectionKind.Pages; page++)
        {
            if (hasher.Hash(content.Slice(page * Paging.PageSize, Paging.PageSize)) != head.Hash(value, page))
                throw PackFormat.Damaged(offset, $"the hash of page {page} of the section does not hold");
        }
        return head.Identity;
    }

    private void CheckIndex(PackEntry?[] entries)
    {
        var listed = entries.Where(entry => entry is { } one && one.Tag != PackFormat.HeaderTag && one.Tag != PackFormat.IndexTag);
        if (entries.Length == 0 || entries[^1] is not { } last || last.Tag != PackFormat.IndexTag)
        {
            // Said already when the index itself is damaged; a pack that ends early is not framed wrongly.
            Add(expectedLength, "the pack does not end in an index that holds");
            return;
        }
        try
        {
            var index = PackIndex.Read(file.ReadValue(last.Offset, last.Length), last.Offset);
            if (_damages.Count == 0 && !index.Select(entry => (PackEntry?)entry).SequenceEqual(listed))
                Add(last.Offset, "the index does not list what is in the pack");
        }
        catch (MalformedInputException error)
        {
            Add(error.Offset, error.Reason);
        }
    }

    private void CheckRows(PackEntry?[] entries)
    {
        var there = entries.Where(entry => entry is not null).ToDictionary(entry => entry!.Value.Offset, entry => entry!.Value);
        var damaged = _damages.Count > 0;
        foreach (var row in known)
        {
            if (there.TryGetValue(row.Offset, out var entry) ? entry != row : !damaged)
                Add(row.Offset, $"the catalog has {row.Tag} {row.Digest} of {row.Length} octets here, the pack has not");
        }
    }

    private void Add(long offset, string reason)
    {
        lock (_gate) _damages.Add((offset, reason));
    }
}
