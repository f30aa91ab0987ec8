using System.Globalization;

namespace Cutpoint.Guests;

/// <summary>How a guest is reached: <c>SCHEME:TARGET[?key=value&amp;…]</c>, such as <c>qemu:/run/vm1.qmp</c> or <c>reference:a?ram=1GiB</c>.</summary>
public sealed record GuestUri
{
    private GuestUri(string text, string scheme, string target, IReadOnlyDictionary<string, string> options)
    {
        Text = text;
        Scheme = scheme;
        Target = target;
        Options = options;
    }

    /// <summary>The URI as the user wrote it.</summary>
    public string Text { get; }

    /// <summary>Names the driver.</summary>
    public string Scheme { get; }

    /// <summary>What the driver opens: a socket's path, a name.</summary>
    public string Target { get; }

    /// <summary>The options behind the question mark.</summary>
    public IReadOnlyDictionary<string, string> Options { get; }

    /// <summary>Reads a guest URI.</summary>
    /// <exception cref="SnapshotException">It is not one (<see cref="ErrorCode.Usage"/>).</exception>
    public static GuestUri Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || colon == text.Length - 1)
            throw Wrong(text, "no scheme and target");
        var question = text.IndexOf('?', colon);
        var target = question < 0 ? text[(colon + 1)..] : text[(colon + 1)..question];
        if (target.Length == 0)
            throw Wrong(text, "no target");
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        if (question >= 0)
        {
            foreach (var pair in text[(question + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                var equals = pair.IndexOf('=', StringComparison.Ordinal);
                var key = equals < 0 ? pair : pair[..equals];
                if (!options.TryAdd(key, equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..])))
                    throw Wrong(text, $"option '{key}' is given twice");
            }
        }
        return new GuestUri(text, text[..colon].ToLower(CultureInfo.InvariantCulture), target, options);
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static SnapshotException Wrong(string text, string reason) =>
        new(ErrorCode.Usage, $"'{text}' is not a guest URI: {reason}", "write qemu:/path/of/the/qmp/socket or reference:NAME?ram=1GiB")
        {
            IsPreflight = true,
        };
}
