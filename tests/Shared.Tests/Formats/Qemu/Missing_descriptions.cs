using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Devices have no length; without the description at the end they cannot be cut, unless the caller has one.</summary>
public sealed class Missing_descriptions
{
    private static readonly byte[] Described = Vectors.Stream("toy8-ignore-shared");

    // What suppress-vmdesc leaves out: the mark, the length, the text.
    private static readonly byte[] Bare = Described[..Described.AsSpan().LastIndexOf("\u0006\0"u8)];

    [Fact]
    public async Task A_stream_without_one_is_refused_with_advice()
    {
        var error = await Assert.ThrowsAsync<MalformedInputException>(() => Vectors.ParseAsync(Bare));

        Assert.Equal(Bare.Length, error.Offset);
        Assert.Contains("suppress-vmdesc", error.Advice!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_callers_description_is_used_then()
    {
        var (_, expected) = await Vectors.ParseAsync(Described);
        var (_, part) = await Vectors.ParseAsync(Bare, new QemuStreamOptions { Description = expected.Description });

        Assert.False(part.HasOwnDescription);
        Assert.Equal(expected.Devices.Select(d => (d.Name, d.StreamOffset, d.Payload.Length)),
            part.Devices.Select(d => (d.Name, d.StreamOffset, d.Payload.Length)));
    }

    [Fact]
    public async Task A_description_of_another_machine_is_found_wrong()
    {
        var (_, other) = await Vectors.ParseAsync("q35-5g-ignore-shared-10.0");

        var error = await Assert.ThrowsAsync<MalformedInputException>(
            () => Vectors.ParseAsync(Bare, new QemuStreamOptions { Description = other.Description }));

        Assert.Contains("same QEMU version", error.Advice!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_streams_own_description_goes_first()
    {
        var (_, other) = await Vectors.ParseAsync("q35-5g-ignore-shared-10.0");

        var (_, part) = await Vectors.ParseAsync(Described, new QemuStreamOptions { Description = other.Description });

        Assert.True(part.HasOwnDescription);
    }
}
