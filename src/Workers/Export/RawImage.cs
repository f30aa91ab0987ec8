using System.Buffers;
using Cutpoint.Formats.Kdump;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>
/// An image that is zero where nothing is written: holes in a file, zeros in a pipe. A pipe is written front to back; a file anywhere, by several threads.
/// </summary>
internal sealed class RawImage(ExportOutput output) : IPlacedOutput
{
    private readonly OutputBuffer _buffer = new(output.Stream);

    /// <summary>Puts octets at a place; in a pipe behind everything written before.</summary>
    public void Write(long position, ReadOnlySpan<byte> octets)
    {
        if (output.IsFile)
        {
            try
            {
                RandomAccess.Write(output.Handle, octets, position);
            }
            catch (Exception e) when (StorageError.IsStorage(e))
            {
                throw StorageError.Translate(e, output.Path, "write");
            }
            return;
        }
        FillTo(position);
        _buffer.Write(octets);
    }

    public ValueTask FlushIfFullAsync(CancellationToken cancellation) => _buffer.FlushIfFullAsync(cancellation);

    /// <summary>Ends the image.</summary>
    public async Task CompleteAsync(long length, CancellationToken cancellation)
    {
        if (output.IsFile)
        {
            output.Stream.SetLength(length);
            return;
        }
        FillTo(length);
        await _buffer.FlushAsync(cancellation);
    }

    private void FillTo(long position)
    {
        while (_buffer.Position < position)
        {
            var count = (int)Math.Min(position - _buffer.Position, 64 << 10);
            _buffer.GetSpan(count)[..count].Clear();
            _buffer.Advance(count);
        }
    }
}
