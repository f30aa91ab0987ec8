using System.Data.Common;

namespace Cutpoint.Repository;

/// <summary>Reads rows of the catalog. A value that cannot be one is damage of the file, not an error of the program.</summary>
internal static class CatalogListing
{
    public static IReadOnlyList<CheckpointInfo> Read(CatalogConnection connection)
    {
        var labels = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        using (var command = connection.Command("SELECT checkpoint, name, value FROM label"))
        using (var reader = command.ExecuteReader())
        {
            while (reader.Read()) Of(labels, reader.GetString(0))[reader.GetString(1)] = reader.GetString(2);
        }
        var guests = new Dictionary<string, List<GuestInfo>>(StringComparer.Ordinal);
        using (var command = connection.Command(
            "SELECT checkpoint, name, root, logical, content, reused, stored FROM guest ORDER BY checkpoint, ordinal"))
        using (var reader = command.ExecuteReader())
        {
            while (reader.Read())
            {
                Of(guests, reader.GetString(0)).Add(new GuestInfo(
                    reader.GetString(1), ReadDigest(reader, 2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5),
                    reader.GetInt64(6)));
            }
        }
        var checkpoints = new List<CheckpointInfo>();
        using (var command = connection.Command("SELECT id, name, created, root FROM checkpoint ORDER BY created, id"))
        using (var reader = command.ExecuteReader())
        {
            while (reader.Read())
            {
                var id = reader.GetString(0);
                checkpoints.Add(new CheckpointInfo(
                    ParseUlid(id),
                    reader.IsDBNull(1) ? null : reader.GetString(1),
                    ReadTime(reader.GetInt64(2)),
                    ReadDigest(reader, 3),
                    Of(labels, id),
                    Of(guests, id)));
            }
        }
        return checkpoints;
    }

    public static Ulid ParseUlid(string text) => Ulid.TryParse(text, out var id) ? id : throw Corrupt($"'{text}' where an id is due");

    public static PackId ParsePack(string text) => PackId.TryParse(text, out var id) ? id : throw Corrupt($"'{text}' where a pack is due");

    public static Digest ReadDigest(DbDataReader reader, int column)
    {
        var octets = reader.IsDBNull(column) ? [] : reader.GetFieldValue<byte[]>(column);
        return octets.Length == Digest.Length ? new Digest(octets) : throw Corrupt($"{octets.Length} octets where a digest is due");
    }

    public static int ReadLength(DbDataReader reader, int column) =>
        reader.GetInt64(column) is > 0 and <= int.MaxValue and var length ? (int)length : throw Corrupt("a length out of range");

    private static DateTimeOffset ReadTime(long milliseconds) =>
        milliseconds is >= 0 and <= 253_402_300_799_999
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : throw Corrupt($"time {milliseconds}");

    private static T Of<T>(Dictionary<string, T> all, string key)
        where T : new()
    {
        if (!all.TryGetValue(key, out var one)) all.Add(key, one = new T());
        return one;
    }

    private static FormatException Corrupt(string message) => new(message);
}
