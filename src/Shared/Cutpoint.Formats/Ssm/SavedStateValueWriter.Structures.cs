namespace Cutpoint.Formats.Ssm;

/// <content>Structures.</content>
public sealed partial class SavedStateValueWriter
{
    private static readonly byte[] Zeros = new byte[256];

    /// <summary>Writes a structure of plain members, with markers.</summary>
    /// <param name="structure">The structure as it lies in the memory of the host the header tells of.</param>
    /// <param name="fields">Its members, with the first five transformers only.</param>
    /// <exception cref="SavedStateException">A field is wrong; every later call fails too.</exception>
    public void PutStructure(ReadOnlySpan<byte> structure, IEnumerable<SavedStateField> fields) =>
        Put(structure, SavedStateStructureFlags.None, fields, isSimple: true);

    /// <summary>Writes a structure.</summary>
    /// <param name="structure">The structure as it lies in the memory of the host the header tells of.</param>
    /// <param name="flags">How.</param>
    /// <param name="fields">Its members.</param>
    /// <exception cref="SavedStateException">A field is wrong; every later call fails too.</exception>
    public void PutStructure(ReadOnlySpan<byte> structure, SavedStateStructureFlags flags, IEnumerable<SavedStateField> fields) =>
        Put(structure, flags, fields, isSimple: false);

    private void Put(ReadOnlySpan<byte> structure, SavedStateStructureFlags flags, IEnumerable<SavedStateField> fields, bool isSimple)
    {
        if (_fault is not null) throw _fault;
        try
        {
            var at = _writer.Offset;
            if ((flags & ~SavedStateStructure.AllFlags) != 0)
                throw new SavedStateException(SavedStateStatus.InvalidParameter, at, $"unknown structure flags {(int)flags:x}");
            if (SavedStateStructure.HasLeadMarker(flags)) PutUInt32(SavedStateStructure.LeadMarker);
            var layout = new SavedStateFieldLayout(structure.Length, _host, flags, at);
            foreach (var field in fields)
            {
                if (isSimple && !SavedStateStructure.IsSimple(field)) throw layout.Wrong(SavedStateStatus.FieldComplex, field, "it is more than a simple structure has");
                var (offset, size) = layout.Place(field);
                if (field.Put is { } put) put(this, field, structure, flags);
                else Put(field, structure.Slice(offset, size), flags, layout);
            }
            layout.End();
            if (SavedStateStructure.HasTailMarker(flags)) PutUInt32(SavedStateStructure.TailMarker);
        }
        catch (SavedStateException e)
        {
            _fault ??= e;
            throw;
        }
    }

    private void Put(SavedStateField field, ReadOnlySpan<byte> member, SavedStateStructureFlags flags, SavedStateFieldLayout layout)
    {
        var takesRoom = flags.HasFlag(SavedStateStructureFlags.DoNotIgnore);
        switch (field.Transformer)
        {
            case SavedStateTransformer.None:
                PutMemory(member);
                break;
            case SavedStateTransformer.GuestPhysical:
                PutGuestPhysical(SavedStateStructure.Load(member));
                break;
            case SavedStateTransformer.GuestPointer:
                PutGuestPointer(SavedStateStructure.Load(member));
                break;
            case SavedStateTransformer.RawPointer or SavedStateTransformer.RawPointerArray:
                for (; !member.IsEmpty; member = member[sizeof(uint)..]) PutMemory(member[..sizeof(uint)]);
                break;
            case SavedStateTransformer.HostPointerIsSet or SavedStateTransformer.HostPointerIsSetArray:
                for (; !member.IsEmpty; member = member[_host.PointerSize..])
                {
                    if (takesRoom) PutMemory(member[.._host.PointerSize]);
                    else PutBoolean(SavedStateStructure.Load(member[.._host.PointerSize]) != 0);
                }
                break;
            case SavedStateTransformer.HostPointerAsNumber:
                var number = SavedStateStructure.Load(member);
                if (number > uint.MaxValue) throw layout.Wrong(SavedStateStatus.FieldInvalidValue, field, $"{number:x} has more than 32 bits");
                PutUInt32((uint)number);
                if (takesRoom && _host.PointerSize == 8) PutUInt32(0);
                break;
            case SavedStateTransformer.ZeroExtended:
                throw layout.Wrong(SavedStateStatus.FieldLoadOnlyTransformation, field, "it can only be loaded");
            case SavedStateTransformer.Old:
                PutZeros(field.Size);
                break;
            case SavedStateTransformer.OldGuestPhysical or SavedStateTransformer.OldGuestPointer:
                PutZeros(sizeof(ulong));
                break;
            case SavedStateTransformer.OldRawPointer:
                PutZeros(sizeof(uint));
                break;
            case SavedStateTransformer.OldHostPointer:
                PutZeros((uint)_host.PointerSize);
                break;
            case SavedStateTransformer.OldPadding or SavedStateTransformer.OldPaddingMicrosoft32:
                PutZeros((uint)SavedStateFieldLayout.PaddingOn(_host, field));
                break;
            case var transformer when SavedStateTransformers.IsIgnored(transformer) || SavedStateTransformers.IsPadding(transformer):
                if (takesRoom) PutZeros((uint)member.Length);
                break;
            default:
                throw layout.Wrong(SavedStateStatus.FieldInvalidCallback, field, "nothing says how it is saved");
        }
    }

    private void PutZeros(uint count)
    {
        for (; count > 0; count -= (uint)Math.Min(count, Zeros.Length)) PutMemory(Zeros.AsSpan(0, (int)Math.Min(count, Zeros.Length)));
    }
}
