namespace Cutpoint.Cli.Commands;

/// <summary>What a node is there for.</summary>
[Flags]
internal enum NodeRoles
{
    /// <summary>It serves the guests of its machine.</summary>
    Worker = 1,

    /// <summary>It runs jobs that were submitted or whose process died.</summary>
    Coordinator = 2,
}
