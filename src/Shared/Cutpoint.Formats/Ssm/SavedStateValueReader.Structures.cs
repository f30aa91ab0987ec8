namespace Cutpoint.Formats.Ssm;

/// <content>Structures.</content>
public sealed partial class SavedStateValueReader
{
    /// <summary>Reads a structure of plain members, with markers.</summary>
    /// <param name="structure">The structure as it lies in this host's memory. Members the data do not have are left as they are.</param>
    /// <param name="fields">Its members, with the first five transformers only.</param>
    /// <exception cref="SavedStateException">A field is wrong, or the data are; every later call fails too.</exception>
    public void GetStructure(Span<byte> structure, IEnumerable<SavedStateField> fields) =>
        Get(structure, SavedStateStructureFlags.None, fields, isSimple: true);

    /// <summary>Reads a structure.</summary>
    /// <param name="structure">The structure as it lies in this host's memory. Members the data do not have are left as they are.</param>
    /// <param name="flags">How it was saved.</param>
    /// <param name="fields">Its members.</param>
    /// <exception cref="SavedStateException">A field is wrong, or the data are; every later call fails too.</exception>
    public void GetStructure(Span<byte> structure, SavedStateStructureFlags flags, IEnumerable<SavedStateField> fields) =>
        Get(structure, flags, fields, isSimple: false);

    private void Get(Span<byte> structure, SavedStateStructureFlags flags, IEnumerable<SavedStateField> fields, bool isSimple)
    {
        if (_fault is not null) throw _fault;
        try
        {
            var at = _reader.Offset;
            if ((flags & ~SavedStateStructure.AllFlags) != 0)
                throw new SavedStateException(SavedStateStatus.InvalidParameter, at, $"unknown structure flags {(int)flags:x}");
            if (SavedStateStructure.HasLeadMarker(flags)) GetMarker(SavedStateStructure.LeadMarker, "begins");
            var version = UnitVersion ?? _reader.Unit?.Version ?? uint.MaxValue;
            var layout = new SavedStateFieldLayout(structure.Length, _own, flags, at);
            foreach (var field in fields)
            {
                if (isSimple && !SavedStateStructure.IsSimple(field)) throw layout.Wrong(SavedStateStatus.FieldComplex, field, "it is more than a simple structure has");
                var (offset, size) = layout.Place(field);
                if (field.FirstVersion > version) continue;
                if (field.Get is { } get) get(this, field, structure, flags);
                else Get(field, structure.Slice(offset, size), flags, layout);
            }
            layout.End();
            if (SavedStateStructure.HasTailMarker(flags)) GetMarker(SavedStateStructure.TailMarker, "ends");
        }
        catch (SavedStateException e) when (e.Status is not (SavedStateStatus.GuestPhysicalOverflow or SavedStateStatus.GuestPointerOverflow or SavedStateStatus.InvalidState))
        {
            throw Keep(e);
        }
    }

    private void GetMarker(uint marker, string what)
    {
        var at = _reader.Offset;
        var seen = GetUInt32();
        if (seen != marker) throw new SavedStateException(SavedStateStatus.StructureMagic, at, $"{seen:x8} where a structure {what}");
    }

    private void Get(SavedStateField field, Span<byte> member, SavedStateStructureFlags flags, SavedStateFieldLayout layout)
    {
        var takesRoom = flags.HasFlag(SavedStateStructureFlags.DoNotIgnore);
        switch (field.Transformer)
        {
            case SavedStateTransformer.None or SavedStateTransformer.RawPointer or SavedStateTransformer.RawPointerArray:
                GetMemory(member);
                break;
            case SavedStateTransformer.GuestPhysical:
                SavedStateStructure.Store(member, GetGuestPhysical());
                break;
            case SavedStateTransformer.GuestPointer:
                SavedStateStructure.Store(member, GetGuestPointer());
                break;
            case SavedStateTransformer.HostPointerIsSet or SavedStateTransformer.HostPointerIsSetArray:
                for (; !member.IsEmpty; member = member[_own.PointerSize..])
                {
                    var isSet = !takesRoom ? GetBoolean() : Saver.PointerSize == sizeof(uint) ? GetUInt32() != 0 : GetUInt64() != 0;
                    SavedStateStructure.Store(member[.._own.PointerSize], isSet ? 1UL : 0);
                }
                break;
            case SavedStateTransformer.HostPointerAsNumber:
                SavedStateStructure.Store(member, GetUInt32());
                if (!takesRoom || Saver.PointerSize != sizeof(ulong)) break;
                var upper = GetUInt32();
                if (upper != 0 && !flags.HasFlag(SavedStateStructureFlags.SavedAsMemory))
                    throw layout.Wrong(SavedStateStatus.FieldInvalidValue, field, $"{upper:x} in the upper half of a number of 32 bits");
                break;
            case SavedStateTransformer.ZeroExtended:
                SavedStateStructure.Store(member, GetUInt32());
                break;
            case SavedStateTransformer.Old:
                Skip(field.Size);
                break;
            case SavedStateTransformer.OldGuestPhysical:
                Skip(Saver.GuestPhysicalSize);
                break;
            case SavedStateTransformer.OldGuestPointer:
                Skip(Saver.GuestPointerSize);
                break;
            case SavedStateTransformer.OldRawPointer:
                Skip(sizeof(uint));
                break;
            case SavedStateTransformer.OldHostPointer:
                Skip(Saver.PointerSize);
                break;
            case SavedStateTransformer.OldPadding or SavedStateTransformer.OldPaddingMicrosoft32:
                Skip(SavedStateFieldLayout.PaddingOn(Saver, field));
                break;
            case var transformer when SavedStateTransformers.IsIgnored(transformer) || SavedStateTransformers.IsPadding(transformer):
                if (takesRoom) Skip(IgnoredSize(field));
                break;
            default:
                throw layout.Wrong(SavedStateStatus.FieldInvalidCallback, field, "nothing says how it is loaded");
        }
    }

    /// <summary>What the saver wrote for a member nobody reads.</summary>
    private long IgnoredSize(SavedStateField field) => field.Transformer switch
    {
        SavedStateTransformer.Ignored => field.Size,
        SavedStateTransformer.IgnoredGuestPhysical => Saver.GuestPhysicalSize,
        SavedStateTransformer.IgnoredGuestPointer => Saver.GuestPointerSize,
        SavedStateTransformer.IgnoredRawPointer => sizeof(uint),
        SavedStateTransformer.IgnoredHostPointer => Saver.PointerSize,
        _ => SavedStateFieldLayout.PaddingOn(Saver, field),
    };
}
