namespace Cutpoint.Formats.Ber;

/// <summary>The state of devices: typed items, or one blob.</summary>
public sealed partial class BerSnapshotWriter
{
    /// <summary>Opens the state of a device or a subsection.</summary>
    /// <param name="applicationNumber">
    /// 0 for a plain SEQUENCE; else the APPLICATION tag of a state that has one, such as 20000 for "cpu_common". Subsections have none.
    /// </param>
    public void BeginState(uint applicationNumber = 0)
    {
        var tag = applicationNumber == 0 ? BerTag.Sequence : BerTag.Application(applicationNumber);
        if (BerSnapshot.IsStructural(tag))
            throw Refused($"{tag} as the tag of a state: the format uses it itself", "use another tag or none");
        if (Mode == BerSequenceMode.Subsection)
        {
            if (applicationNumber != 0) throw Refused("a tag on the state of a subsection", "use none");
            if (_frames[_depth - 1].Items++ > 0) throw new InvalidOperationException("A subsection has one state.");
        }
        else
        {
            AddBody();
        }

        Push(BerSequenceMode.State, tag);
        _frames[_depth - 1].IsCpuCommon = tag == BerSnapshot.CpuCommon;
    }

    /// <summary>Closes the state.</summary>
    public void EndState()
    {
        if (Mode == BerSequenceMode.State && _frames[_depth - 1] is { IsCpuCommon: true, Items: not 2 })
            throw new InvalidOperationException("The typed state of cpu_common has two integers.");
        Pop(BerSequenceMode.State);
    }

    /// <summary>Writes a whole state that is held in memory; in place of <see cref="BeginState"/> to <see cref="EndState"/>.</summary>
    /// <param name="state">The state; its tag is written as well.</param>
    public void WriteState(BerItem.Group state)
    {
        ArgumentNullException.ThrowIfNull(state);
        BeginState(state.Tag == BerTag.Sequence ? 0 : state.Tag.Number);
        WriteMembers(state);
        EndState();
    }

    /// <summary>Opens a structure.</summary>
    public void BeginStruct() => BeginGroup(BerSequenceMode.Struct, 0);

    /// <summary>Closes the structure.</summary>
    public void EndStruct() => Pop(BerSequenceMode.Struct);

    /// <summary>Opens a list; it may stay empty.</summary>
    public void BeginList() => BeginGroup(BerSequenceMode.List, 0);

    /// <summary>Closes the list.</summary>
    public void EndList() => Pop(BerSequenceMode.List);

    /// <summary>Opens an array. The count is not in the file; it is checked when the array is closed.</summary>
    /// <param name="count">Number of elements that will follow.</param>
    public void BeginArray(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        BeginGroup(BerSequenceMode.Array, count);
    }

    /// <summary>Closes the array, whose elements must all be there.</summary>
    public void EndArray()
    {
        Require(BerSequenceMode.Array);
        ref var frame = ref _frames[_depth - 1];
        if (frame.Items != frame.ExpectedItems)
            throw new InvalidOperationException($"The array has {frame.Items} elements, not {frame.ExpectedItems}.");
        Pop(BerSequenceMode.Array);
    }

    /// <summary>Writes an integer of any width and kind.</summary>
    /// <param name="value">The value; a signed field's value is signed.</param>
    public void WriteInteger(long value)
    {
        AddItem(isInteger: true);
        _writer.WriteInteger(value);
    }

    /// <inheritdoc cref="WriteInteger(long)"/>
    public void WriteInteger(ulong value)
    {
        AddItem(isInteger: true);
        _writer.WriteInteger(value);
    }

    /// <summary>Writes a boolean.</summary>
    /// <param name="value">The value.</param>
    public void WriteBoolean(bool value)
    {
        AddItem(isInteger: false);
        _writer.WriteBoolean(value);
    }

