using Cutpoint.Guests;

namespace Cutpoint.Nodes;

/// <summary>A guest, and the node that serves it: <c>GUEST-URI</c> for one of this machine, <c>//NODE/GUEST-URI</c> for one of another.</summary>
/// <param name="Node">The node, as its address or by the name it is registered with; null for this process.</param>
/// <param name="Uri">The guest as its node reaches it.</param>
public sealed record GuestAddress(string? Node, GuestUri Uri)
{
    private const string Prefix = "//";

    /// <summary>Reads an address.</summary>
    /// <exception cref="SnapshotException">It is not one (<see cref="ErrorCode.Usage"/>).</exception>
    public static GuestAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.StartsWith(Prefix, StringComparison.Ordinal)) return new GuestAddress(null, GuestUri.Parse(text));
        var end = text.IndexOf('/', Prefix.Length);
        if (end < 0)
            throw new SnapshotException(ErrorCode.Usage, $"'{text}' names a node and no guest", "write //HOST:PORT/qemu:/path/of/the/qmp/socket") { IsPreflight = true };
        var node = text[Prefix.Length..end];
        // A name is a host's name too; what it means is found out when it is connected to.
        NodeAddress.Parse(node);
        return new GuestAddress(node, GuestUri.Parse(text[(end + 1)..]));
    }

    /// <inheritdoc/>
    public override string ToString() => Node is null ? Uri.Text : $"{Prefix}{Node}/{Uri.Text}";
}
