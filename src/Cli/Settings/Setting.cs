using System.CommandLine;
using System.CommandLine.Parsing;

namespace Cutpoint.Cli.Settings;

/// <summary>
/// Options whose value comes from the first of: the flag, the environment (CUTPOINT_NAME, or CUTPOINT_VERB_NAME for the option of a verb), the
/// configuration file, the default. One parser serves all of them.
/// </summary>
internal static class Setting
{
    /// <summary>An option with one value.</summary>
    /// <param name="verb">The verb it belongs to, or null when every verb has it.</param>
    /// <param name="name">Name without dashes.</param>
    /// <param name="description">For the help.</param>
    /// <param name="parse">From text; a <see cref="SnapshotException"/> is a usage error.</param>
    /// <param name="hint">What to write in place of the value, for the help.</param>
    /// <param name="fallback">The default as text, or null for none.</param>
    public static Option<T> Create<T>(string? verb, string name, string description, Func<string, T> parse, string hint, string? fallback = null)
    {
        var option = new Option<T>($"--{name}")
        {
            Description = fallback is null ? description : $"{description} [default: {fallback}]",
            HelpName = hint,
            CustomParser = result => Parse(result, result.Tokens[0].Value, "", parse),
            DefaultValueFactory = result =>
            {
                foreach (var (source, value) in Sources(verb, name)) return Parse(result, value, $"{source}: ", parse);
                return fallback is null ? default! : parse(fallback);
            },
        };
        return option;
    }

    /// <summary>An option that may be given several times.</summary>
    public static Option<T[]> CreateMany<T>(string verb, string name, string description, Func<string, T> parse, string hint) =>
        new($"--{name}")
        {
            Description = description,
            HelpName = hint,
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result => [.. result.Tokens.Select(token => Parse(result, token.Value, "", parse))],
            DefaultValueFactory = result => [.. Sources(verb, name).Select(found => Parse(result, found.Value, $"{found.Source}: ", parse))],
        };

    /// <summary>A switch.</summary>
    public static Option<bool> CreateSwitch(string? verb, string name, string description) => new($"--{name}")
    {
        Description = description,
        DefaultValueFactory = result =>
            Sources(verb, name).Select(found => Parse(result, found.Value, $"{found.Source}: ", Value.Switch)).FirstOrDefault(),
    };

    /// <summary>An argument by its place.</summary>
    public static Argument<T> Argument<T>(string name, string description, Func<string, T> parse) => new(name)
    {
        Description = description,
        CustomParser = result => Parse(result, result.Tokens[0].Value, "", parse),
    };

    /// <summary>Arguments by their place, at least one.</summary>
    public static Argument<T[]> Arguments<T>(string name, string description, Func<string, T> parse) => new(name)
    {
        Description = description,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => [.. result.Tokens.Select(token => Parse(result, token.Value, "", parse))],
    };

    private static IEnumerable<(string Source, string Value)> Sources(string? verb, string name)
    {
        var variable = $"CUTPOINT_{(verb is null ? "" : verb + "_")}{name}".Replace('-', '_').ToUpperInvariant();
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value) return [(variable, value)];
        return ConfigurationFile.Find(verb, name).Select(found => ($"{ConfigurationFile.Location}: {name}", found));
    }

    private static T Parse<T>(ArgumentResult result, string value, string source, Func<string, T> parse)
    {
        try
        {
            return parse(value);
        }
        catch (SnapshotException exception) when (exception.Code == ErrorCode.Usage)
        {
            var option = source.Length > 0 ? source : result.Parent is OptionResult { Option: var at } ? $"{at.Name}: " : "";
            result.AddError($"{option}{exception.Message}{(exception.Advice is null ? "" : $", {exception.Advice}")}");
            return default!;
        }
    }
}
