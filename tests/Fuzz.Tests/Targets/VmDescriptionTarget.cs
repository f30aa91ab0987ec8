using System.Text;
using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Fuzz.Targets;

/// <summary>The description of the devices at the end of a migration stream, and of one device as a repository keeps it.</summary>
public sealed class VmDescriptionTarget : FuzzTarget
{
    /// <summary>Pieces of JSON that mean something.</summary>
    public static IReadOnlyList<byte[]> JsonWords { get; } =
    [
        .. new[]
        {
            "{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud800", "null", "true", "-1", "0", "1e99", "0.5", "2147483648", "18446744073709551616", "{\"a\":{\"a\":", "[[[[[[[[",
            "\"size\":", "\"array_len\":", "\"index\":", "\"struct\":", "\"fields\":[", "\"subsections\":[", "\"type\":\"struct\",", "\"name\":", "\xff",
        }.Select(Encoding.Latin1.GetBytes),
    ];

    private const int SectionHeaderLimit = 1 << 10;

    public override string Name => "vmdesc";

    public override IReadOnlyList<byte[]> Words => JsonWords;

    public override void Read(byte[] octets, Random random)
    {
        var devices = IsWhole(octets) ? VmDescription.Parse(octets).Devices : [DeviceDescription.Parse(octets)];
        foreach (var device in devices)
        {
            var length = device.State.WireLength;
            if (length > 1 << 20) continue;
            var section = new DeviceSection(device.Name, device.Instance, (uint)device.State.Version, 1, new byte[length]) { Description = device };
            try
            {
                _ = DeviceFields.Read(section).Count;
            }
            catch (MalformedInputException error) when (Object(error, (int)length + SectionHeaderLimit) is null)
            {
                // The offset is one of the section, which is made up: the description alone is the input.
            }
        }
    }

    protected override IEnumerable<byte[]> Golden()
    {
        foreach (var name in (string[])["pc-7.2", "q35-devices-10.0", "early-10.0"])
        {
            var guest = SmallGuest.OfAsync(name).GetAwaiter().GetResult();
            foreach (var device in guest.Devices.Where(device => device.Description!.Json.Length < 4096)) yield return device.Description!.Json.ToArray();
            var few = guest.Devices.Where(device => device.Description!.Json.Length < 2000).Take(4).Select(device => Encoding.UTF8.GetString(device.Description!.Json.Span));
            yield return Encoding.UTF8.GetBytes($$"""{"page_size":4096,"devices":[{{string.Join(",", few)}}]}""");
        }
    }

    private static bool IsWhole(ReadOnlySpan<byte> octets) => octets.IndexOf("page_size"u8) >= 0;
}
