namespace Cutpoint.Formats.Qemu;

/// <summary>Kinds of sections with a number and a footer: QEMU migration stream, section 1. The value is the type octet.</summary>
public enum QemuSectionKind : byte
{
    /// <summary>First section of something that is sent in rounds, such as RAM.</summary>
    Start = 0x01,

    /// <summary>One more round.</summary>
    Part = 0x02,

    /// <summary>The last round. A background snapshot has none for RAM.</summary>
    End = 0x03,

    /// <summary>A device, whole.</summary>
    Full = 0x04,
}
