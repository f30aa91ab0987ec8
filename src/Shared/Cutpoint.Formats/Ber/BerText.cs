using System.Text;

namespace Cutpoint.Formats.Ber;

/// <summary>Contents of UTF8String.</summary>
internal static class BerText
{
    /// <summary>Throws where the framework's default would put in replacement characters: text must survive being written again.</summary>
    public static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static string Decode(ReadOnlySpan<byte> octets, long offset)
    {
        if (!System.Text.Unicode.Utf8.IsValid(octets)) BerError.Throw(offset, "text that is not UTF-8");
        return Strict.GetString(octets);
    }
}
