using System.CommandLine;

namespace Cutpoint.Cli;

/// <summary>A command with examples for its help.</summary>
internal sealed class Verb(string name, string description, string examples = "") : Command(name, description)
{
    /// <summary>Lines to try, as a user would type them.</summary>
    public string Examples { get; } = examples;
}
