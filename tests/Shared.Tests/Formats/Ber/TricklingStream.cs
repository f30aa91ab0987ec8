namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>Gives one octet per read: whoever assumes that a read fills his buffer finds out.</summary>
internal sealed class TricklingStream(byte[] octets) : MemoryStream(octets)
{
    public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1));

    public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1)]);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        return await base.ReadAsync(buffer[..Math.Min(buffer.Length, 1)], cancellationToken);
    }
}
