namespace Cutpoint.Formats.Elf;

/// <summary>Reads at places of a seekable file through one window. One call at a time.</summary>
internal sealed class DumpInput(Stream file, int windowLength = DumpInput.DefaultWindow)
{
    private const int DefaultWindow = 64 << 10;

    private readonly byte[] _window = GC.AllocateUninitializedArray<byte>(windowLength);
    private long _start;
    private int _count;

    /// <summary>Octets of the file when it was opened.</summary>
    public long Length { get; } = file.Length;

    /// <summary>Fills a buffer; false when the file does not reach that far.</summary>
    public async ValueTask<bool> TryReadAsync(long offset, Memory<byte> octets, CancellationToken cancellation)
    {
        if (offset < 0 || offset > Length || octets.Length > Length - offset) return false;
        while (!octets.IsEmpty)
        {
            if (offset < _start || offset >= _start + _count)
            {
                if (file.Position != offset) file.Position = offset;
                (_start, _count) = (offset, 0);
                _count = await file.ReadAsync(_window, cancellation).ConfigureAwait(false);
                if (_count == 0) return false;
            }
            var count = (int)Math.Min(octets.Length, _start + _count - offset);
            _window.AsMemory((int)(offset - _start), count).CopyTo(octets);
            octets = octets[count..];
            offset += count;
        }
        return true;
    }
}
