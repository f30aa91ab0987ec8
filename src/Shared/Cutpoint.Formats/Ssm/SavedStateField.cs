namespace Cutpoint.Formats.Ssm;

/// <summary>One member of a structure, and how it is saved: saved state format, section C.1.</summary>
/// <param name="Name">Its name, for errors.</param>
/// <param name="Transformer">How it is saved.</param>
/// <param name="Offset">Octets from the start of the structure; <see cref="NoMember"/> for what is no member on this host.</param>
/// <param name="Size">Octets; of padding see <see cref="PaddingSize"/>.</param>
/// <param name="FirstVersion">The unit version it appeared in: data of older versions do not have it.</param>
public sealed record SavedStateField(string Name, SavedStateTransformer Transformer, uint Offset, uint Size, uint FirstVersion = 0)
{
    /// <summary>The offset of what is no member: the place is wherever the field before ended.</summary>
    public const uint NoMember = uint.MaxValue / 2;

    /// <summary>Saves the member in place of a transformer. Gets the structure and the call's flags.</summary>
    public SavedStateFieldPut? Put { get; init; }

    /// <summary>Loads the member in place of a transformer. Gets the structure and the call's flags.</summary>
    public SavedStateFieldGet? Get { get; init; }

    internal bool IsCallback => Put is not null || Get is not null;

    /// <summary>A member that callbacks save and load.</summary>
    public static SavedStateField Custom(string name, uint offset, uint size, SavedStateFieldPut put, SavedStateFieldGet get, uint firstVersion = 0) =>
        new(name, SavedStateTransformer.Invalid, offset, size, firstVersion) { Put = put, Get = get };

    /// <summary>Something that was a member once.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="transformer">One of the old ones.</param>
    /// <param name="size">Octets in the file, for <see cref="SavedStateTransformer.Old"/> only.</param>
    public static SavedStateField Gone(string name, SavedStateTransformer transformer, uint size = 0) => new(name, transformer, NoMember, size);

    /// <summary>The size of <see cref="SavedStateTransformer.OldPadding"/> and <see cref="SavedStateTransformer.OldPaddingMicrosoft32"/>.</summary>
    /// <param name="on32">Octets on 32-bit hosts, or on 32-bit Windows.</param>
    /// <param name="on64">Octets on 64-bit hosts.</param>
    public static uint OldPaddingSize(ushort on32, ushort on64 = 0) => ((uint)on64 << 16) | on32;

    /// <summary>The size of padding.</summary>
    /// <param name="on32">Octets on 32-bit hosts; for the kinds of 32-bit Windows, on that.</param>
    /// <param name="on64">Octets on 64-bit hosts; for the kinds of 32-bit Windows, on all others.</param>
    /// <param name="member">Octets of the member; 0 when there is none on this host, and for padding the compiler puts in.</param>
    public static uint PaddingSize(byte on32, byte on64, ushort member = 0) => ((uint)member << 16) | ((uint)on64 << 8) | on32;
}

/// <summary>Saves one member.</summary>
/// <param name="values">Where to.</param>
/// <param name="field">The member.</param>
/// <param name="structure">The structure.</param>
/// <param name="flags">The call's flags.</param>
public delegate void SavedStateFieldPut(SavedStateValueWriter values, SavedStateField field, ReadOnlySpan<byte> structure, SavedStateStructureFlags flags);

/// <summary>Loads one member.</summary>
/// <param name="values">Where from.</param>
/// <param name="field">The member.</param>
/// <param name="structure">The structure.</param>
/// <param name="flags">The call's flags.</param>
public delegate void SavedStateFieldGet(SavedStateValueReader values, SavedStateField field, Span<byte> structure, SavedStateStructureFlags flags);
