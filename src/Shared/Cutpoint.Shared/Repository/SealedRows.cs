using System.Buffers.Binary;
using System.Data;
using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>
/// An encrypted catalog in the rows of a PostgreSQL database. Every record, the image and each change, is cut into pieces of one row each, numbered through; the image is
/// always the first, as who writes a new one deletes all before it in the same transaction.
/// <code>
/// row    = number, [salt (16), of the first row only], nonce (12), encrypted piece, tag (16)
/// piece  = 1 when it ends its record, else 0; octets of the record
/// </code>
/// The key is derived from the data key, which knows the repository, under the salt. Number and tag of the row before are associated data: no row opens in another place, after
/// another one, or when one before it is gone. A transaction takes the repository's row, reads what it has not seen, and writes in the same transaction. One caller at a time.
/// </summary>
/// <param name="database">The database; owned.</param>
/// <param name="key">The data key.</param>
internal sealed class SealedRows(PostgresCatalog database, DataKey key) : SealedStore
{
    /// <summary>Octets of a record in a row: a server and its clients hold a few rows at once, and a catalog may be larger than a row may be.</summary>
    private const int MaxPiece = 4 << 20;

    private const int SaltLength = 16;
    private const int MaxRow = SaltLength + RecordCipher.Overhead + 1 + MaxPiece;

    private Series? _series;

    public override string Name => database.Name;

    protected override long ImageLength => _series?.ImageLength ?? 0;

    protected override long ChangesLength => _series?.ChangesLength ?? 0;

    public override T InTurn<T>(Func<T> work)
    {
        var isAgain = false;
        try
        {
            return database.Write(
                () =>
                {
                    // Of the time before, memory has what the database has lost.
                    if (isAgain) Forget();
                    isAgain = true;
                    return work();
                },
                isDurable: true);
        }
        catch
        {
            Forget();
            throw;
        }
    }

    public override List<byte[]> ReadNew(out bool isReplaced)
    {
        var (records, series, isWhole) = database.Run(() =>
        {
            if (_series is { } known && Read(known.Copy()) is { } news) return (news.Records, news.Series, false);
            var all = Read(null) ?? throw Damaged("it has no image");
            // Behind an image rows are only added, so a server that was put back to an older state is noticed by those who know better.
            if (_series?.Salt.AsSpan().SequenceEqual(all.Series.Salt) is true) throw Damaged("rows are gone that were there before");
            return (all.Records, all.Series, true);
        });
        if (isWhole) Forget();
        _series = series;
        isReplaced = isWhole;
        return records;
    }

    /// <summary>The transaction's commit makes it durable.</summary>
    public override void Append(ReadOnlySpan<byte> change, bool isDurable)
    {
        _series!.ChangesLength += change.Length;
        Write(_series, change);
    }

