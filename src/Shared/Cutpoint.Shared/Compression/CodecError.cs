using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>The one place that words the errors of compressed input.</summary>
internal static class CodecError
{
    public static MalformedInputException Damaged(string codec, string reason) =>
        new(codec, 0, reason, "the data are damaged: run 'cutpoint verify', or fetch the file again from its source");

    public static MalformedInputException WrongLength(string codec, long actual, int expected) =>
        Damaged(codec, $"the block expands to {actual} octets where {expected} are due");
}
