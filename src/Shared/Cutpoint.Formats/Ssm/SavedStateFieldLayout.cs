namespace Cutpoint.Formats.Ssm;

/// <summary>Walks the fields of a structure and checks that they lie where they may: saved state format, sections C.2 to C.4.</summary>
internal ref struct SavedStateFieldLayout(int structureSize, SavedStateHost own, SavedStateStructureFlags flags, long at)
{
    private const int RawPointerSize = 4;

    private uint _end;

    /// <summary>Checks the next field and says which octets of the structure it is.</summary>
    public (int Offset, int Size) Place(SavedStateField field)
    {
        var (offset, size) = RangeOf(field);
        if ((ulong)offset + size > (ulong)structureSize) throw Wrong(SavedStateStatus.FieldOutOfBounds, field, $"octets {offset} to {(ulong)offset + size} of {structureSize}");
        if (flags.HasFlag(SavedStateStructureFlags.FullStructure) && offset != _end)
            throw Wrong(SavedStateStatus.FieldNotConsecutive, field, $"it begins at {offset}, the one before ends at {_end}");
        _end = offset + size;
        if (!field.IsCallback) CheckSize(field);
        return ((int)offset, (int)size);
    }

    /// <summary>Checks the end of the structure.</summary>
    public readonly void End()
    {
        if (flags.HasFlag(SavedStateStructureFlags.FullStructure) && _end != structureSize)
            throw new SavedStateException(SavedStateStatus.FieldNotConsecutive, at, $"the last field ends at {_end}, the structure at {structureSize}");
    }

    public readonly SavedStateException Wrong(SavedStateStatus status, SavedStateField field, string reason) => new(status, at, $"field {field.Name}: {reason}");

    /// <summary>Octets of padding on a host.</summary>
    public static int PaddingOn(SavedStateHost host, SavedStateField field) => field.Transformer switch
    {
        SavedStateTransformer.OldPadding => (int)(host.PointerSize == 4 ? field.Size & 0xFFFF : field.Size >> 16),
        SavedStateTransformer.OldPaddingMicrosoft32 => host.IsMicrosoft32 ? (int)(field.Size & 0xFFFF) : 0,
        SavedStateTransformer.PaddingAutoMicrosoft32 => (int)(host.IsMicrosoft32 ? field.Size & 0xFF : (field.Size >> 8) & 0xFF),
        _ => (int)(host.PointerSize == 4 ? field.Size & 0xFF : (field.Size >> 8) & 0xFF),
    };

    private readonly (uint Offset, uint Size) RangeOf(SavedStateField field)
    {
        var isMember = field.Offset != SavedStateField.NoMember;
        if (field.IsCallback) return (field.Offset, field.Size);
        if (SavedStateTransformers.IsOld(field.Transformer))
            return isMember ? throw Wrong(SavedStateStatus.FieldOutOfBounds, field, "what is a member no more has a place in the structure") : (_end, 0u);
        if (!SavedStateTransformers.IsPadding(field.Transformer)) return (field.Offset, field.Size);
        var size = field.Size >> 16;
        var isAuto = field.Transformer is SavedStateTransformer.PaddingAuto or SavedStateTransformer.PaddingAutoMicrosoft32;
        var here = PaddingOn(own, field);
        // The compiler's padding has no member whose size could be written down.
        if (isAuto && size == 0) size = (uint)here;
        if (size != here || (isMember ? size == 0 : size != 0 && !isAuto))
            throw Wrong(SavedStateStatus.FieldInvalidPaddingSize, field, $"{size} octets of padding, {here} are due here");
        return (isMember ? field.Offset : _end, size);
    }

    private readonly void CheckSize(SavedStateField field)
    {
        int? due = field.Transformer switch
        {
            SavedStateTransformer.GuestPhysical or SavedStateTransformer.IgnoredGuestPhysical => own.GuestPhysicalSize,
            SavedStateTransformer.GuestPointer or SavedStateTransformer.IgnoredGuestPointer => own.GuestPointerSize,
            SavedStateTransformer.RawPointer or SavedStateTransformer.IgnoredRawPointer => RawPointerSize,
            SavedStateTransformer.HostPointerIsSet or SavedStateTransformer.HostPointerAsNumber or SavedStateTransformer.IgnoredHostPointer => own.PointerSize,
            SavedStateTransformer.ZeroExtended => sizeof(ulong),
            _ => null,
        };
        var element = field.Transformer switch
        {
            SavedStateTransformer.RawPointerArray => RawPointerSize,
            SavedStateTransformer.HostPointerIsSetArray => own.PointerSize,
            _ => 0,
        };
        if (due is { } size && size != field.Size) throw Wrong(SavedStateStatus.FieldInvalidSize, field, $"{field.Size} octets, {size} are due");
        if (element > 0 && (field.Size == 0 || field.Size % element != 0))
            throw Wrong(SavedStateStatus.FieldInvalidSize, field, $"{field.Size} octets are no elements of {element}");
    }
}
