namespace Cutpoint.Formats.Ssm;

/// <summary>What both directions know of structures: saved state format, section C.3.</summary>
internal static class SavedStateStructure
{
    public const uint LeadMarker = 0x19200102;
    public const uint TailMarker = 0x19920406;

    public const SavedStateStructureFlags AllFlags = (SavedStateStructureFlags)0x3F;

    public static bool HasLeadMarker(SavedStateStructureFlags flags) =>
        (flags & (SavedStateStructureFlags.NoMarkers | SavedStateStructureFlags.NoLeadMarker)) == 0;

    public static bool HasTailMarker(SavedStateStructureFlags flags) =>
        (flags & (SavedStateStructureFlags.NoMarkers | SavedStateStructureFlags.NoTailMarker)) == 0;

    /// <summary>True for what the simple calls can do.</summary>
    public static bool IsSimple(SavedStateField field) =>
        !field.IsCallback && field.Transformer is >= SavedStateTransformer.None and <= SavedStateTransformer.RawPointerArray;

    /// <summary>A host's pointer or an address as it lies in memory.</summary>
    public static ulong Load(ReadOnlySpan<byte> octets) => octets.Length == sizeof(uint)
        ? System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(octets)
        : System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(octets);

    /// <summary>Puts a host's pointer or an address where it lies in memory.</summary>
    public static void Store(Span<byte> octets, ulong value)
    {
        if (octets.Length == sizeof(uint)) System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(octets, (uint)value);
        else System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(octets, value);
    }
}
