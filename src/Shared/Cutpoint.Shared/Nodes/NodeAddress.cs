using System.Globalization;

namespace Cutpoint.Nodes;

/// <summary>Where a node listens.</summary>
/// <param name="Host">Its name or IP address.</param>
/// <param name="Port">Its TCP port; 0 to listen on any that is free.</param>
public sealed record NodeAddress(string Host, int Port)
{
    /// <summary>The port of an address that names none.</summary>
    public const int DefaultPort = 7411;

    /// <summary>Reads <c>HOST</c>, <c>HOST:PORT</c> or <c>[IPv6]:PORT</c>.</summary>
    /// <exception cref="SnapshotException">It is not an address (<see cref="ErrorCode.Usage"/>).</exception>
    public static NodeAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var bracket = text.LastIndexOf(']');
        var colon = text.LastIndexOf(':');
        var hasPort = colon > bracket;
        var host = (hasPort ? text[..colon] : text).TrimStart('[').TrimEnd(']');
        var port = DefaultPort;
        if (hasPort && !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port)) throw Wrong(text);
        return host.Length > 0 && host.AsSpan().IndexOfAny("/ @") < 0 && port <= ushort.MaxValue && (bracket >= 0 || !host.Contains(':', StringComparison.Ordinal))
            ? new NodeAddress(host, port) : throw Wrong(text);
    }

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");

    private static SnapshotException Wrong(string text) =>
        new(ErrorCode.Usage, $"'{text}' is not the address of a node", "write HOST, HOST:PORT or [IPv6]:PORT") { IsPreflight = true };
}
