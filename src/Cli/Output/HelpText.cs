using System.CommandLine;

namespace Cutpoint.Cli.Output;

/// <summary>The help of a command: usage, what it does, its arguments, options and verbs, and examples to try.</summary>
internal static class HelpText
{
    private const int Width = 110;

    public static void Write(Command command, TextWriter output)
    {
        var parents = Parents(command).ToList();
        var options = command.Options.Concat(parents.SelectMany(parent => parent.Options.Where(option => option.Recursive)))
            .Where(option => !option.Hidden).ToList();
        var verbs = command.Subcommands.Where(verb => !verb.Hidden).ToList();
        List<string> usage = [NameOf(command)];
        if (verbs.Count > 0) usage.Add("VERB");
        usage.AddRange(command.Arguments.Select(Usage));
        usage.AddRange(options.Where(option => option.Required).Select(Usage));
        usage.Add("[OPTION]...");
        output.WriteLine($"Usage: {string.Join(' ', usage)}");
        output.WriteLine();
        Wrap(output, command.Description ?? "", 0);

        Section(output, "Arguments", command.Arguments.Select(argument => (argument.HelpName ?? argument.Name, argument.Description)));
        Section(output, "Verbs", verbs.Select(verb => (verb.Name, verb.Description)));
        Section(output, "Options", options.Select(option => (Usage(option), option.Description)));
        if (command is Verb { Examples.Length: > 0 } one)
        {
            output.WriteLine();
            output.WriteLine("Examples:");
            foreach (var example in one.Examples.Split('\n')) output.WriteLine($"  {example}");
        }
    }

    /// <summary>What a command is called by, with the verbs it is nested in: "cutpoint key add".</summary>
    public static string NameOf(Command command) =>
        string.Join(' ', Parents(command).Reverse().Append(command).Select(one => one is RootCommand ? "cutpoint" : one.Name));

    /// <summary>The verbs a verb belongs to, the nearest first.</summary>
    private static IEnumerable<Command> Parents(Command command)
    {
        for (var parent = command.Parents.OfType<Command>().FirstOrDefault(); parent is not null; parent = parent.Parents.OfType<Command>().FirstOrDefault())
            yield return parent;
    }

    private static string Usage(Argument argument)
    {
        var name = argument.Arity.MaximumNumberOfValues > 1 ? $"{argument.Name}..." : argument.Name;
        return argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name;
    }

    private static string Usage(Option option)
    {
        var names = string.Join(", ", option.Aliases.Where(alias => alias.StartsWith('-')).OrderBy(alias => alias.Length).Append(option.Name));
        return option.HelpName is null ? names : $"{names} {option.HelpName}";
    }

    private static void Section(TextWriter output, string title, IEnumerable<(string Name, string? Text)> rows)
    {
        var all = rows.ToList();
        if (all.Count == 0) return;
        output.WriteLine();
        output.WriteLine($"{title}:");
        var indent = all.Max(row => row.Name.Length) + 4;
        foreach (var (name, text) in all)
        {
            output.Write($"  {name.PadRight(indent - 2)}");
            Wrap(output, text ?? "", indent);
        }
    }

    /// <summary>Writes text from the current column on, and its further lines behind an indent.</summary>
    private static void Wrap(TextWriter output, string text, int indent)
    {
        var column = indent;
        var separator = "";
        foreach (var word in text.Split(' '))
        {
            if (column > indent && column + separator.Length + word.Length > Width)
            {
                output.WriteLine();
                output.Write(new string(' ', indent));
                column = indent;
                separator = "";
            }
            output.Write(separator + word);
            column += separator.Length + word.Length;
            separator = " ";
        }
        output.WriteLine();
    }
}
