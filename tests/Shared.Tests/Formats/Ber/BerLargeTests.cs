using System.IO.Pipelines;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>Values of more octets than an array can have, from a writer straight into a reader.</summary>
public class BerLargeTests
{
    private const long BlobLength = (1L << 31) + 5;
    private const int PieceLength = 1 << 20;

    [Fact]
    public async Task A_blob_beyond_two_to_the_31_is_written_and_read_in_constant_memory()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 4 * PieceLength, resumeWriterThreshold: 2 * PieceLength));
        var writing = WriteAsync(pipe.Writer);
        using var reader = new BerSnapshotReader(pipe.Reader.AsStream());
        long octets = 0;
        var last = (byte)0;
        while (await reader.ReadAsync())
        {
            if (reader.Event != BerSnapshotEvent.Octets) continue;
            Assert.Equal(BlobLength, reader.OctetsLength);
            octets += reader.Contents.Length;
            if (!reader.Contents.IsEmpty) last = reader.Contents[^1];
            Assert.Equal(octets == BlobLength, reader.IsFinalPiece);
        }

        Assert.Equal((BlobLength, (byte)7), (octets, last));
        Assert.True(await writing > BlobLength);
    }

    private static async Task<long> WriteAsync(PipeWriter pipe)
    {
        await using var stream = pipe.AsStream();
        using var values = new BerWriter(stream);
        var writer = new BerSnapshotWriter(values);
        writer.BeginFile();
        writer.BeginSection("device", 1, 0, 1);
        writer.BeginBlob(BlobLength);
        var piece = new byte[PieceLength];
        piece.AsSpan().Fill(7);
        for (var rest = BlobLength; rest > 0; rest -= Math.Min(rest, PieceLength))
        {
            writer.WriteOctets(piece.AsSpan(0, (int)Math.Min(rest, PieceLength)));
            await values.FlushAsync();
        }

        writer.EndBlob();
        writer.EndSection();
        writer.EndFile();
        await values.FlushAsync();
        return values.Position;
    }
}
