namespace Cutpoint.Repository;

/// <summary>
/// Decoded sections that were used last, for readers that come back to one. Two readers that want the same section wait for one decode.
/// Safe for concurrent use.
/// </summary>
/// <param name="reader">Reads the sections.</param>
/// <param name="sections">The sections of a manifest, by number.</param>
/// <param name="capacity">Sections of 4 MiB that are kept; more only while more are in use at once.</param>
internal sealed class SectionCache(SectionReader reader, IReadOnlyList<SectionRef> sections, int capacity) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, Entry> _entries = [];
    private readonly NativeBufferPool _buffers = new(Cutpoint.Guests.Paging.SectionSize, 2);
    private long _clock;

    /// <summary>Uses the content of a section, decoding it when it is not there.</summary>
    public void Use(int section, SectionUse use)
    {
        var entry = Enter(section);
        try
        {
            lock (entry)
            {
                entry.Buffer ??= Decode(section, out entry.Head);
            }
            use(entry.Head, entry.Buffer.Span);
        }
        finally
        {
            Leave(section, entry);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var entry in _entries.Values) entry.Buffer?.Dispose();
            _entries.Clear();
        }
        _buffers.Dispose();
    }

    private NativeBuffer Decode(int section, out SectionHead head)
    {
        var buffer = _buffers.Rent();
        try
        {
            head = reader.Read(sections[section], SectionKind.Pages, buffer.Span);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    private Entry Enter(int section)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(section, out var entry)) _entries.Add(section, entry = new Entry());
            entry.Users++;
            entry.LastUse = ++_clock;
            return entry;
        }
    }

    private void Leave(int section, Entry entry)
    {
        lock (_gate)
        {
            entry.Users--;
            if (entry.Users == 0 && entry.Buffer is null) _entries.Remove(section);
            while (_entries.Count > capacity && OldestIdle() is { } oldest)
            {
                _entries.Remove(oldest, out var evicted);
                evicted!.Buffer?.Dispose();
            }
        }
    }

    private int? OldestIdle()
    {
        int? found = null;
        var lastUse = long.MaxValue;
        foreach (var (section, entry) in _entries)
        {
            if (entry.Users != 0 || entry.LastUse >= lastUse) continue;
            found = section;
            lastUse = entry.LastUse;
        }
        return found;
    }

    private sealed class Entry
    {
        public SectionHead Head;
        public NativeBuffer? Buffer;
        public int Users;
        public long LastUse;
    }
}
