namespace Cutpoint.Formats.Ber;

/// <summary>What a <see cref="BerReader"/> stands on.</summary>
public enum BerToken
{
    /// <summary>Before the first value, or behind the last one.</summary>
    None,

    /// <summary>The header of a constructed value; its contents follow as further tokens.</summary>
    Start,

    /// <summary>A primitive value.</summary>
    Primitive,

    /// <summary>The end of the constructed value that was opened last.</summary>
    End,
}
