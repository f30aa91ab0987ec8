namespace Cutpoint.Formats.Qemu;

/// <summary>
/// One device's state: a FULL section without its frame. With <see cref="Description"/>'s <see cref="DeviceDescription.Json"/> it can be
/// stored on its own and
/// written into a new stream later.
/// </summary>
/// <param name="Name">The section's idstr, such as "cpu" or "0000:00:01.1/ide".</param>
/// <param name="Instance">Tells sections of one name apart.</param>
/// <param name="Version">The state's version as sent; a loader must know it.</param>
/// <param name="SectionId">The number the stream gave the section; only the footer repeats it.</param>
/// <param name="Payload">Fields back to back, then subsections. Immutable; sections of one stream share one buffer.</param>
public sealed record DeviceSection(string Name, uint Instance, uint Version, uint SectionId, ReadOnlyMemory<byte> Payload)
{
    /// <summary>The layout of the payload, or null when it is unknown.</summary>
    public DeviceDescription? Description { get; init; }

    /// <summary>
    /// True when the sizes of <see cref="Description"/> add up to the payload. False where QEMU describes an array of pointers wrongly
    /// (9.2 and older) and the
    /// payload was delimited by the sections around it: its fields cannot be told apart.
    /// </summary>
    public bool IsDescribed => Description is { } description && description.State.WireLength == Payload.Length;

    /// <summary>True for state that stands before the memory, such as virtio-mem's plan of plugged blocks.</summary>
    public bool IsEarly { get; init; }

    /// <summary>Offset of the section's type octet in the stream it came from.</summary>
    public long StreamOffset { get; init; }

    internal long PayloadOffset => StreamOffset + 1 + 4 + 1 + System.Text.Encoding.UTF8.GetByteCount(Name) + 4 + 4;

    /// <inheritdoc/>
    public override string ToString() => $"{Name}/{Instance} v{Version}";
}
