using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// Reads packs without a catalog. A finished pack tells by its index what it holds; any other is walked value by value, every digest
/// checked. Where a value does not hold, the walk looks for the next one that does, so that damage in the middle costs what it hit and
/// nothing behind it.
/// </summary>
internal sealed class PackRecovery(Ulid repository)
{
    private const int WindowLength = 1 << 20;

    private readonly byte[] _window = new byte[WindowLength];

    /// <summary>Takes one value after the other, and is as long as the longest so far: the first touch of fresh memory for each would cost more than to read and check it.</summary>
    private byte[] _value = [];

    /// <summary>Reads a pack.</summary>
    /// <returns>Null when it belongs to another repository.</returns>
    /// <param name="file">The pack.</param>
    /// <param name="cancellation">Cancels the read.</param>
    /// <param name="trustIndex">False when the pack may not have reached the disk whole: an index then proves nothing, and every value is checked.</param>
    public RecoveredPack? Read(PackFile file, CancellationToken cancellation, bool trustIndex = true)
    {
        var length = file.Length;
        var damages = new List<string>();
        var start = 0L;
        try
        {
            var header = file.ReadHeader(0, length) ?? throw PackFormat.Damaged(0, "the pack is empty");
            start = header.TotalLength;
            if (start > PackHeader.MaxLength) throw PackFormat.Damaged(0, "no header of a pack is that long");
            var found = PackHeader.Read(file.ReadValue(0, start));
            if (found.Repository != repository) return null;
            found.CheckProtection(file);
            if (found.Pack != file.Id) damages.Add($"the header names another pack, {found.Pack}");
        }
        catch (MalformedInputException error)
        {
            damages.Add(Text(error));
            start = 0;
        }
        if (trustIndex && ReadIndex(file, length) is { } index) return new RecoveredPack(file.Id, length, length, IsFinished: true, index, damages);
        return Walk(file, start, length, damages, cancellation);
    }

    /// <summary>The entries a finished pack lists, or null when it has no index that holds.</summary>
    public static List<PackEntry>? ReadIndex(PackFile file, long length)
    {
        if (length < PackIndex.TrailerLength) return null;
        Span<byte> trailer = stackalloc byte[file.IsSealed ? SealedValue.TrailerLength : PackIndex.TrailerLength];
        try
        {
            file.ReadExactly(trailer, length - trailer.Length);
            var indexLength = PackIndex.LengthFromTrailer(trailer);
            if (indexLength <= 0 || indexLength > Math.Min(length, PackFormat.MaxValueLength)) return null;
            var entries = PackIndex.Read(file.ReadValue(length - indexLength, indexLength), length - indexLength);
            return entries.TrueForAll(entry => entry.Offset >= 0 && entry.Length > 0 && entry.Offset <= length - entry.Length)
                ? entries
                : null;
        }
        catch (MalformedInputException)
        {
            return null;
        }
    }

    private RecoveredPack Walk(PackFile file, long start, long length, List<string> damages, CancellationToken cancellation)
    {
        var entries = new List<PackEntry>();
        var isFinished = false;
        var good = start;
        for (var offset = start; offset < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                var entry = ReadEntry(file, offset, length);
                if (entry.Tag == PackFormat.IndexTag) isFinished = true;
                else if (entry.Tag != PackFormat.HeaderTag) entries.Add(entry);
                good = offset += entry.Length;
            }
            catch (MalformedInputException error)
            {
                damages.Add(Text(error));
                offset = FindNext(file, offset + 1, length, cancellation);
            }
        }
        return new RecoveredPack(file.Id, length, good, isFinished && good == length && damages.Count == 0, entries, damages);
    }

    private PackEntry ReadEntry(PackFile file, long offset, long length)
    {
        var header = file.ReadHeader(offset, length)!.Value;
        if (header.Tag == PackFormat.SectionTag && header.TotalLength > SectionHead.MaxSectionLength)
            throw PackFormat.Damaged(offset, $"a section of {header.TotalLength} octets");
        // The header was checked: the pack has that many octets.
        if (header.TotalLength > _value.Length) _value = GC.AllocateUninitializedArray<byte>((int)header.TotalLength);
        var value = file.ReadValue(offset, _value.AsSpan(0, (int)header.TotalLength));
        var tag = PackFormat.TagOf(value, offset);
        if (tag != PackFormat.SectionTag)
        {
            PackFormat.Open(value, tag, offset, out var digest);
            return new PackEntry(tag, digest, offset, (int)header.TotalLength);
        }
        var head = SectionHead.Read(value, value.Length, offset);
        if (Xxh3.Hash(value[head.Payload]) != head.PayloadHash)
            throw PackFormat.Damaged(offset, "the hash of the section's payload does not hold");
        return new PackEntry(tag, head.Identity, offset, (int)header.TotalLength);
    }

    /// <summary>Where the next value starts whose digest holds, or the end of the pack.</summary>
    private long FindNext(PackFile file, long offset, long length, CancellationToken cancellation)
    {
        for (var at = offset; at < length; at += WindowLength)
        {
            cancellation.ThrowIfCancellationRequested();
            var window = _window.AsSpan(0, file.Read(_window, at));
            for (var index = 0; index < window.Length; index++)
            {
                // The identifier octets of the seven kinds of values; most other octets are passed over here.
                if (window[index] is >= 0x61 and <= 0x67 && Holds(file, at + index, length)) return at + index;
            }
        }
        return length;
    }

    private bool Holds(PackFile file, long offset, long length)
    {
        try
        {
            // No value is found by its digest alone: a header first has to make sense, which nearly none does by accident.
            Span<byte> start = stackalloc byte[BerHeader.MaxLength + 3];
            start = start[..file.Read(start, offset)];
            if (!BerHeader.TryRead(start, out var header) || header.IsIndefinite || header.TotalLength > length - offset) return false;
            ReadOnlySpan<byte> first = header.Tag == PackFormat.SealedTag ? [0x04, PackCipher.SaltLength] : [0x02, 0x01];
            if (!start[header.HeaderLength..].StartsWith(first)) return false;
            ReadEntry(file, offset, length);
            return true;
        }
        catch (MalformedInputException)
        {
            return false;
        }
    }

    private static string Text(MalformedInputException error) => $"offset {error.Offset}: {error.Reason}";
}