    public override void Replace(ReadOnlySpan<byte> image)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltLength);
        var series = Begin(salt);
        series.Number = _series?.Number ?? 0;
        series.ImageLength = image.Length;
        Forget();
        database.Execute("DELETE FROM sealed");
        Write(series, image, salt);
        _series = series;
    }

    public override void Forget()
    {
        _series?.Cipher.Dispose();
        _series = null;
    }

    public override void Dispose()
    {
        Forget();
        database.Dispose();
    }

    private Series Begin(byte[] salt) => new(salt, new RecordCipher(key.Derive("catalog rows", salt)));

    private void Write(Series series, ReadOnlySpan<byte> record, ReadOnlySpan<byte> salt = default)
    {
        Span<byte> associated = stackalloc byte[Series.PlaceLength];
        do
        {
            var piece = record[..Math.Min(record.Length, MaxPiece)];
            record = record[piece.Length..];
            byte[] plain = [record.IsEmpty ? (byte)1 : (byte)0, .. piece];
            var row = new byte[salt.Length + RecordCipher.Overhead + plain.Length];
            salt.CopyTo(row);
            series.Cipher.Seal(plain, series.Next(associated), row.AsSpan(salt.Length));
            salt = default;
            database.Execute("INSERT INTO sealed (number, record) VALUES (@0, @1)", series.Number + 1, row);
            series.Accept(row);
        }
        while (!record.IsEmpty);
    }

    /// <summary>Reads on, or everything.</summary>
    /// <returns>Null when there is nothing to go on from: the last row that is known was replaced, or there are no rows at all.</returns>
    private (List<byte[]> Records, Series Series)? Read(Series? series)
    {
        // The row that is known already comes along, by its tag, and is seen to be there still.
        using var command = series is null
            ? database.Command("SELECT number, record FROM sealed ORDER BY number")
            : database.Command(
                "SELECT number, CASE WHEN number = @0 THEN substring(record FROM octet_length(record) - 15) ELSE record END FROM sealed WHERE number >= @0 ORDER BY number",
                series.Number);
        using var reader = command.ExecuteReader(CommandBehavior.SequentialAccess);
        if (series is not null && !(reader.Read() && reader.GetInt64(0) == series.Number && ReadRow(reader, series.Number).AsSpan().SequenceEqual(series.Tag))) return null;
        var records = new List<byte[]>();
        using var record = new MemoryStream();
        var isEnded = true;
        Span<byte> associated = stackalloc byte[Series.PlaceLength];
        while (reader.Read())
        {
            var number = reader.GetInt64(0);
            var row = ReadRow(reader, number);
            ReadOnlySpan<byte> sealedPiece = row;
            if (series is null)
            {
                if (number < 1 || row.Length < SaltLength) throw Damaged($"row {number} is none");
                series = Begin(row[..SaltLength]);
                series.Number = number - 1;
                sealedPiece = sealedPiece[SaltLength..];
            }
            if (number != series.Number + 1) throw Damaged($"row {series.Number + 1} is missing");
            if (series.Cipher.Open(sealedPiece, series.Next(associated)) is not [var end and (0 or 1), .. var piece]) throw Damaged($"row {number} does not open");
            series.Accept(row);
            record.Write(piece);
            isEnded = end == 1;
            if (!isEnded) continue;
            if (series.ImageLength == 0) series.ImageLength = record.Length;
            else series.ChangesLength += record.Length;
            records.Add(record.ToArray());
            record.SetLength(0);
        }
        if (!isEnded) throw Damaged($"row {series!.Number + 1} is missing");
        return series is null ? null : (records, series);
    }

    private byte[] ReadRow(System.Data.Common.DbDataReader reader, long number)
    {
        var length = reader.GetBytes(1, 0, null, 0, 0);
        if (length > MaxRow) throw Damaged($"row {number} has {length} octets");
        var row = new byte[length];
        reader.GetBytes(1, 0, row, 0, row.Length);
        return row;
    }

    /// <summary>An image and the changes behind it, as far as they are known.</summary>
    private sealed class Series(byte[] salt, RecordCipher cipher)
    {
        /// <summary>Octets of what a row is bound to.</summary>
        public const int PlaceLength = sizeof(long) + RecordCipher.TagLength;

        public byte[] Salt => salt;

        public RecordCipher Cipher => cipher;

        /// <summary>The last row that is known.</summary>
        public long Number { get; set; }

        /// <summary>The tag of that row; zeros before the first.</summary>
        public byte[] Tag { get; private set; } = new byte[RecordCipher.TagLength];

        public long ImageLength { get; set; }

        public long ChangesLength { get; set; }

        public Series Copy() => (Series)MemberwiseClone();

        /// <summary>What the next row is bound to.</summary>
        public ReadOnlySpan<byte> Next(Span<byte> place)
        {
            BinaryPrimitives.WriteInt64BigEndian(place, Number + 1);
            Tag.CopyTo(place[sizeof(long)..]);
            return place;
        }

        public void Accept(ReadOnlySpan<byte> row)
        {
            Number++;
            Tag = row[^RecordCipher.TagLength..].ToArray();
        }
    }
}
