namespace Cutpoint.Nodes;

/// <summary>The first thing a coordinator says on a connection it has proved to be entitled to: what the connection is for.</summary>
public sealed record NodeGreeting
{
    /// <summary>The version of the protocol this program speaks, and no other: 2, since sections are known by what is stored.</summary>
    public const int ProtocolVersion = 2;

    /// <summary>Version of the protocol. A node refuses another one.</summary>
    public int Version { get; init; } = ProtocolVersion;

    /// <summary>The job.</summary>
    public required string JobId { get; init; }

    /// <summary>
    /// Which coordinator of the job speaks: each that goes on with a job has a higher number than the one before. A worker serves the highest it has seen
    /// and nobody below it.
    /// </summary>
    public required int Epoch { get; init; }

    /// <summary>What the repository of the job is called in notes of overlays; null on a connection for a guest's state.</summary>
    public string? Repository { get; init; }

    /// <summary>Null on the connection of the job's commands; else the connection is for the state of this guest alone.</summary>
    public string? Guest { get; init; }
}