    /// <summary>Writes a string of at most 255 octets, which may be empty.</summary>
    /// <param name="text">The text.</param>
    public void WriteText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        CheckText(text, "text");
        AddItem(isInteger: false);
        _writer.WriteUtf8String(text);
    }

    /// <summary>Writes a buffer.</summary>
    /// <param name="octets">Its octets; copied before the call returns.</param>
    public void WriteBuffer(ReadOnlySpan<byte> octets)
    {
        AddItem(isInteger: false);
        _writer.WriteOctetString(octets);
    }

    /// <summary>Opens a buffer whose octets follow by <see cref="WriteOctets"/>. It closes by itself when all have come.</summary>
    /// <param name="length">Octets it will have; may exceed 2^31.</param>
    public void BeginBuffer(long length)
    {
        AddItem(isInteger: false);
        _writer.BeginOctetString(length);
    }

    /// <summary>
    /// Opens a blob: the whole state of a device in its own binary format, as the body of the section. Its octets follow by
    /// <see cref="WriteOctets"/>; nothing else can be written until <see cref="EndBlob"/>.
    /// </summary>
    /// <param name="length">Octets it will have; may exceed 2^31.</param>
    public void BeginBlob(long length)
    {
        AddBody();
        _writer.BeginOctetString(length);
        _frames[_depth++] = new Frame { Mode = BerSequenceMode.Blob };
    }

    /// <summary>Writes further octets of the open blob or buffer.</summary>
    /// <param name="octets">The next octets; copied before the call returns.</param>
    public void WriteOctets(ReadOnlySpan<byte> octets) => _writer.WriteContents(octets);

    /// <summary>Closes the blob, whose octets must all be there.</summary>
    public void EndBlob()
    {
        Require(BerSequenceMode.Blob);
        if (_writer.OpenStringRest > 0) throw new InvalidOperationException($"The blob lacks {_writer.OpenStringRest} octets.");
        _depth--;
    }

    private void WriteMembers(BerItem.Group group)
    {
        foreach (var item in group.Items) WriteItem(item);
        if (group.Subsections.Count == 0) return;
        BeginSubsections();
        foreach (var subsection in group.Subsections)
        {
            BeginSubsection(subsection.Name, subsection.VersionId);
            WriteState(subsection.State);
            EndSubsection();
        }

        EndSubsections();
    }

    private void WriteItem(BerItem item)
    {
        switch (item)
        {
            case BerItem.Number { Value.Value: var value } when value < 0:
                WriteInteger((long)value);
                break;
            case BerItem.Number { Value.Value: var value }:
                WriteInteger((ulong)value);
                break;
            case BerItem.Flag flag:
                WriteBoolean(flag.Value);
                break;
            case BerItem.Text text:
                AddItem(isInteger: false);
                _writer.WritePrimitive(BerTag.Utf8String, text.Octets.Span);
                break;
            case BerItem.Buffer buffer:
                WriteBuffer(buffer.Octets.Span);
                break;
            case BerItem.Group { Tag: var tag } group:
                if (tag != BerTag.Sequence) throw Refused($"{tag} inside of a state", "only states have tags of their own");
                BeginStruct();
                WriteMembers(group);
                EndStruct();
                break;
        }
    }

    private void BeginGroup(BerSequenceMode mode, int expectedItems)
    {
        AddItem(isInteger: false);
        Push(mode, BerTag.Sequence);
        _frames[_depth - 1].ExpectedItems = expectedItems;
    }

    private void AddItem(bool isInteger)
    {
        if (Mode is not (BerSequenceMode.State or BerSequenceMode.Struct or BerSequenceMode.List or BerSequenceMode.Array))
            throw Misplaced("write an item");
        ref var frame = ref _frames[_depth - 1];
        if (frame.IsClosed) throw new InvalidOperationException("The list of subsections is the last item.");
        if (frame.IsCpuCommon && (!isInteger || frame.Items == 2))
            throw Refused("anything but two integers as the typed state of cpu_common", "write a plain state instead");
        frame.Items++;
    }

    private void AddBody()
    {
        if (Mode is not (BerSequenceMode.OpeningSection or BerSequenceMode.ContinuingSection)) throw Misplaced("write a section's body");
        if (_frames[_depth - 1].Items++ > 0) throw new InvalidOperationException("A section has one body.");
    }
}
