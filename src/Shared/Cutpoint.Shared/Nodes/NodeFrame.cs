namespace Cutpoint.Nodes;

/// <summary>One frame of a line.</summary>
/// <param name="Kind">What it carries.</param>
/// <param name="Payload">The octets; valid until the next frame of the line is asked for.</param>
public readonly record struct NodeFrame(FrameKind Kind, ReadOnlyMemory<byte> Payload);
