namespace Cutpoint.Formats.Ber;

/// <summary>Gathers the events of one group into a tree, within the limits of <see cref="BerSnapshot"/>.</summary>
internal sealed class BerStateBuilder
{
    private readonly BerSnapshotReader _reader;
    private readonly Stack<Open> _open = new();
    private readonly List<byte> _octets = [];
    private readonly Stack<(string Name, uint Version)> _subsections = new();
    private BerItem.Group? _state;
    private int _items;
    private long _length;

    public BerStateBuilder(BerSnapshotReader reader)
    {
        if (reader.Event != BerSnapshotEvent.GroupStart)
            throw new InvalidOperationException("The reader must stand on the start of a group.");
        _reader = reader;
    }

    public BerItem.Group State => _state ?? throw new InvalidOperationException("The group is not complete.");

    /// <summary>Takes the event the reader stands on. True when the group is complete.</summary>
    public bool Add()
    {
        Count();
        switch (_reader.Event)
        {
            case BerSnapshotEvent.GroupStart:
                _open.Push(new Open(_reader.Tag, [], []));
                break;
            case BerSnapshotEvent.GroupEnd:
                return Close();
            case BerSnapshotEvent.SubsectionStart:
                _subsections.Push((_reader.SubsectionName!, _reader.SubsectionVersion));
                break;
            case BerSnapshotEvent.SubsectionEnd:
                _subsections.Pop();
                break;
            case BerSnapshotEvent.Integer:
                Add(new BerItem.Number(_reader.Integer));
                break;
            case BerSnapshotEvent.Boolean:
                Add(new BerItem.Flag(_reader.Boolean));
                break;
            case BerSnapshotEvent.Text:
                Add(new BerItem.Text(_reader.Contents.ToArray()));
                break;
            case BerSnapshotEvent.Octets:
                AddOctets();
                break;
        }

        return false;
    }

    private void Add(BerItem item) => _open.Peek().Items.Add(item);

    private void AddOctets()
    {
        if (_reader.IsFinalPiece && _octets.Count == 0)
        {
            Add(new BerItem.Buffer(_reader.Contents.ToArray()));
            return;
        }

        _octets.AddRange(_reader.Contents);
        if (!_reader.IsFinalPiece) return;
        Add(new BerItem.Buffer(_octets.ToArray()));
        _octets.Clear();
    }

    private bool Close()
    {
        var (tag, items, subsections) = _open.Pop();
        var group = new BerItem.Group(tag, items, subsections);
        if (_open.Count == 0)
        {
            _state = group;
            return true;
        }

        if (_subsections.Count > 0 && _subsections.Peek() is var (name, version) && _reader.IsSubsectionState)
            _open.Peek().Subsections.Add(new BerSubsection(name, version, group));
        else
            Add(group);
        return false;
    }

    private void Count()
    {
        _items++;
        if (_reader.Event is BerSnapshotEvent.Text or BerSnapshotEvent.Octets) _length += _reader.Contents.Length;
        if (_items > BerSnapshot.MaxStateItems || _length > BerSnapshot.MaxStateLength)
        {
            BerError.Throw(
                _reader.Offset,
                $"'{_reader.Section?.Name}' has more than {BerSnapshot.MaxStateItems} items or {BerSnapshot.MaxStateLength} octets");
        }
    }

    private sealed record Open(BerTag Tag, List<BerItem> Items, List<BerSubsection> Subsections);
}
