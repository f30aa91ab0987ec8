using System.Text;

namespace Cutpoint.Formats.Ber;

/// <summary>One item of a device's state, held in memory.</summary>
public abstract record BerItem
{
    private BerItem()
    {
    }

    /// <summary>An integer.</summary>
    /// <param name="Value">Its value and what is known of it.</param>
    public sealed record Number(BerStateInteger Value) : BerItem;

    /// <summary>A boolean.</summary>
    /// <param name="Value">Its value.</param>
    public sealed record Flag(bool Value) : BerItem;

    /// <summary>A string. Writers of the format did not check it to be UTF-8.</summary>
    /// <param name="Octets">Its octets.</param>
    public sealed record Text(ReadOnlyMemory<byte> Octets) : BerItem
    {
        /// <summary>The string, with replacement characters for what is not UTF-8.</summary>
        public override string ToString() => Encoding.UTF8.GetString(Octets.Span);
    }

    /// <summary>A buffer.</summary>
    /// <param name="Octets">Its octets.</param>
    public sealed record Buffer(ReadOnlyMemory<byte> Octets) : BerItem;

    /// <summary>A state, structure, list or array.</summary>
    /// <param name="Tag">SEQUENCE, or the APPLICATION tag of a state that has one.</param>
    /// <param name="Items">Its items in order.</param>
    /// <param name="Subsections">Its subsections in order; often none.</param>
    public sealed record Group(BerTag Tag, IReadOnlyList<BerItem> Items, IReadOnlyList<BerSubsection> Subsections) : BerItem;
}
